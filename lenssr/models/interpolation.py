"""Interpolation: what a network has to beat."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Interpolation"]


class Interpolation(nn.Module):
    """Interpolate between pixel centres; flux is conserved away from the edges.

    Args:
        scale: HR pixels per LR pixel.
        mode: ``bilinear`` or ``bicubic``.
    """

    def __init__(self, scale: int, mode: str) -> None:
        super().__init__()
        if mode not in ("bilinear", "bicubic"):
            raise ValueError(f"mode={mode} is neither 'bilinear' nor 'bicubic'")
        self.scale, self.mode = scale, mode

    def forward(self, lr: Tensor) -> Tensor:
        """Map (B, 1, h, w) to (B, 1, scale * h, scale * w)."""
        return F.interpolate(lr, scale_factor=self.scale, mode=self.mode, align_corners=False)
