"""ResNet-18 (He et al. 2016, arXiv:1512.03385) for images of one channel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

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


class ResNet18(nn.Module):
    """Numbers from an image: parameters of the lens in their own units, or scores of classes.

    Args:
        outputs: how many numbers.
        width: channels of the first stage; 64 is ResNet-18.
        predict_variance: give the variance of each number too (Nix & Weigend 1994, doi:10.1109/ICNN.1994.374138).
        stretch: brightness above which the network sees the logarithm, so that arcs count beside a galaxy; 0: none.

    Attributes:
        mean: of each number over the training images, (outputs,); 0 until :meth:`calibrate`.
        std: likewise, 1 until then.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, outputs: int, width: int, predict_variance: bool, stretch: float = 0.0) -> None:
        super().__init__()
        if width < 1 or outputs < 1:
            raise ValueError(f"width={width} and outputs={outputs} must be at least 1")
        self.outputs, self.predict_variance, self.stretch = outputs, predict_variance, stretch
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
        self.register_buffer("mean", torch.zeros(outputs))
        self.register_buffer("std", torch.ones(outputs))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def calibrate(self, mean: Tensor, std: Tensor) -> None:
        """Set the location and scale of the numbers, (outputs,) each, so that training begins near them."""
        self.mean.copy_(mean)
        self.std.copy_(std)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """Map (B, 1, H, W) to the numbers (B, outputs) and the logarithm of their variances, or None."""
        seen = stretched(image, self.stretch) if self.stretch else image
        found = self.head(self.blocks(self.stem(seen)).mean(dim=(-2, -1)))
        mean = self.mean + self.std * found[:, : self.outputs]
        if not self.predict_variance:
            return mean, None
        return mean, found[:, self.outputs :] + 2 * self.std.log()
