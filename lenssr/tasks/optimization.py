"""Optimizer and learning-rate schedule from the ``optimizer`` config."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from lenssr.config.instantiate import instantiate
from lenssr.errors import ConfigError, did_you_mean

__all__ = ["configure"]

_OURS = ("name", "schedule", "warmup", "cycle")
_SCHEDULES = ("one_cycle", "constant")


def configure(parameters: list[nn.Parameter], config: dict[str, Any], steps: int) -> Any:
    """Return what ``LightningModule.configure_optimizers`` must return.

    ``one_cycle`` (Smith & Topin 2017, arXiv:1708.07120) rises over ``warmup`` of the steps and falls to the end;
    its steps are counted in batches. With ``cycle`` above 1 it lasts that many trainings, of which one is taken: the
    2023 report's code counted samples where it took batches, so its cycle of batches of 8 was 8 trainings long.
    ``constant`` keeps the learning rate.

    Raises:
        ConfigError: the schedule is unknown, or the optimizer refuses its arguments.
    """
    schedule = config.get("schedule", "constant")
    if schedule not in _SCHEDULES:
        raise ConfigError(f"optimizer.schedule={schedule} is unknown. {did_you_mean(schedule, _SCHEDULES)}")
    build = instantiate({key: value for key, value in config.items() if key not in _OURS}, "optimizer")
    try:
        optimizer: Optimizer = build(parameters)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"optimizer: {error}") from error
    if schedule == "constant":
        return optimizer
    scheduler = OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=round(steps * config["cycle"]),
        pct_start=config["warmup"],
        cycle_momentum=False,
    )
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
