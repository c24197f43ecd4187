"""Interpolation: what a network has to beat."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Interpolation", "enlarged", "of_size"]


def enlarged(lr: Tensor, like: Tensor) -> Tensor:
    """Return LR images (B, 1, h, w) interpolated to the size of others, bilinear between pixel centres."""
    return of_size(lr, (like.shape[-2], like.shape[-1]))


def of_size(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Return images (B, 1, h, w) interpolated to a size (H, W), as they are if they have it."""
    if images.shape[-2:] == size:
        return images
    return F.interpolate(images, size=size, mode="bilinear", align_corners=False)


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
