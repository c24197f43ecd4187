"""The 2023 report's conditional diffusion network, at its size: 23,331,457 parameters."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lenssr.models.interpolation import enlarged
from lenssr.models.spread import Spread

__all__ = ["OriginalUNet"]

_TIME = 256  # channels of the time embedding


class _Convolutions(nn.Module):
    """Two 3x3 convolutions with group norm over all channels, the second added to the input if ``residual``."""

    def __init__(self, inputs: int, outputs: int, middle: int | None = None, residual: bool = False) -> None:
        super().__init__()
        middle = middle or outputs
        self.residual = residual
        self.body = nn.Sequential(
            nn.Conv2d(inputs, middle, 3, padding=1, bias=False),
            nn.GroupNorm(1, middle),
            nn.GELU(),
            nn.Conv2d(middle, outputs, 3, padding=1, bias=False),
            nn.GroupNorm(1, outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x + self.body(x)) if self.residual else self.body(x)


class _Attention(nn.Module):
    """Self-attention of four heads over all pixels, then a perceptron."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attend = nn.MultiheadAttention(channels, 4, batch_first=True)
        self.norm = nn.LayerNorm(channels)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(channels), nn.Linear(channels, channels), nn.GELU(), nn.Linear(channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.flatten(2).transpose(1, 2)
        seen = self.norm(pixels)
        pixels = pixels + self.attend(seen, seen, seen, need_weights=False)[0]
        pixels = pixels + self.perceptron(pixels)
        return pixels.transpose(1, 2).view_as(x)


class _Stage(nn.Module):
    """Change of size, convolutions, time and LR image added, attention."""

    def __init__(self, inputs: int, outputs: int, up: bool) -> None:
        super().__init__()
        self.up = up
        middle = inputs // 2 if up else None
        self.convolve = nn.Sequential(
            _Convolutions(inputs, inputs, residual=True), _Convolutions(inputs, outputs, middle)
        )
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(_TIME, outputs))
        self.attention = _Attention(outputs)

    def forward(self, x: Tensor, time: Tensor, lr: Tensor, skip: Tensor | None = None) -> Tensor:
        if self.up:
            assert skip is not None
            x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear", align_corners=True)
            x = torch.cat([skip, x], dim=1)
        else:
            x = F.max_pool2d(x, 2)
        x = self.convolve(x)
        # the report adds the LR image, brought to this size, to every channel
        x = x + self.time(time)[:, :, None, None] + enlarged(lr, x)
        return self.attention(x)


class OriginalUNet(nn.Module):
    """Three halvings and back, attention after every one of them, the LR image added at every one of them.

    Its faults are mended outside: averaged weights are used, images keep one range, none is scaled by its neighbours.

    Attributes:
        spread: rms of what is learnt, set by the task before training.
    """

    def __init__(self) -> None:
        super().__init__()
        self.spread = Spread()
        self.enter = _Convolutions(1, 64)
        self.down = nn.ModuleList(_Stage(a, b, up=False) for a, b in ((64, 128), (128, 256), (256, 256)))
        self.bottom = nn.Sequential(_Convolutions(256, 512), _Convolutions(512, 512), _Convolutions(512, 256))
        self.up = nn.ModuleList(_Stage(a, b, up=True) for a, b in ((512, 128), (256, 64), (128, 64)))
        self.leave = nn.Conv2d(64, 1, 1)

    def forward(self, noisy: Tensor, time: Tensor, lr: Tensor, guess: Tensor) -> Tensor:
        """Return the noise; see :meth:`lenssr.models.unet.UNet.forward`. The guess is not used."""
        height, width = noisy.shape[-2:]
        pad = (0, -width % 8, 0, -height % 8)
        told = _embedded(time)
        x = self.enter(F.pad(noisy, pad, mode="replicate"))
        skips = []
        for stage in self.down:
            skips.append(x)
            x = stage(x, told, lr)
        x = self.bottom(x)
        for stage in self.up:
            x = stage(x, told, lr, skips.pop())
        return self.leave(x)[..., :height, :width]


def _embedded(time: Tensor) -> Tensor:
    """Return sines and cosines of the step number, (B, 256) (Vaswani et al. 2017, arXiv:1706.03762)."""
    rates = torch.exp(torch.arange(0, _TIME, 2, device=time.device) * (-math.log(10000.0) / _TIME))
    angle = 1000 * time.view(-1, 1) * rates
    return torch.cat([angle.sin(), angle.cos()], dim=-1)
