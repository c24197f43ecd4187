"""Losses of pixels alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lenssr.data.batches import Batch
from lenssr.errors import ConfigError
from lenssr.losses.base import Loss

__all__ = ["L1", "MSE", "Charbonnier", "ChiSquared"]


class MSE(Loss):
    """Mean squared error; its minimum is the mean of the posterior."""

    def forward(self, prediction: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the mean over all pixels."""
        return {"loss": F.mse_loss(prediction, batch["target"])}


class L1(Loss):
    """Mean absolute error; its minimum is the median, which lies below the mean where counts are clipped."""

    def forward(self, prediction: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the mean over all pixels."""
        return {"loss": F.l1_loss(prediction, batch["target"])}


class Charbonnier(Loss):
    """sqrt(d^2 + epsilon^2), an L1 loss with a smooth middle (Lai et al. 2017, arXiv:1710.01992).

    Args:
        epsilon: width of the middle, in units of the set's ``unit``.

    Raises:
        ValueError: epsilon is not positive.
    """

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        if epsilon <= 0:
            raise ValueError(f"epsilon={epsilon} must be positive")
        self.epsilon = epsilon

    def forward(self, prediction: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the mean over all pixels."""
        return {"loss": torch.sqrt((prediction - batch["target"]).square() + self.epsilon**2).mean()}


class ChiSquared(Loss):
    """Squared error over the variance of the HR pixel: each pixel counts as much as its noise allows.

    A prediction equal to the truth scores 1 against the observed image, the reduced chi-squared of the noise.

    Args:
        floor: error, as a fraction of the target, that is added to the noise in quadrature: without it the nuclei of
            bright galaxies, whose photons are many, would be all that counts.

    Raises:
        ValueError: the floor is negative.
    """

    def __init__(self, floor: float = 0.0) -> None:
        super().__init__()
        if floor < 0:
            raise ValueError(f"floor={floor} must be 0 or more")
        self.floor = floor

    def forward(self, prediction: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the mean over all pixels.

        Raises:
            ConfigError: the set does not know its noise.
        """
        if "variance" not in batch:
            raise ConfigError(
                "loss=chi2 needs the variance of the noise, which simulated sets alone know; use loss=mse."
            )
        variance = batch["variance"]
        if self.floor:
            variance = variance + (self.floor * batch["target"]).square()
        return {"loss": ((prediction - batch["target"]).square() / variance).mean()}
