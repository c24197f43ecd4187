"""What the LR images that a run was trained on were like, by its configuration and its metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lenssr.errors import RunError

__all__ = ["Seen", "seen_by"]

_WIDTHS = 17  # of the PSF, between the narrowest and the widest of training
_PEAK = 1 / 1.5  # of a typical noise-free HR image, in units: a set's unit is 1.5 times the median of the peaks


@dataclass(frozen=True)
class Seen:
    """What the LR images of training were like.

    Attributes:
        pixel_scale: of LR pixels, arcsec.
        noise: least and largest standard deviation of an LR pixel, in the units that the network sees.
        peak: of a typical scene, in these units.
        clipped: whether negative values were cut.
        target_noise: standard deviation of the sky in the HR images, whose expectation the network tells.
        blur: least and largest sigma of a blur of unknown strength, LR pixels; None where there is none.
        kernels: PSFs that LR images have beyond the HR image's, on HR pixels, each with the FWHM of the whole PSF in
            LR pixels, from the narrowest to the widest; one, or many where training had many.
        positive: whether what was learnt is light above a sky of 0, of which there is nowhere less than none.
        varied: whether scenes differ a hundredfold in their peaks, and lenses may fill an image with their light.
    """

    pixel_scale: float
    noise: tuple[float, float]
    peak: float
    clipped: bool
    target_noise: float
    blur: tuple[float, float] | None
    kernels: tuple[tuple[float | None, np.ndarray], ...] = ()
    positive: bool = False
    varied: bool = False


def seen_by(config: dict[str, Any], metrics: dict[str, Any]) -> Seen:
    """Return what the training images of a finished run were like.

    Args:
        config: of the run.
        metrics: its ``metrics.json``.

    Raises:
        RunError: its images were real ones, and the metrics do not say what they were like.
    """
    data, observation, unit = config["dataset"], config["dataset"]["observation"], float(metrics["unit"])
    kind, scale = observation["_target_"].rsplit(".", 1)[-1], int(data["scale"])
    if kind == "RealExposure":
        return _of_real_images(metrics, scale)
    if kind == "SurveyExposures":
        return _of_surveys(data, unit)
    pixel = data["source"]["pixel_scale"] * scale
    if kind == "BlurredExposure":
        low, high = observation["noise"]
        blur = tuple(sigma / scale for sigma in observation["blur"])
        noise = observation["hr_background_rms"] / unit
        return Seen(pixel, (low * _PEAK, high * _PEAK), _PEAK, observation["clip"], noise, (blur[0], blur[1]))
    if kind == "TwoExposures":
        rms = observation["lr_background_rms"] / scale**2 / unit
        noise = observation["hr_background_rms"] / unit
        return Seen(pixel, (rms, rms), _PEAK, observation["detector"]["clip"], noise, None)
    rms = observation["lr_noise"]
    return Seen(pixel, (rms, rms), _PEAK, False, 0.0, None)


def _of_real_images(metrics: dict[str, Any], scale: int) -> Seen:
    """Return the same of real images, whose noise was measured, and whose instrument may have a PSF."""
    noise, pixel, kernel = (metrics.get(key) for key in ("lr_noise", "pixel_scale", "psf"))
    if not isinstance(noise, float | int) or not isinstance(pixel, float | int):
        raise RunError("The run's metrics.json does not say what its images were like; train it again.")
    psf = () if kernel is None else ((None, np.asarray(kernel, float)),)
    return Seen(pixel * scale, (noise, noise), metrics.get("peak", _PEAK), False, 0.0, None, psf)


def _of_surveys(data: dict[str, Any], unit: float) -> Seen:
    """Return the same of one sky that two telescopes see, where seeing and depth are the typical ones."""
    from lenssr.data.camera.psf import matching_kernel
    from lenssr.data.camera.telescope import Telescope

    lr, hr = (Telescope.read(data[kind], f"dataset.{kind}") for kind in ("lr", "hr"))
    typical, fine = [one.typical() for one in (lr, hr)], lr.pixel_scale / int(data["scale"])
    ratio = 10 ** (0.4 * (hr.zero_point - lr.zero_point)) / int(data["scale"]) ** 2
    rms = typical[0]["background_rms"] * ratio / unit
    low, high = lr.psf.widths
    widths = [low] if low == high else np.linspace(low, high, _WIDTHS).tolist()
    sharp = (hr.psf, typical[1]["psf_fwhm"])
    kernels = tuple((width / lr.pixel_scale, matching_kernel(sharp, (lr.psf, width), fine)) for width in widths)
    target = typical[1]["background_rms"] / unit
    return Seen(lr.pixel_scale, (rms, rms), _PEAK, False, target, None, kernels, positive=True, varied=True)
