"""Where the config files are, and Hydra's context for composing them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["CONFIGS", "hydra_context"]


# beside the package in a checkout, inside it where it was built and installed
_PACKAGE = Path(__file__).resolve().parents[1]
CONFIGS = next(p for p in (_PACKAGE.parent / "configs", _PACKAGE / "configs") if (p / "train.yaml").is_file())


@contextmanager
def hydra_context(folder: Path) -> Iterator[None]:
    """Hydra's compose API, inside a running Hydra application or without one."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    if GlobalHydra.instance().is_initialized():
        yield
    else:
        with initialize_config_dir(config_dir=str(folder), version_base="1.3"):
            yield
