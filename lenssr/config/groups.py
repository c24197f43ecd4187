"""Where the config files are, and Hydra's context for composing them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["CONFIGS", "OWN", "config_file", "hydra_context", "own_code", "own_configs", "searchpath"]


# beside the package in a checkout, inside it where it was built and installed
_PACKAGE = Path(__file__).resolve().parents[1]
CONFIGS = next(p for p in (_PACKAGE.parent / "configs", _PACKAGE / "configs") if (p / "train.yaml").is_file())

OWN = "LENSSR_CONFIG_DIR"  # variable that names a folder of one's own, laid out as configs/; --config-dir sets it


def own_configs() -> list[Path]:
    """Return the folder of one's own configs, if there is one."""
    named = os.environ.get(OWN)
    return [Path(named).expanduser().resolve()] if named else []


def searchpath() -> list[str]:
    """Return the override that lets Hydra look there too, if there is such a folder."""
    return [f'hydra.searchpath=["file://{folder}"]' for folder in own_configs()]


def own_code() -> None:
    """Let the Python files beside the folder of one's own configs be imported."""
    for folder in own_configs():
        if str(folder.parent) not in sys.path:
            sys.path.append(str(folder.parent))


def config_file(group: str, name: str) -> Path | None:
    """Return the file of an option; None where there is none."""
    paths = (folder / group / f"{name}.yaml" for folder in (*own_configs(), CONFIGS))
    return next((path for path in paths if path.is_file()), None)


@contextmanager
def hydra_context(folder: Path) -> Iterator[None]:
    """Hydra's compose API, inside a running Hydra application or without one."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    from lenssr.config.kept import keep_files

    if GlobalHydra.instance().is_initialized():
        keep_files()
        yield
    else:
        with initialize_config_dir(config_dir=str(folder), version_base="1.3"):
            keep_files()
            yield
