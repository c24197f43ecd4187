"""Residual channel attention network (Zhang et al. 2018, arXiv:1807.02758), at the 2023 report's size."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lenssr.models.upscale import Upscaler

__all__ = ["RCAN"]


class _ChannelAttention(nn.Module):
    """Weigh channels by what their means say."""

    def __init__(self, features: int, reduction: int) -> None:
        super().__init__()
        hidden = max(1, features // reduction)
        self.weigh = nn.Sequential(nn.Conv2d(features, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, features, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.weigh(x.mean(dim=(-2, -1), keepdim=True)))


class _Residual(nn.Module):
    """Add a body's output to its input."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class RCAN(Upscaler):
    """Residual groups of residual blocks with channel attention.

    Args:
        scale: HR pixels per LR pixel, 1 to 4.
        features: channels.
        groups: residual groups.
        blocks: residual blocks in a group.
        reduction: of the channels inside the attention.
        skip, unshuffle: see :class:`lenssr.models.upscale.Upscaler`.
    """

    def __init__(
        self,
        scale: int,
        features: int,
        groups: int,
        blocks: int,
        reduction: int,
        skip: str | None = None,
        unshuffle: int = 1,
    ) -> None:
        super().__init__(scale, skip, unshuffle)

        def block() -> _Residual:
            first, second = _convolution(features, features), _convolution(features, features)
            return _Residual(first, nn.ReLU(), second, _ChannelAttention(features, reduction))

        def group() -> _Residual:
            return _Residual(*(block() for _ in range(blocks)), _convolution(features, features))

        self.head = _convolution(self.inputs, features)
        self.body = _Residual(*(group() for _ in range(groups)))
        # the report's tail shuffles straight into the image, with no convolution after
        self.tail = nn.Sequential(
            _convolution(features, features), _convolution(features, self.factor**2), nn.PixelShuffle(self.factor)
        )

    def network(self, x: Tensor) -> Tensor:
        """Map (B, inputs, h, w) to (B, 1, factor * h, factor * w)."""
        return self.tail(self.body(self.head(x)))
