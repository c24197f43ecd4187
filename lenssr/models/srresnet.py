"""SRResNet (Ledig et al. 2017, arXiv:1609.04802) without batch normalisation, as in the 2023 report."""

from __future__ import annotations

from torch import Tensor, nn

from lenssr.models.upscale import shuffle_upscale

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


class SRResNet(nn.Module):
    """Residual network with parametric ReLUs.

    Args:
        scale: HR pixels per LR pixel, 1 to 4.
        features: channels.
        blocks: residual blocks.
    """

    def __init__(self, scale: int, features: int, blocks: int) -> None:
        super().__init__()
        self.head = _convolution(1, features, 9)
        self.body = nn.Sequential(*(_Block(features) for _ in range(blocks)), _convolution(features, features, 3))
        self.upscale = shuffle_upscale(features, scale, activation=True)
        self.out = nn.Conv2d(features, 1, 3, padding=1)

    def forward(self, lr: Tensor) -> Tensor:
        """Map (B, 1, h, w) to (B, 1, scale * h, scale * w)."""
        shallow = self.head(lr)
        return self.out(self.upscale(shallow + self.body(shallow)))
