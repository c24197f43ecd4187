"""Is a configuration that of its recipe, or shorter and smaller? Its folder's name and its table say so."""

from __future__ import annotations

from functools import cache
from typing import Any

from omegaconf import OmegaConf

from lenssr.config.compose import select
from lenssr.config.groups import config_file

__all__ = ["off_recipe"]


@cache
def _shipped(scale: str) -> tuple[frozenset[int], tuple[dict[str, int], ...]]:
    """Return the steps and the numbers of images that a size of the recipe has; none of a size of one's own."""
    path = config_file("scale", scale)
    if path is None:
        return frozenset(), ()
    nodes = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    found = [node for node in nodes.values() if isinstance(node, dict)] if isinstance(nodes, dict) else []
    images = [node["images"] for node in found if "images" in node] + [node for node in found if "train" in node]
    return frozenset(node["steps"] for node in found if "steps" in node), tuple(images)


def off_recipe(config: dict[str, Any]) -> list[str]:
    """Return what sets a configuration apart from its size's recipe, in words for a name.

    ``debug``; the steps where they are others, as ``60steps``; the training images likewise, as ``90images``. What is
    not trained has no steps.

    Args:
        config: plain and complete.
    """
    if any(word.startswith("debug=") for word in select(config, "stages.overrides", [])):
        return ["debug"]
    steps, images = _shipped(str(select(config, "scale.name")))
    words = []
    asked = select(config, "trainer.max_steps")
    if steps and asked not in steps and "trainer" not in select(config, "task.ignores", []):
        words.append(f"{asked}steps")
    source = select(config, "dataset.source", {})
    held = source.get("splits") or source.get("limits")
    if images and held and dict(held) not in images:
        words.append(f"{held['train']}images")
    return words
