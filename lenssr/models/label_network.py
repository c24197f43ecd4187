"""What networks share that tell numbers from an image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["LabelNetwork"]


class LabelNetwork(nn.Module):
    """A network that tells numbers in their own units, and perhaps how far off each may be.

    Args:
        outputs: how many numbers.
        predict_variance: give the variance of each number too (Nix & Weigend 1994, doi:10.1109/ICNN.1994.374138).

    Attributes:
        mean: of each number over the training images, (outputs,); 0 until :meth:`calibrate`.
        std: likewise, 1 until then.
    """

    mean: Tensor
    std: Tensor
    looks = False  # whether it must see images before it trains: :meth:`look`

    def __init__(self, outputs: int, predict_variance: bool) -> None:
        super().__init__()
        if outputs < 1:
            raise ValueError(f"outputs={outputs} must be at least 1")
        self.outputs, self.predict_variance = outputs, predict_variance
        self.register_buffer("mean", torch.zeros(outputs))
        self.register_buffer("std", torch.ones(outputs))

    def calibrate(self, mean: Tensor, std: Tensor) -> None:
        """Set the location and scale of the numbers, (outputs,) each, so that training begins near them."""
        self.mean.copy_(mean)
        self.std.copy_(std)

    def look(self, images: Tensor, noise: float) -> None:
        """Learn what images look like, before the training.

        Args:
            images: (N, 1, H, W), noise-free where the set knows them.
            noise: the standard deviation of a pixel of what will be seen about them; 0 where it is in them.
        """
        raise NotImplementedError

    def told(self, found: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return numbers and the logarithms of their variances, of a network's last layer (B, outputs or twice)."""
        mean = self.mean + self.std * found[:, : self.outputs]
        if not self.predict_variance:
            return mean, None
        return mean, found[:, self.outputs :] + 2 * self.std.log()
