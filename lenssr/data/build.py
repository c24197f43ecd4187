"""From a plain configuration to its data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lenssr.config.instantiate import instantiate

if TYPE_CHECKING:
    from lenssr.data import LensDataModule
    from lenssr.data.lens_data import LensData

__all__ = ["build_data", "build_set"]

_FED = "lenssr.data.LensDataModule"


def build_set(config: dict[str, Any]) -> LensData:
    """Return the data of a configuration without Lightning, where its dataset can be had so: to make it, or open it."""
    node = config["dataset"]
    return _built({**node, "_target_": "lenssr.data.LensData"} if node["_target_"] == _FED else node, config)


def build_data(config: dict[str, Any]) -> LensDataModule:
    """Return the data module; nothing is simulated or read yet."""
    return _built(config["dataset"], config)


def _built(dataset: dict[str, Any], config: dict[str, Any]) -> Any:
    loader = {**config["loader"], "seed": config["seed"], "steps": config["trainer"]["max_steps"]}
    node = config["task"].get("upscaler")
    return instantiate(
        dataset,
        "dataset",
        loader=loader,
        labels=[*config["task"].get("targets", []), *config["task"].get("hints", {})],
        upscaler=instantiate(node, "task.upscaler") if node else None,
        fresh=config["task"].get("fresh", "nothing"),
        verify=bool(config.get("verify", False)),
    )
