"""The ways to more pixels that several architectures share."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from lenssr.models.interpolation import Interpolation

__all__ = ["Upscaler", "check_scale", "shuffle_upscale"]

# pixel shuffles, one after another
_FACTORS = {1: [], 2: [2], 3: [3], 4: [2, 2], 6: [3, 2], 8: [2, 2, 2]}


def check_scale(scale: int) -> None:
    """Refuse a scale that no architecture here knows.

    Raises:
        ValueError: the scale is none of 1, 2, 3, 4.
    """
    if isinstance(scale, bool) or scale not in (1, 2, 3, 4):
        raise ValueError(f"scale={scale} is none of 1, 2, 3, 4")


def shuffle_upscale(features: int, scale: int, activation: bool = False) -> nn.Sequential:
    """Return 3x3 convolutions and pixel shuffles (arXiv:1609.05158) that keep ``features``; 4 is 2 twice.

    Args:
        features: channels in and out.
        scale: 1 to 4, 6 or 8.
        activation: add a PReLU after each shuffle.
    """
    layers: list[nn.Module] = []
    for factor in _FACTORS[scale]:
        layers += [nn.Conv2d(features, features * factor**2, 3, padding=1), nn.PixelShuffle(factor)]
        if activation:
            layers.append(nn.PReLU(features))
    return nn.Sequential(*layers)


class Upscaler(nn.Module):
    """What may stand around a network: pixels folded into channels before it, an interpolated image added after it.

    A subclass gives ``network``, which maps (B, inputs, h, w) to (B, 1, factor * h, factor * w).

    Args:
        scale: HR pixels per LR pixel, 1 to 4.
        skip: ``bilinear`` adds the interpolated image to the network's; None adds nothing.
        unshuffle: 2 folds squares of 2 x 2 px into channels (arXiv:2107.10833), so that the network works on a quarter
            of the pixels and sees twice as far; 1 leaves the image as it is.

    Attributes:
        inputs: channels that the network sees.
        factor: by which it enlarges them.
        grid: LR pixels; shifted by a multiple of it, an image gives the same image shifted.

    Raises:
        ValueError: an argument is none of the above.
    """

    def __init__(self, scale: int, skip: str | None = None, unshuffle: int = 1) -> None:
        super().__init__()
        check_scale(scale)
        if skip not in (None, "bilinear"):
            raise ValueError(f"skip={skip} is neither null nor bilinear")
        if unshuffle not in (1, 2):
            raise ValueError(f"unshuffle={unshuffle} is neither 1 nor 2")
        self.scale, self.unshuffle, self.grid = scale, unshuffle, unshuffle
        self.inputs, self.factor = unshuffle**2, unshuffle * scale
        self.skip = Interpolation(scale, skip) if skip else None

    def network(self, x: Tensor) -> Tensor:
        """Map (B, inputs, h, w) to (B, 1, factor * h, factor * w)."""
        raise NotImplementedError

    def forward(self, lr: Tensor) -> Tensor:
        """Map (B, 1, h, w) to (B, 1, scale * h, scale * w)."""
        image = self.network(lr) if self.unshuffle == 1 else self._folded(lr)
        return image if self.skip is None else image + self.skip(lr)

    def _folded(self, lr: Tensor) -> Tensor:
        height, width = lr.shape[-2:]
        padded = F.pad(lr, (0, -width % self.unshuffle, 0, -height % self.unshuffle), mode="replicate")
        return self.network(F.pixel_unshuffle(padded, self.unshuffle))[..., : self.scale * height, : self.scale * width]
