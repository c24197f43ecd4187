"""Config files that were read once are not read again: Hydra reads twenty for each configuration that it composes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

__all__ = ["keep_files"]

_known: dict[tuple[str, str, str, tuple[int, int]], Any] = {}


def keep_files() -> None:
    """Let the sources of Hydra's present context keep what they read, for this process; a changed file is read anew."""
    from hydra.core.global_hydra import GlobalHydra

    for source in GlobalHydra.instance().config_loader().get_sources():
        if "load_config" not in vars(source):  # which it does already
            vars(source)["load_config"] = partial(_load, source, source.load_config)


def _load(source: Any, load: Callable[[str], Any], config_path: str) -> Any:
    name = config_path if config_path.endswith((".yaml", ".yml")) else f"{config_path}.yaml"
    try:
        state = Path(source.path, name).stat()
        age = (state.st_mtime_ns, state.st_size)
    except OSError:  # no file, as the configs that are Hydra's own
        age = (0, 0)
    key = (source.scheme(), source.path, name, age)
    if key not in _known:
        _known[key] = load(config_path)
    return copy.deepcopy(_known[key])
