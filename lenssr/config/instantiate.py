"""The one place that builds objects from ``_target_``, and refuses what the project's own configs do not name."""

from __future__ import annotations

import importlib
import inspect
import re
from functools import cache
from pathlib import Path
from typing import Any

from lenssr.config.groups import CONFIGS, OWN, own_code, own_configs
from lenssr.errors import ConfigError, LensSRError, RunError, did_you_mean

__all__ = ["instantiate", "refuse_foreign_targets"]


def instantiate(node: dict[str, Any], where: str, /, **kwargs: Any) -> Any:
    """Build the object that a config node describes; nested nodes first, arguments as plain values.

    Args:
        node: a plain config with ``_target_``.
        where: the node's name in the configuration, for messages.
        **kwargs: further arguments of the target.

    Raises:
        ConfigError: the target does not exist, or refuses its arguments.
    """
    import hydra.utils
    from hydra.errors import InstantiationException

    own_code()
    arguments = {key: value for key, value in node.items() if key != "name" or _accepts(node, "name")}
    try:
        # objects in kwargs must not pass through OmegaConf, which would copy or instantiate them
        build = hydra.utils.instantiate(arguments, _convert_="all", _partial_=True)
    except InstantiationException as error:
        cause = error.__cause__ or error
        if isinstance(cause, LensSRError):
            raise cause from error
        raise ConfigError(_explain_instantiation(cause, node, where)) from error
    if node.get("_partial_"):
        return build
    try:
        return build(**kwargs)
    except (TypeError, ValueError) as error:
        raise ConfigError(_explain_instantiation(error, node, where)) from error


@cache
def _own_targets(folders: tuple[Path, ...]) -> frozenset[str]:
    """Return every ``_target_`` of the files in folders of configs, those of one's own models among them."""
    texts = (path.read_text(encoding="utf-8") for folder in folders for path in folder.rglob("*.yaml"))
    return frozenset(found for text in texts for found in re.findall(r"\b_target_:\s*([\w.]+)", text))


def refuse_foreign_targets(node: Any, where: str) -> None:
    """Check a configuration read from a file that may be another's.

    Hydra calls whatever a ``_target_`` names, ``os.system`` too; only what the project's own configs name may be.
    Interpolations could make one, and a stored configuration has none left.

    Raises:
        RunError: it names something else.
    """
    if isinstance(node, str) and "${" in node:
        raise RunError(f"{where} holds the interpolation '{node}', and is not opened: no stored configuration has any.")
    target = node.get("_target_") if isinstance(node, dict) else None
    if target is not None and not (isinstance(target, str) and target in _own_targets((CONFIGS, *own_configs()))):
        raise RunError(
            f"{where} asks for '{target}', which no file in configs/ does, and is not opened: it could run any code. "
            f"If that is a model of your own, put its YAML file into configs/model/, or name your folder in {OWN}."
        )
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        refuse_foreign_targets(value, where)


def _target(node: dict[str, Any]) -> Any:
    module, _, name = str(node.get("_target_", "")).rpartition(".")
    try:
        return getattr(importlib.import_module(module), name, None) if module else None
    except ImportError:
        return None


def _accepts(node: dict[str, Any], argument: str) -> bool:
    target = _target(node)
    try:
        return target is not None and argument in inspect.signature(target).parameters
    except (TypeError, ValueError):
        return False


def _explain_instantiation(cause: BaseException, node: dict[str, Any], where: str) -> str:
    target = _target(node)
    if target is None:
        return f"{where}._target_={node.get('_target_')} cannot be imported: {cause}"
    text = str(cause)
    if "unexpected keyword argument" in text:
        word = text.rsplit("'", 2)[-2]
        known = [name for name in inspect.signature(target).parameters if name not in ("self", "args", "kwargs")]
        return f"{where} has no argument '{word}'. {did_you_mean(word, known)}"
    return f"{where}: {text}"
