"""What can change a result: the hash of a configuration, and the nodes that stand for other runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from lenssr.config.compose import select

__all__ = ["NOT_IDENTITY", "STAGE_TARGET", "every_stage_node", "identity", "stage_nodes"]


# What cannot change a result. Anything not listed here is part of a run's identity, new keys included.
NOT_IDENTITY = (
    "traceback",
    "verify",
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
    "trainer.benchmark",
    "trainer.channels_last",
    "trainer.compile",
    "loader.resident",
    "loader.evaluation_batch_size",
    "callbacks.progress",
    "callbacks.interrupt",
    "dataset.source.folder",
)
# Keys that came later, with the value under which nothing changes: left out, so that runs keep their folders.
_LATER = {"model.predict_variance": False, "task.compared": 0, "task.calibrated": False}
STAGE_TARGET = "lenssr.runs.stages.trained"


def stage_nodes(config: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (dotted path, node) of every node that stands for another, finished run which this one needs.

    A node with ``when: {path: value}`` is needed where the configuration has that value.
    """
    for path, node in every_stage_node(config):
        if all(select(config, key) == value for key, value in node.get("when", {}).items()):
            yield path, node


def every_stage_node(config: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (dotted path, node) of every node that stands for another run, whether this one needs it or not."""
    for key, value in config.items():
        if isinstance(value, dict):
            path = f"{prefix}{key}"
            if value.get("_target_") == STAGE_TARGET:
                yield path, value
            else:
                yield from every_stage_node(value, f"{path}.")


def identity(config: dict[str, Any], stages: dict[str, str]) -> str:
    """Return the SHA-256 of what can change the result of a run.

    Args:
        config: the whole configuration, plain.
        stages: hash of the run that each stage node (by dotted path) stands for.
    """
    payload = json.loads(json.dumps(config))
    for path in (*NOT_IDENTITY, *select(config, "task.ignores", [])):
        _drop(payload, path)
    for path, value in _LATER.items():
        if "outputs" not in payload["model"] and select(payload, path) is value:
            _drop(payload, path)
    for path, _ in list(every_stage_node(payload)):
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
