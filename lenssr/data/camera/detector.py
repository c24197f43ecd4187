"""From a flux rate to counts: the noise of a camera, and the moments of what it records."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lenssr.data.camera.random import normal, philox, poisson
from lenssr.errors import ConfigError, did_you_mean

__all__ = ["Detector", "bin_sum"]

_SHOT_NOISE = ("gaussian_and_poisson", "poisson")


def bin_sum(images: Tensor, factor: int) -> Tensor:
    """Sum blocks of factor x factor pixels of (..., H, W): flux is conserved."""
    *lead, height, width = images.shape
    blocks = images.reshape(*lead, height // factor, factor, width // factor, factor)
    return blocks.sum(dim=(-3, -1))


@dataclass(frozen=True)
class Detector:
    """A camera's noise.

    ``poisson``: counts = Poisson(t I) + N(0, (t sigma)^2).
    ``gaussian_and_poisson``: DeepLenseSim's Model I, Poisson(max(0, X)) with X ~ N(t I, t I + (t sigma)^2):
    shot noise enters twice and negative counts are clipped in between.

    Attributes:
        shot_noise: which of the two.
        clip: clip negative counts to zero (before the second shot noise, or at the end).
        background_rms: sigma, flux per pixel and unit time.
    """

    shot_noise: str
    clip: bool
    background_rms: float

    def __post_init__(self) -> None:
        if self.shot_noise not in _SHOT_NOISE:
            raise ConfigError(
                f"physics.detector.shot_noise={self.shot_noise} is unknown. "
                f"{did_you_mean(self.shot_noise, _SHOT_NOISE)}"
            )
        if self.background_rms <= 0:
            raise ConfigError(f"The background rms must be positive; it is {self.background_rms}.")

    def expose(
        self,
        flux: Tensor,
        time: Tensor,
        address: tuple[Tensor, Tensor, Tensor | int, int],
        key: tuple[int, int],
    ) -> Tensor:
        """Return one exposure as a flux rate (counts / time), shape of ``flux``.

        Args:
            flux: noise-free flux per pixel and unit time.
            time: exposure time, broadcastable to ``flux``.
            address: (pixel, sample, epoch, stream), the counter of every pixel's random numbers.
            key: (seed, split).
        """
        first, second, *_ = philox(address, key)
        mean, gaussian = flux * time, normal(first)
        background = time * self.background_rms
        if self.shot_noise == "poisson":
            counts = poisson(mean, second) + background * gaussian
            counts = counts.clamp_(min=0) if self.clip else counts
        else:
            rate = mean + (mean + background**2).sqrt() * gaussian
            # Poisson needs a rate >= 0, so clipping belongs to this model
            counts = poisson(rate.clamp_(min=0), second)
        return counts / time

    def moments(self, flux: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance of the recorded flux rate, given the noise-free flux rate.

        Where counts are clipped at zero the mean is that of a rectified Gaussian,
        s phi(mu / s) + mu Phi(mu / s), and not the flux. With ``poisson`` and ``clip`` that takes Poisson counts for
        Gaussian ones, which holds to 0.1 % for long exposures (t = 1000 at Model I's background) and not for t = 10.
        """
        mean = flux * time
        background = (time * self.background_rms) ** 2
        spread = (mean + background).sqrt()
        if not self.clip and self.shot_noise == "poisson":
            return flux, spread**2 / time**2
        z = mean / spread
        density = torch.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
        below = torch.special.ndtr(z)
        first = spread * density + mean * below
        second = (mean**2 + spread**2) * below + mean * spread * density
        variance = second - first**2
        if self.shot_noise == "gaussian_and_poisson":
            variance = variance + first  # the second Poisson
        return first / time, variance / time**2
