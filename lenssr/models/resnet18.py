"""ResNet-18 (He et al. 2016, arXiv:1512.03385) for images of one channel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lenssr.models.label_network import LabelNetwork
from lenssr.models.unet_sr import stretched

__all__ = ["ResNet18"]


class _Block(nn.Module):
    """Two 3x3 convolutions, and the input added: as it is, or projected where size or channels change."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.skip = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.skip = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.skip(x) + self.body(x))


class ResNet18(LabelNetwork):
    """Numbers from an image: parameters of the lens in their own units, or scores of classes.

    Args:
        outputs: how many numbers.
        width: channels of the first stage; 64 is ResNet-18.
        predict_variance: give the variance of each number too (Nix & Weigend 1994, doi:10.1109/ICNN.1994.374138).
        stretch: brightness above which the network sees the logarithm, so that arcs count beside a galaxy; 0: none.
    """

    def __init__(self, outputs: int, width: int, predict_variance: bool, stretch: float = 0.0) -> None:
        super().__init__(outputs, predict_variance)
        if width < 1:
            raise ValueError(f"width={width} must be at least 1")
        self.stretch = stretch
        self.stem = nn.Sequential(
            nn.Conv2d(1, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        blocks: list[nn.Module] = []
        inputs = width
        for channels, stride in ((width, 1), (2 * width, 2), (4 * width, 2), (8 * width, 2)):
            blocks += [_Block(inputs, channels, stride), _Block(channels, channels, 1)]
            inputs = channels
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(inputs, outputs * (2 if predict_variance else 1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """Map (B, 1, H, W) to the numbers (B, outputs) and the logarithm of their variances, or None."""
        seen = stretched(image, self.stretch) if self.stretch else image
        found = self.head(self.blocks(self.stem(seen)).mean(dim=(-2, -1)))
        return self.told(found)
