"""What a lens modeller asks of an image: flux, ring, consistency with the noise, structure on small scales.

All are comparisons with the noise-free expectation, or need the variance of the noise, so simulated sets alone have
them. Images are (B, H, W), in any one unit; every function returns one number an image (B,).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lenssr.data.batches import Batch
from lenssr.metrics.per_image import Score
from lenssr.metrics.ring import ring_radius, ring_stretch
from lenssr.metrics.spectrum import cross_power, radial_power, resolution
from lenssr.models.symmetry import ELEMENTS, act

__all__ = [
    "chi_squared",
    "equivariance_error",
    "error_in_noise",
    "flux_error",
    "physics_scores",
    "transfer_below_nyquist",
]


def flux_error(prediction: Tensor, truth: Tensor) -> Tensor:
    """Absolute error of the total flux, relative to the truth's."""
    total = truth.double().sum(dim=(-2, -1))
    return (prediction.double().sum(dim=(-2, -1)) / total - 1).abs()


def chi_squared(prediction: Tensor, observed: Tensor, variance: Tensor) -> Tensor:
    """Reduced chi-squared of the noisy HR image about the prediction; 1 for the truth."""
    return ((prediction.double() - observed.double()).square() / variance.double()).mean(dim=(-2, -1))


def error_in_noise(prediction: Tensor, truth: Tensor, variance: Tensor) -> Tensor:
    """Rms error in units of the HR noise, pixel by pixel: a flux, whatever the brightest pixel of the image is."""
    return chi_squared(prediction, truth, variance).sqrt()


def transfer_below_nyquist(prediction: Tensor, truth: Tensor, scale: int) -> Tensor:
    """Transfer in the octave below the LR image's Nyquist frequency: 1 is right, less is too smooth.

    Structure that is not the truth's, noise or invented, does not count: it is in no common phase with it.
    """
    nyquist = truth.shape[-1] // (2 * scale)
    octave = slice(max(0, nyquist // 2 - 1), nyquist)
    return cross_power(prediction, truth)[:, octave].sum(1) / radial_power(truth)[:, octave].sum(1)


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

    def scale_of(batch: Batch) -> int:
        return int(batch["hr"].shape[-1] // batch["lr"].shape[-1])

    def stretch(image: Tensor, batch: Batch) -> Tensor:
        flux, variance = batch["flux"][:, 0], batch["variance"][:, 0]
        return ring_stretch(sky(image, batch), flux, variance)[0] * ring_radius(flux, pixel_scale)

    def resolved(image: Tensor, batch: Batch) -> Tensor:
        return resolution(image, batch["truth"][:, 0], scale_of(batch))

    def octave_transfer(image: Tensor, batch: Batch) -> Tensor:
        return transfer_below_nyquist(image, batch["truth"][:, 0], scale_of(batch))

    return {
        "physics/flux_error": known(lambda image, batch: flux_error(sky(image, batch), batch["flux"][:, 0])),
        "physics/ring_error": known(lambda image, batch: stretch(image, batch).abs()),
        "physics/chi2": known(lambda image, batch: chi_squared(image, batch["hr"][:, 0], batch["variance"][:, 0])),
        "physics/error": known(
            lambda image, batch: error_in_noise(image, batch["truth"][:, 0], batch["variance"][:, 0])
        ),
        "physics/transfer": known(octave_transfer),
        "physics/resolution": known(resolved),
    }
