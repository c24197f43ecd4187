"""Residual dense network (Zhang et al. 2018, arXiv:1802.08797)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lenssr.models.upscale import Upscaler, shuffle_upscale

__all__ = ["RDN"]


class _DenseBlock(nn.Module):
    """C convolutions that each see all before them, fused by a 1x1 convolution and added to the input."""

    def __init__(self, features: int, growth: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(features + i * growth, growth, 3, padding=1) for i in range(layers))
        self.fusion = nn.Conv2d(features + layers * growth, features, 1)

    def forward(self, x: Tensor) -> Tensor:
        known = x
        for layer in self.layers:
            known = torch.cat([known, torch.relu(layer(known))], dim=1)
        return x + self.fusion(known)


class RDN(Upscaler):
    """Residual dense network.

    Args:
        scale: HR pixels per LR pixel, 1 to 4.
        features: channels between the blocks, G0.
        growth: channels that each dense layer adds, G.
        blocks: residual dense blocks, D.
        layers: dense layers in a block, C.
        skip, unshuffle: see :class:`lenssr.models.upscale.Upscaler`.

    Raises:
        ValueError: the scale is none of these, or a size is not positive.
    """

    def __init__(
        self,
        scale: int,
        features: int,
        growth: int,
        blocks: int,
        layers: int,
        skip: str | None = None,
        unshuffle: int = 1,
    ) -> None:
        super().__init__(scale, skip, unshuffle)
        if min(features, growth, blocks, layers) < 1:
            raise ValueError("features, growth, blocks and layers must be at least 1")
        self.shallow = nn.Conv2d(self.inputs, features, 3, padding=1)
        self.enter = nn.Conv2d(features, features, 3, padding=1)
        self.blocks = nn.ModuleList(_DenseBlock(features, growth, layers) for _ in range(blocks))
        self.fusion = nn.Sequential(
            nn.Conv2d(features * blocks, features, 1), nn.Conv2d(features, features, 3, padding=1)
        )
        self.upscale = shuffle_upscale(features, self.factor)
        self.out = nn.Conv2d(features, 1, 3, padding=1)

    def network(self, x: Tensor) -> Tensor:
        """Map (B, inputs, h, w) to (B, 1, factor * h, factor * w)."""
        shallow = self.shallow(x)
        x = self.enter(shallow)
        outputs = []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        x = self.fusion(torch.cat(outputs, dim=1)) + shallow
        return self.out(self.upscale(x))
