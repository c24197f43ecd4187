"""Composing configurations, and reading values out of them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException

from lenssr.config.groups import CONFIGS, hydra_context, searchpath
from lenssr.config.overrides import explain
from lenssr.errors import ConfigError

__all__ = ["compose", "plain", "select"]


def compose(overrides: Sequence[str] = ()) -> DictConfig:
    """Compose ``configs/train.yaml`` with command-line overrides, outside or inside a Hydra application.

    Raises:
        ConfigError: an override names a group, an option or a key that does not exist.
    """
    return copy.deepcopy(_composed((*searchpath(), *overrides), CONFIGS))


@cache  # a table asks for the same configuration many times, at a tenth of a second each
def _composed(overrides: tuple[str, ...], folder: Path) -> DictConfig:
    import hydra
    from hydra.errors import HydraException

    try:
        with hydra_context(folder):
            return hydra.compose("train", overrides=list(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error, list(overrides))) from error


def plain(node: Any) -> Any:
    """Return a config node as plain dicts and lists, its interpolations resolved.

    Raises:
        ConfigError: a mandatory value (``???``) is missing or an interpolation names nothing.
    """
    if not OmegaConf.is_config(node):
        return node
    try:
        return OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    except InterpolationKeyError as error:
        raise ConfigError(f"The config refers to a value that does not exist: {error.msg or error}") from error
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None)
        raise ConfigError(f"A value is missing; give it on the command line: {key}=<value>") from error


def select(config: dict[str, Any], path: str, default: Any = None) -> Any:
    """Return ``config["a"]["b"]`` for the path ``"a.b"``, or the default."""
    for key in path.split("."):
        if not isinstance(config, dict) or key not in config:
            return default
        config = config[key]
    return config
