"""Enhanced deep residual network (Lim et al. 2017, arXiv:1707.02921), as small as the 2023 report's."""

from __future__ import annotations

from torch import Tensor, nn

from lenssr.models.upscale import shuffle_upscale

__all__ = ["EDSR"]


class _Block(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(features, features, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(features, features, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class EDSR(nn.Module):
    """Residual blocks without normalisation or residual scaling; the global skip spans the blocks alone.

    Args:
        scale: HR pixels per LR pixel, 1 to 4.
        features: channels.
        blocks: residual blocks.
    """

    def __init__(self, scale: int, features: int, blocks: int) -> None:
        super().__init__()
        self.head = nn.Conv2d(1, features, 3, padding=1)
        self.body = nn.Sequential(*(_Block(features) for _ in range(blocks)))
        self.upscale = shuffle_upscale(features, scale)
        self.out = nn.Conv2d(features, 1, 3, padding=1)

    def forward(self, lr: Tensor) -> Tensor:
        """Map (B, 1, h, w) to (B, 1, scale * h, scale * w)."""
        shallow = self.head(lr)
        return self.out(self.upscale(shallow + self.body(shallow)))
