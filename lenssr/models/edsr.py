"""Enhanced deep residual network (Lim et al. 2017, arXiv:1707.02921), as small as the 2023 report's."""

from __future__ import annotations

from torch import Tensor, nn

from lenssr.models.upscale import Upscaler, shuffle_upscale

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


class EDSR(Upscaler):
    """Residual blocks without normalisation or residual scaling; the global skip spans the blocks alone.

    Args:
        scale: HR pixels per LR pixel, 1 to 4.
        features: channels.
        blocks: residual blocks.
        skip, unshuffle: see :class:`lenssr.models.upscale.Upscaler`.
    """

    def __init__(self, scale: int, features: int, blocks: int, skip: str | None = None, unshuffle: int = 1) -> None:
        super().__init__(scale, skip, unshuffle)
        self.head = nn.Conv2d(self.inputs, features, 3, padding=1)
        self.body = nn.Sequential(*(_Block(features) for _ in range(blocks)))
        self.upscale = shuffle_upscale(features, self.factor)
        self.out = nn.Conv2d(features, 1, 3, padding=1)

    def network(self, x: Tensor) -> Tensor:
        """Map (B, inputs, h, w) to (B, 1, factor * h, factor * w)."""
        shallow = self.head(x)
        return self.out(self.upscale(shallow + self.body(shallow)))
