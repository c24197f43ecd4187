"""Interpolation: what a network has to beat."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Interpolation", "enlarged"]


def enlarged(lr: Tensor, like: Tensor) -> Tensor:
    """Return LR images (B, 1, h, w) interpolated to the size of others, bilinear between pixel centres."""
    if lr.shape[-2:] == like.shape[-2:]:
        return lr
    return F.interpolate(lr, size=like.shape[-2:], mode="bilinear", align_corners=False)


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
