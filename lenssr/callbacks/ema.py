"""Exponential moving average of the weights."""

from __future__ import annotations

import torch
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor

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
            updates = float(count)
            return torch.lerp(averaged, current, 1 - min(decay, (1 + updates) / (10 + updates)))

        super().__init__(avg_fn=average)
