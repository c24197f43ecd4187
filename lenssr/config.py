"""Composing, checking and identifying configurations; the one place that instantiates."""

from __future__ import annotations

import copy
import hashlib
import importlib
import inspect
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException

from lenssr.errors import ConfigError, LensSRError, RunError, did_you_mean

__all__ = ["CONFIGS", "compose", "identity", "instantiate", "plain", "refuse_foreign_targets", "select", "stage_nodes"]

# beside the package in a checkout, inside it where it was built and installed
_PACKAGE = Path(__file__).resolve().parent
CONFIGS = next(p for p in (_PACKAGE.parent / "configs", _PACKAGE / "configs") if (p / "train.yaml").is_file())

# What cannot change a result. Anything not listed here is part of a run's identity, new keys included.
NOT_IDENTITY = (
    "traceback",
    "search",  # who asks
    "stages",  # a stage counts by its own hash
    "paths",
    "logger",
    "scale",  # its numbers reach the result through the nodes that interpolate them
    "task.recipe",
    "task.data",
    "task.ignores",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.strategy",
    "trainer.num_nodes",
    "trainer.log_every_n_steps",
    "loader.resident",
    "loader.evaluation_batch_size",
    "callbacks.progress",
    "callbacks.interrupt",
    "dataset.source.folder",
)
STAGE_TARGET = "lenssr.stages.trained"


@contextmanager
def _hydra(folder: Path) -> Iterator[None]:
    """Hydra's compose API, inside a running Hydra application or without one."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    if GlobalHydra.instance().is_initialized():
        yield
    else:
        with initialize_config_dir(config_dir=str(folder), version_base="1.3"):
            yield


def compose(overrides: Sequence[str] = ()) -> DictConfig:
    """Compose ``configs/train.yaml`` with command-line overrides, outside or inside a Hydra application.

    Raises:
        ConfigError: an override names a group, an option or a key that does not exist.
    """
    return copy.deepcopy(_composed(tuple(overrides), CONFIGS))


@cache  # a table asks for the same configuration many times, at a tenth of a second each
def _composed(overrides: tuple[str, ...], folder: Path) -> DictConfig:
    import hydra
    from hydra.errors import HydraException

    from lenssr.overrides import explain

    try:
        with _hydra(folder):
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


def stage_nodes(config: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (dotted path, node) of every node that stands for another, finished run which this one needs.

    A node with ``when: {path: value}`` is needed where the configuration has that value.
    """
    for path, node in _stage_nodes(config):
        if all(select(config, key) == value for key, value in node.get("when", {}).items()):
            yield path, node


def _stage_nodes(config: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in config.items():
        if isinstance(value, dict):
            path = f"{prefix}{key}"
            if value.get("_target_") == STAGE_TARGET:
                yield path, value
            else:
                yield from _stage_nodes(value, f"{path}.")


def identity(config: dict[str, Any], stages: dict[str, str]) -> str:
    """Return the SHA-256 of what can change the result of a run.

    Args:
        config: the whole configuration, plain.
        stages: hash of the run that each stage node (by dotted path) stands for.
    """
    payload = json.loads(json.dumps(config))
    for path in (*NOT_IDENTITY, *select(config, "task.ignores", [])):
        _drop(payload, path)
    for path, _ in list(_stage_nodes(payload)):
        _replace(payload, path, {"stage": stages.get(path)})  # None where the run does without it
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _drop(config: dict[str, Any], path: str) -> None:
    *parents, last = path.split(".")
    node = select(config, ".".join(parents)) if parents else config
    if isinstance(node, dict):
        node.pop(last, None)


def _replace(config: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    node = select(config, ".".join(parents)) if parents else config
    if isinstance(node, dict) and last in node:
        node[last] = value


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
def _own_targets() -> frozenset[str]:
    """Return every ``_target_`` of the files in configs/, those of one's own models among them."""
    texts = (path.read_text(encoding="utf-8") for path in CONFIGS.rglob("*.yaml"))
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
    if target is not None and not (isinstance(target, str) and target in _own_targets()):
        raise RunError(
            f"{where} asks for '{target}', which no file in configs/ does, and is not opened: it could run any code. "
            "If that is a model of your own, put its YAML file into configs/model/."
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
