"""How probable an exposure is, given the noise-free flux: the cameras of this package as densities of their counts."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lenssr.data.camera.detector import Detector

__all__ = ["log_likelihood", "moments"]


def log_likelihood(seen: Tensor, flux: Tensor, time: float, detector: Detector) -> Tensor:
    """Return the log-probability of an exposure for each of several noise-free images, float64 (n,).

    A camera that clips adds Poisson noise to a Gaussian cut at zero. N counts come of a Gaussian X about mu with
    variance s^2 = mu + b^2 (b the background) by integrating Poisson(N | X), which is a gamma density of X with mean
    and variance N + 1: to second order N + 1 is Gaussian about mu with s^2 + N + 1. Zero counts come of all X below 0,
    too. The other camera's Poisson(mu) + N(0, b^2) is Gaussian with mu + b^2. Both hold where b is some counts or
    more (Model I's least b: 10 counts in HR pixels, 102 in LR pixels).

    Args:
        seen: flux rate that was recorded, (H, W), in the pixels of ``flux``.
        flux: noise-free flux rates, (n, H, W).
        time: of the exposure.
        detector: that recorded it.
    """
    mean, background = flux * time, (time * detector.background_rms) ** 2
    counts = (seen * time).unsqueeze(0)
    if detector.shot_noise == "poisson":
        if detector.clip:
            raise NotImplementedError("no camera of this package clips with single shot noise")
        return _gaussian(counts - mean, mean + background).double().sum(dim=(-2, -1))
    counts, mean = counts.round().flatten(), mean.flatten(1)
    lit, dark = counts.nonzero()[:, 0], (counts == 0).nonzero()[:, 0]
    spread = mean + background
    seen_lit, lit_mean = counts[lit] + 1, mean[:, lit]
    found = _gaussian(seen_lit - lit_mean, spread[:, lit] + seen_lit).double().sum(-1)
    none, width = mean[:, dark], spread[:, dark]
    density = _gaussian(1 - none, width + 1).exp() + torch.special.ndtr(-none / width.sqrt())
    return found + density.clamp(min=1e-30).log().double().sum(-1)


def moments(flux: Tensor, time: float, detector: Detector) -> tuple[Tensor, Tensor]:
    """Return mean and variance of the flux rate that is recorded of noise-free flux rates (n, H, W)."""
    return detector.moments(flux, torch.tensor(time, device=flux.device))


def _gaussian(difference: Tensor, variance: Tensor) -> Tensor:
    return -0.5 * (difference.square() / variance + variance.log() + math.log(2 * math.pi))
