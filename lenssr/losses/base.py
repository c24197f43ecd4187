"""What every loss is."""

from __future__ import annotations

from torch import Tensor, nn

from lenssr.data.batches import Batch

__all__ = ["Loss"]


class Loss(nn.Module):
    """Compares a prediction (B, 1, H, W) with ``batch["target"]``, both in units of the set's ``unit``."""

    def prepare(self) -> None:
        """Load what the loss needs beside the batch; called once, before training."""

    def forward(self, prediction: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return ``loss``, a scalar, and further scalars worth a curve."""
        raise NotImplementedError
