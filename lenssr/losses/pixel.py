"""Losses of pixels alone."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from lenssr.data.batches import Batch
from lenssr.losses.base import Loss

__all__ = ["MSE"]


class MSE(Loss):
    """Mean squared error."""

    def forward(self, prediction: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the mean over all pixels."""
        return {"loss": F.mse_loss(prediction, batch["target"])}
