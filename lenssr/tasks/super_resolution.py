"""Residual super-resolution: LR in, HR out, one prediction an image."""

from __future__ import annotations

from torch import Tensor

from lenssr.data.batches import Batch
from lenssr.tasks.base import Task

__all__ = ["SuperResolution"]


class SuperResolution(Task):
    """Trains ``model(lr)`` towards ``target``; scored beside bilinear interpolation and the noise ceiling."""

    references = ("bilinear", "ceiling")

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """Return the terms of the configured loss."""
        return self.loss(self.model(batch["lr"]).float(), batch)

    def predict(self, batch: Batch) -> Tensor:
        """Return the super-resolved images."""
        return self.model(batch["lr"]).float()
