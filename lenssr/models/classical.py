"""What a filter does without learning more than a number or a curve: the rows that a network has to beat first.

Both enlarge the LR image bilinearly and take off the level by which clipping or a sky lifts it above the target.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Gaussian", "Wiener"]

_PAD = 16  # px, mirrored before a filter: a periodic one would join opposite edges
_WIDTHS = [0.25 * k for k in range(33)]  # px, tried for the Gaussian
_RINGS = 64  # of frequency, from 0 to the corner of the Fourier plane


class _Filter(nn.Module):
    """Enlarges, filters by frequency, and takes the level off.

    Args:
        scale: HR pixels per LR pixel.
    """

    level: Tensor

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("level", torch.zeros(()))

    def gain(self, frequency: Tensor) -> Tensor:
        """Return the filter at a frequency in cycles per pixel."""
        raise NotImplementedError

    def enlarge(self, lr: Tensor) -> Tensor:
        """Map (B, 1, h, w) to (B, 1, scale * h, scale * w)."""
        return F.interpolate(lr.float(), scale_factor=self.scale, mode="bilinear", align_corners=False)

    def forward(self, lr: Tensor) -> Tensor:
        """Map (B, 1, h, w) to (B, 1, scale * h, scale * w)."""
        image = self.enlarge(lr)
        pad = min(_PAD, *(size - 1 for size in image.shape[-2:]))
        padded = F.pad(image, (pad, pad, pad, pad), mode="reflect")
        found = torch.fft.irfft2(torch.fft.rfft2(padded) * self.gain(_frequency(padded)), s=padded.shape[-2:])
        height, width = image.shape[-2:]
        return found[..., pad : pad + height, pad : pad + width] - self.level


class Gaussian(_Filter):
    """Convolves with a Gaussian, of the width that leaves the least squared error.

    Args:
        scale: HR pixels per LR pixel.
    """

    width: Tensor

    def __init__(self, scale: int) -> None:
        super().__init__(scale)
        self.register_buffer("width", torch.zeros(()))

    def gain(self, frequency: Tensor) -> Tensor:
        """Return exp(-2 (pi sigma f)^2), the transform of a Gaussian of ``width`` px."""
        return torch.exp(-2 * (torch.pi * self.width * frequency).square())

    @torch.no_grad()
    def fit(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Choose level and width on pairs of LR images (B, 1, h, w) and targets."""
        self.level.copy_(_mean([self.enlarge(lr) - target for lr, target in pairs]))

        def error(width: float) -> float:
            self.width.fill_(width)
            return float(_mean([(self(lr) - target).square() for lr, target in pairs]))

        self.width.fill_(min(_WIDTHS, key=error))


class Wiener(_Filter):
    """Weighs each frequency with what enlarged image and target have in common there (Wiener 1949).

    The gain P_xt / P_xx of the set's mean spectra leaves the least squared error of all isotropic linear filters.

    Args:
        scale: HR pixels per LR pixel.
    """

    gains: Tensor

    def __init__(self, scale: int) -> None:
        super().__init__(scale)
        self.register_buffer("gains", torch.ones(_RINGS))

    def gain(self, frequency: Tensor) -> Tensor:
        """Return the gain, linear between rings."""
        place = (frequency / _step()).clamp(max=_RINGS - 1.001)
        low = place.long()
        part = place - low
        return self.gains[low] * (1 - part) + self.gains[low + 1] * part

    @torch.no_grad()
    def fit(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Measure level and gains on pairs of LR images (B, 1, h, w) and targets."""
        level = _mean([self.enlarge(lr) - target for lr, target in pairs])
        cross, power, count = torch.zeros(3, _RINGS, dtype=torch.float64)
        for lr, target in pairs:
            x, t = (torch.fft.rfft2(image.double()) for image in (self.enlarge(lr), target))
            ring = (_frequency(target) / _step()).round().long().flatten()
            for total, values in ((cross, (t * x.conj()).real), (power, x.abs().square())):
                total.index_add_(0, ring.cpu(), values.sum((0, 1)).flatten().cpu())
            count.index_add_(0, ring.cpu(), torch.ones(len(ring), dtype=torch.float64))
        known = count > 0
        known[0] = False  # the sum of an image is its flux and its level, which are kept
        places = torch.arange(_RINGS)[known]
        gains = (cross / power)[known].clamp(0, 1).tolist()
        # a ring without a mode, and those beyond, take the gain of the nearest one that has some
        near = [int((places - k).abs().argmin()) for k in range(_RINGS)]
        self.gains.copy_(torch.tensor([1.0, *(gains[k] for k in near[1:])]))
        self.level.copy_(level)


def _step() -> float:
    """Return the distance of rings in cycles per pixel."""
    return 0.5**0.5 / (_RINGS - 1)


def _frequency(image: Tensor) -> Tensor:
    """Return the frequency of each mode of ``rfft2``, in cycles per pixel."""
    height, width = image.shape[-2:]
    fy, fx = torch.fft.fftfreq(height, device=image.device), torch.fft.rfftfreq(width, device=image.device)
    return torch.hypot(fy.view(-1, 1), fx.view(1, -1))


def _mean(images: Sequence[Tensor]) -> Tensor:
    """Return the mean over all pixels of all images."""
    count = sum(image.numel() for image in images)
    return torch.stack([image.double().sum() for image in images]).sum() / count
