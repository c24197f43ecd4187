"""A network that also tells how far its image may be off, pixel by pixel.

A second, small network looks at the first one's image and at the enlarged LR image, and tells the variance of the truth
about the image. It learns by the likelihood of a Gaussian (Nix & Weigend 1994, doi:10.1109/ICNN.1994.374138) and sends
nothing back into the first network, whose image is trained by its own loss as if it were alone: a likelihood of both
would learn the mean worse where it is hard (Seitzer et al. 2022, arXiv:2203.09168).

What it tells is calibrated afterwards, by one factor for each brightness, on images that were not trained on.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lenssr.models.unet_sr import stretched

__all__ = ["Uncertain"]

_QUANTILES = (0.3, 0.6, 0.8, 0.9, 0.95, 0.98)  # of the brightness, between which the factors are
_MIDDLE, _REACH = -6.0, 12.0  # of the logarithm: it begins with a standard deviation of 0.05, a typical noise
_WITHIN = 0.6827  # of a normal distribution within its standard deviation
_SOME = 1_000_000  # pixels, of which quantiles are known well enough
_LEAST = 1e-4  # standard deviation, in the set's unit: float32 resolves no less beside a peak of one


class Uncertain(nn.Module):
    """Wraps a network; called, it gives the image alone, as the network would.

    Args:
        network: maps (B, 1, h, w) to (B, 1, scale * h, scale * w).
        scale: HR pixels per LR pixel.
        width: channels of the network that tells the variance.
    """

    edges: Tensor
    factors: Tensor

    def __init__(self, network: nn.Module, scale: int, width: int = 24) -> None:
        super().__init__()
        self.network, self.scale = network, scale
        self.teller = nn.Sequential(
            nn.Conv2d(2, width, 5, padding=2),
            nn.PReLU(width),
            nn.Conv2d(width, width, 3, padding=2, dilation=2),
            nn.PReLU(width),
            nn.Conv2d(width, width, 3, padding=4, dilation=4),
            nn.PReLU(width),
            nn.Conv2d(width, 1, 1),
        )
        last = self.teller[-1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.register_buffer("edges", torch.zeros(len(_QUANTILES)))
        self.register_buffer("factors", torch.ones(len(_QUANTILES) + 1))

    def forward(self, lr: Tensor) -> Tensor:
        """Map (B, 1, h, w) to (B, 1, scale * h, scale * w)."""
        return self.network(lr)

    def log_variance(self, lr: Tensor, image: Tensor) -> Tensor:
        """Return the logarithm of the variance as it was learnt, (B, 1, H, W).

        Args:
            lr: (B, 1, h, w).
            image: what the network made of it; no gradient reaches it.
        """
        image = image.detach()
        seen = torch.cat([image, F.interpolate(lr.to(image.dtype), size=image.shape[-2:], mode="bilinear")], dim=1)
        stretch = getattr(self.network, "stretch", 0.0)
        seen = stretched(seen, stretch).to(image.dtype) if stretch else seen
        return _MIDDLE + _REACH * torch.tanh(self.teller(seen) / _REACH)

    def sigma(self, lr: Tensor, image: Tensor) -> Tensor:
        """Return what the truth is within of the image for 68.3 % of the pixels as bright, (B, 1, H, W)."""
        told = (0.5 * self.log_variance(lr, image).float()).exp().clamp(min=_LEAST)
        return told * self.factors[torch.bucketize(image.detach().float(), self.edges)]

    @torch.no_grad()
    def calibrate(self, triples: Sequence[tuple[Tensor, Tensor, Tensor]]) -> None:
        """Set the factors so that at each brightness 68.3 % of the errors are within what is told.

        Errors of lens images have long tails: factors that bring told and found errors to one rms are ruled by the few
        largest, and of the others a third lay within, where two thirds should. Of Gaussian errors both are the same.

        Args:
            triples: LR images, the network's images and the truth, of images that were not trained on.
        """
        images = torch.cat([image.float().flatten() for _, image, _ in triples])
        step = max(1, len(images) // _SOME)
        self.edges.copy_(torch.quantile(images[::step], images.new_tensor(_QUANTILES)))
        self.factors.fill_(1.0)
        apart = torch.cat([((truth - image).abs() / self.sigma(lr, image)).flatten() for lr, image, truth in triples])
        place = torch.bucketize(images, self.edges)
        for number in range(len(self.factors)):
            here = apart[place == number]
            if len(here):
                self.factors[number] = torch.quantile(here[:: max(1, len(here) // _SOME)], _WITHIN)
