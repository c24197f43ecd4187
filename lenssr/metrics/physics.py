"""What a lens modeller asks of an image: flux, ring radius, consistency with the noise, power on small scales.

All are comparisons with the noise-free expectation, or need the variance of the noise, so simulated sets alone have
them. Images are (B, H, W), in any one unit; every function returns one number an image (B,).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lenssr.data.batches import Batch
from lenssr.metrics.per_image import Score
from lenssr.models.symmetry import ELEMENTS, act

__all__ = [
    "chi_squared",
    "equivariance_error",
    "flux_error",
    "physics_scores",
    "power_ratio",
    "radial_power",
    "ring_radius",
]


def flux_error(prediction: Tensor, truth: Tensor) -> Tensor:
    """Absolute error of the total flux, relative to the truth's."""
    total = truth.double().sum(dim=(-2, -1))
    return (prediction.double().sum(dim=(-2, -1)) / total - 1).abs()


def ring_radius(image: Tensor, pixel_scale: float) -> Tensor:
    """Mean distance from the image's centre, weighted with the squared brightness, in arcsec.

    The square leaves the background without weight; for a lensed arc the result follows the Einstein radius.
    """
    size = image.shape[-1]
    axis = (torch.arange(size, device=image.device, dtype=torch.float64) - (size - 1) / 2) * pixel_scale
    radius = torch.hypot(axis.view(-1, 1), axis.view(1, -1))
    weight = image.double().square()
    return (weight * radius).sum(dim=(-2, -1)) / weight.sum(dim=(-2, -1))


def chi_squared(prediction: Tensor, observed: Tensor, variance: Tensor) -> Tensor:
    """Reduced chi-squared of the noisy HR image about the prediction; 1 for the truth."""
    return ((prediction.double() - observed.double()).square() / variance.double()).mean(dim=(-2, -1))


def radial_power(image: Tensor) -> Tensor:
    """Return the azimuthally averaged power spectrum, (B, N // 2), at 1, 2, ... N // 2 cycles an image side.

    The mean is removed first and no window is applied: the arcs lie well inside the image.
    """
    size = image.shape[-1]
    field = image.double() - image.double().mean(dim=(-2, -1), keepdim=True)
    power = torch.fft.fft2(field).abs().square()
    frequency = torch.fft.fftfreq(size, d=1.0 / size, device=image.device, dtype=torch.float64)
    ring = torch.hypot(frequency.view(-1, 1), frequency.view(1, -1)).round().long().flatten()
    bins = size // 2
    kept = (ring >= 1) & (ring <= bins)
    index = ring[kept] - 1
    summed = torch.zeros(len(image), bins, dtype=torch.float64, device=image.device)
    summed.index_add_(1, index, power.flatten(1)[:, kept])
    return summed / torch.bincount(index, minlength=bins)


def power_ratio(prediction: Tensor, truth: Tensor, scale: int) -> Tensor:
    """Power of the prediction over that of the truth in the octave below the LR image's Nyquist frequency.

    1 is right, less is too smooth, more is invented structure.
    """
    nyquist = truth.shape[-1] // (2 * scale)
    octave = slice(max(0, nyquist // 2 - 1), nyquist)
    return radial_power(prediction)[:, octave].sum(1) / radial_power(truth)[:, octave].sum(1)


def equivariance_error(model: Callable[[Tensor], Tensor], lr: Tensor) -> float:
    """Largest rms of model(g x) - g model(x) over the eight turns and mirrors g, relative to the rms of model(x)."""
    out = model(lr)
    differences = [(model(act(element, lr)) - act(element, out)).square().mean().sqrt() for element in ELEMENTS]
    return float(torch.stack(differences).max() / out.square().mean().sqrt())


def physics_scores(pixel_scale: float) -> dict[str, Score]:
    """Return the scores by name, each of images (B, 1, H, W) and their batch; None where the truth is not known.

    Args:
        pixel_scale: of the HR images, in arcsec.
    """

    def known(score: Callable[[Tensor, Batch], Tensor]) -> Score:
        return lambda image, batch: score(image[:, 0], batch) if "flux" in batch else None

    def sky(image: Tensor, batch: Batch) -> Tensor:
        return image - (batch["truth"] - batch["flux"])[:, 0]  # without the offset that clipping gives the background

    def ring_error(image: Tensor, batch: Batch) -> Tensor:
        right = ring_radius(batch["flux"][:, 0], pixel_scale)
        return (ring_radius(sky(image, batch), pixel_scale) - right).abs()

    def small_scales(image: Tensor, batch: Batch) -> Tensor:
        return power_ratio(image, batch["truth"][:, 0], batch["hr"].shape[-1] // batch["lr"].shape[-1])

    return {
        "physics/flux_error": known(lambda image, batch: flux_error(sky(image, batch), batch["flux"][:, 0])),
        "physics/ring_error": known(ring_error),
        "physics/chi2": known(lambda image, batch: chi_squared(image, batch["hr"][:, 0], batch["variance"][:, 0])),
        "physics/power_ratio": known(small_scales),
    }
