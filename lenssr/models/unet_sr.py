"""A residual U-Net for super-resolution, at any size and scale; the project's own."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Block", "UNetSR", "stretched"]

_DECADES = 3.0  # what a stretched image is divided by, so that it is of order one
_BRIGHTER = 3.0  # logarithm of the largest factor by which a stretched image is corrected


def stretched(image: Tensor, stretch: float) -> Tensor:
    """Return asinh(image / stretch) / 3: linear below ``stretch``, logarithmic above (Lupton et al. 1999)."""
    return torch.asinh(image.float() / stretch) / _DECADES


class Block(nn.Module):
    """Two 3x3 convolutions and a skip."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(features, features, 3, padding=1), nn.SiLU(), nn.Conv2d(features, features, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return features (B, C, H, W) of features (B, C, H, W)."""
        return x + self.body(F.silu(x))


class UNetSR(nn.Module):
    """Corrects the interpolated image, which it sees at ever halved sizes and back.

    The lowest level sees far around a pixel, which a faint arc in much noise asks for, at a sixteenth of the cost.

    Args:
        scale: HR pixels per LR pixel, any whole number.
        widths: channels of each level; each but the first halves the size.
        blocks: residual blocks of each level, on the way down and again on the way up.
        stretch: flux in the set's unit, some twice the noise, above which the network sees and corrects the logarithm
            of an image whose nuclei and stars are a thousand times as bright as its arcs; 0: the image itself.
        block: makes a residual block of so many channels on the way up and at the lowest level.

    Raises:
        ValueError: a number is not positive, or there are not as many numbers of blocks as widths.
    """

    def __init__(
        self,
        scale: int,
        widths: list[int],
        blocks: list[int],
        stretch: float = 0.0,
        block: Callable[[int], nn.Module] = Block,
    ) -> None:
        super().__init__()
        if not widths or len(blocks) != len(widths) or min(scale, *widths, *blocks) < 1:
            raise ValueError(
                f"scale={scale}, widths={widths} and blocks={blocks} must be positive, two lists of a length"
            )
        if stretch < 0:
            raise ValueError(f"stretch={stretch} must be 0 or more")
        self.stretch = stretch
        self.scale, self.multiple = scale, 2 ** (len(widths) - 1)
        self.grid = self.multiple // math.gcd(self.multiple, scale)

        def level(width: int, count: int, kind: Callable[[int], nn.Module] = block) -> nn.Sequential:
            return nn.Sequential(*(kind(width) for _ in range(count)))

        levels = [*zip(widths, blocks, strict=True)]

        self.head = nn.Conv2d(1, widths[0], 3, padding=1)
        self.down = nn.ModuleList(level(*each, Block) for each in levels[:-1])
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.middle = level(*levels[-1])
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in reversed([*pairwise(widths)]))
        self.up = nn.ModuleList(level(*each) for each in reversed(levels[:-1]))
        self.out = nn.Conv2d(widths[0], 1, 3, padding=1)
        nn.init.zeros_(self.out.weight)  # training begins with the interpolated image
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, lr: Tensor) -> Tensor:
        """Map (B, 1, h, w) to (B, 1, scale * h, scale * w)."""
        image = F.interpolate(lr, scale_factor=float(self.scale), mode="bilinear", align_corners=False)
        if not self.stretch:
            return image + self._correction(image)
        seen = stretched(image, self.stretch)
        change = _BRIGHTER * torch.tanh(self._correction(seen).float() / _BRIGHTER)
        return torch.sinh(_DECADES * seen + change) * self.stretch

    def _correction(self, image: Tensor) -> Tensor:
        """Return what the network adds to an enlarged image, (B, 1, H, W) as the image."""
        height, width = image.shape[-2:]
        x, seen = self.way_down(image)
        x = self.middle(x)
        for enlarge, level in zip(self.enlarge, self.up, strict=True):
            x = level(enlarge(x) + seen.pop())
        correction: Tensor = self.out(F.silu(x))[..., :height, :width]
        return correction

    def way_down(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return what the way down makes of an enlarged image: at the lowest level, and at each above, finest first."""
        height, width = image.shape[-2:]
        x = self.head(F.pad(image, (0, -width % self.multiple, 0, -height % self.multiple), mode="replicate"))
        seen = []
        for level, shrink in zip(self.down, self.shrink, strict=True):
            x = level(x)
            seen.append(x)
            x = shrink(x)
        return x, seen
