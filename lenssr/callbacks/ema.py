"""Exponential moving average of the weights."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor

from lenssr.errors import ConfigError

__all__ = ["EMA"]


class EMA(WeightAveraging):
    """Average with decay min(decay, (1 + n) / (10 + n)) after n updates.

    A plain decay of 0.999 would leave four fifths of the first step's weights after 240 steps.

    Args:
        decay: in the long run.

    Raises:
        ValueError: decay is not between 0 and 1.
    """

    def __init__(self, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay={decay} must lie between 0 and 1")

        def average(averaged: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
            if not averaged.is_floating_point():
                return current  # batch norm counts its batches
            updates = float(count)
            return torch.lerp(averaged, current, 1 - min(decay, (1 + updates) / (10 + updates)))

        super().__init__(avg_fn=average)

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Copy the weights that will be averaged.

        Raises:
            ConfigError: the network is built on e2cnn, whose layers have other buffers in training than in evaluation.
        """
        if any(type(module).__module__.startswith("e2cnn") for module in pl_module.modules()):
            raise ConfigError(
                f"callbacks=ema cannot average the equivariant layers of {type(pl_module.model).__name__}; use "
                "callbacks=default."
            )
        super().setup(trainer, pl_module, stage)
