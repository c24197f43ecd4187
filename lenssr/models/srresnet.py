"""SRResNet (Ledig et al. 2017, arXiv:1609.04802) without batch normalisation, as in the 2023 report."""

from __future__ import annotations

from torch import Tensor, nn

from lenssr.models.upscale import Upscaler, shuffle_upscale

__all__ = ["SRResNet"]


def _convolution(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), nn.PReLU(outputs))


class _Block(nn.Module):
    """Two convolutions, each with its PReLU (the second one before the sum), and a skip."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_convolution(features, features, 3), _convolution(features, features, 3))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class SRResNet(Upscaler):
    """Residual network with parametric ReLUs.

    Args:
        scale: HR pixels per LR pixel, 1 to 4.
        features: channels.
        blocks: residual blocks.
        skip, unshuffle: see :class:`lenssr.models.upscale.Upscaler`.
    """

    def __init__(self, scale: int, features: int, blocks: int, skip: str | None = None, unshuffle: int = 1) -> None:
        super().__init__(scale, skip, unshuffle)
        self.head = _convolution(self.inputs, features, 9)
        self.body = nn.Sequential(*(_Block(features) for _ in range(blocks)), _convolution(features, features, 3))
        self.upscale = shuffle_upscale(features, self.factor, activation=True)
        self.out = nn.Conv2d(features, 1, 3, padding=1)

    def network(self, x: Tensor) -> Tensor:
        """Map (B, inputs, h, w) to (B, 1, factor * h, factor * w)."""
        shallow = self.head(x)
        return self.out(self.upscale(shallow + self.body(shallow)))
