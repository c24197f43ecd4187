"""What is typed after ``python train.py``, before Hydra sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lenssr.config.compose import plain
from lenssr.errors import ConfigError

__all__ = ["expanded"]


def expanded(arguments: list[str]) -> list[str]:
    """Put the overrides that a YAML file holds, as a search leaves it, in the place of its path.

    Raises:
        ConfigError: a file holds none.
    """
    found: list[str] = []
    for argument in arguments:
        if "=" in argument or not argument.endswith((".yaml", ".yml")):
            found.append(argument)
            continue
        held = _read(Path(argument))
        if not isinstance(held, dict) or not isinstance(held.get("overrides"), list):
            raise ConfigError(f"{argument} is not a file with a list of overrides.")
        found += map(str, held["overrides"])
    return found


def _read(path: Path) -> Any:
    """Return what a YAML file holds; None where there is none that can be read."""
    from omegaconf import OmegaConf
    from yaml import YAMLError

    try:
        return plain(OmegaConf.load(path))
    except (OSError, YAMLError):
        return None
