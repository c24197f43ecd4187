"""A residual U-Net that draws from the posterior in one evaluation: its way up listens to random numbers.

The way down sees the interpolated image once, whatever the number of draws; each draw goes its own way up. There every
residual block is scaled and shifted, channel by channel, as a latent vector says (FiLM, Perez et al. 2018,
arXiv:1709.07871), which changes an image as a whole, and adds noise of its own at every pixel (Karras et al. 2019,
arXiv:1812.04948), which changes it locally. Both are bounded: a latent vector far from the others moves an image no
further than the bounds allow, where an unbounded scale, multiplied through the blocks, makes some draws explode.

How far draws lie from the draw of no random numbers, all zero, is calibrated afterwards, by one factor for each
brightness, on images that were not trained on: the sky's posterior is so narrow that a short training leaves it wide.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lenssr.models.spread import temperature
from lenssr.models.unet_sr import Block, UNetSR

__all__ = ["CRPSSR", "Modulated"]

_MAPS = 4  # most levels: as many as there are words at an address of random numbers
_FARTHEST = 4.0  # standard deviations, to which random numbers are brought back smoothly
_ROUNDS = 3  # of the calibration
_HIDDEN = 64  # channels into which a latent vector is lifted


def _bounded(x: Tensor) -> Tensor:
    """Return numbers of a standard normal distribution almost as they are, but never above ``_FARTHEST``."""
    return _FARTHEST * torch.tanh(x / _FARTHEST)


class Modulated(nn.Module):
    """A residual block between whose convolutions a latent vector and a map of noise come in.

    Args:
        features: channels.
        lifted: channels of what the latent vector was lifted to.
        bound: the largest relative change of a channel's scale, and the largest shift.
    """

    def __init__(self, features: int, lifted: int, bound: float) -> None:
        super().__init__()
        self.plain, self.bound = Block(features), bound
        self.told = nn.Linear(lifted, 2 * features)
        self.loud = nn.Parameter(torch.full((features,), 0.1))

    def forward(self, x: Tensor, latent: Tensor, noise: Tensor) -> Tensor:
        """Return features (B, C, H, W).

        Args:
            x: (B, C, H, W).
            latent: lifted, (B, lifted).
            noise: standard normal, bounded, (B, 1, H, W).
        """
        scale, shift = (self.bound * torch.tanh(self.told(latent))).unsqueeze(-1).unsqueeze(-1).chunk(2, dim=1)
        first, activation, second = self.plain.body
        made = first(F.silu(x)) * (1 + scale) + shift
        return x + second(activation(made + self.loud.view(-1, 1, 1) * noise))


class CRPSSR(nn.Module):
    """Maps an LR image and random numbers to a draw of the HR image.

    Args:
        scale: HR pixels per LR pixel, any whole number.
        widths: channels of each level; each but the first halves the size.
        blocks: residual blocks of each level, on the way down and again on the way up.
        latent: random numbers that an image has as a whole.
        bound: on what they change, see :class:`Modulated`; below 1.

    Attributes:
        factor: by how much draws are brought nearer to the one of no random numbers, by its brightness; 1 at first.

    Raises:
        ValueError: a number is out of its range.
    """

    def __init__(self, scale: int, widths: list[int], blocks: list[int], latent: int, bound: float) -> None:
        super().__init__()
        if latent < 1 or not 0 < bound < 1 or len(widths) > _MAPS:
            raise ValueError(
                f"latent={latent} must be positive, bound={bound} within 0 to 1, and widths at most {_MAPS} numbers"
            )
        self.trunk = UNetSR(scale, widths, blocks, block=partial(Modulated, lifted=_HIDDEN, bound=bound))
        self.scale, self.grid = scale, self.trunk.grid
        self.latent, self.maps = latent, len(widths)
        self.lift = nn.Sequential(nn.Linear(latent, _HIDDEN), nn.SiLU())
        self.factor = temperature()

    def forward(self, lr: Tensor, latent: Tensor, noise: Tensor) -> Tensor:
        """Return a draw of each image as it was learnt, (B, 1, scale * h, scale * w).

        Args:
            lr: (B, 1, h, w).
            latent: standard normal, (B, latent).
            noise: standard normal, (B, levels, scale * h, scale * w), of which coarser levels use a part.
        """
        return self.draws(lr, latent.unsqueeze(1), noise.unsqueeze(1))

    def draws(self, lr: Tensor, latent: Tensor, noise: Tensor) -> Tensor:
        """Return K draws of each image as they were learnt, (B, K, scale * h, scale * w).

        Args:
            lr: (B, 1, h, w).
            latent: standard normal, (B, K, latent).
            noise: standard normal, (B, K, levels, scale * h, scale * w).
        """
        trunk, count = self.trunk, latent.shape[1]
        image = F.interpolate(lr, scale_factor=float(self.scale), mode="bilinear", align_corners=False)
        height, width = image.shape[-2:]
        x, seen = trunk.way_down(image)
        lifted = self.lift(_bounded(latent.flatten(0, 1)))
        pad = (0, -width % trunk.multiple, 0, -height % trunk.multiple)
        maps = F.pad(_bounded(noise.flatten(0, 1)), pad, mode="replicate")

        def own(features: Tensor) -> Tensor:  # a copy for each draw
            return features.repeat_interleave(count, dim=0)

        def through(level: nn.Module, x: Tensor, number: int) -> Tensor:
            here = maps[:, number : number + 1, : x.shape[-2], : x.shape[-1]]
            for block in level.children():
                x = block(x, lifted, here)
            return x

        x = through(trunk.middle, own(x), self.maps - 1)
        for number, enlarge, level in zip(range(self.maps - 2, -1, -1), trunk.enlarge, trunk.up, strict=True):
            x = through(level, enlarge(x) + own(seen[number]), number)
        correction = trunk.out(F.silu(x))[..., :height, :width]
        return image + correction.reshape(-1, count, height, width)

    def centre(self, lr: Tensor) -> Tensor:
        """Return the draws of no random numbers, all zero, (B, 1, scale * h, scale * w), of LR images (B, 1, h, w)."""
        shape = (len(lr), 1, self.maps, self.scale * lr.shape[-2], self.scale * lr.shape[-1])
        return self.draws(lr, lr.new_zeros(len(lr), 1, self.latent), lr.new_zeros(shape))

    def calibrated(self, draws: Tensor, centre: Tensor) -> Tensor:
        """Return draws (B, K, H, W) as far from their centre (B, 1, H, W) as they should be."""
        return centre + self.factor(centre) * (draws - centre)

    @torch.no_grad()
    def calibrate(self, draws: Tensor, centre: Tensor, target: Tensor) -> None:
        """Set the factor so that at each brightness draws and targets are as far from the draws' mean.

        See :meth:`lenssr.models.spread.Spread.widen`.

        Args:
            draws: as they were learnt, (N, K, H, W), of images that were not trained on.
            centre: of each image, (N, 1, H, W).
            target: (N, 1, H, W).
        """
        self.factor.set_constant(1.0)
        for _ in range(_ROUNDS):
            self.factor.widen(centre, self.calibrated(draws, centre), target)
