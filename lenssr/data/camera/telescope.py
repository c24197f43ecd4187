"""A telescope's camera as its survey uses it: pixels, PSF, zero point, depth and noise (``configs/instrument``)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lenssr.data.camera.psf import PSF
from lenssr.data.sky.parameters import draw
from lenssr.errors import ConfigError, did_you_mean

__all__ = ["Telescope", "check_pair"]

_RATIOS = (2, 3, 4)
_SAME = 0.02  # by which the HR instrument's pixels may differ from those of the HR grid
_POSITIVE = ("pixel_scale", "exposure_time", "gain")
_KEYS = (
    *("name", "pixel_scale", "psf", "zero_point", "exposure_time", "exposures", "sky_brightness", "read_noise"),
    *("gain", "noise_correlation"),
)
_OF_DRAWS = 1001  # draws that tell the least and the largest of a distribution


@dataclass(frozen=True)
class Telescope:
    """A camera and its survey.

    Attributes:
        name: of the instrument.
        pixel_scale: arcsec.
        psf: its shape.
        fwhm: of the PSF in arcsec, a number or a distribution, see :func:`lenssr.data.sky.parameters.draw`.
        zero_point: AB magnitude of one count a second.
        exposure_time: of one exposure, s.
        exposures: that are added.
        sky_brightness: AB magnitude per square arcsec, a number or a distribution.
        read_noise: of a pixel and exposure, electrons.
        gain: electrons per count.
        taps: of the kernel that drizzling draws noise together with, along each axis; they sum to one.
    """

    name: str
    pixel_scale: float
    psf: PSF
    fwhm: Any
    zero_point: float
    exposure_time: float
    exposures: int
    sky_brightness: Any
    read_noise: float
    gain: float
    taps: tuple[float, ...]

    @classmethod
    def read(cls, node: Mapping[str, Any], where: str) -> Telescope:
        """Return the telescope that a config node describes.

        Args:
            node: as in ``configs/instrument``.
            where: the node's name, for messages.

        Raises:
            ConfigError: a number is missing or impossible.
            DataError: the file of its PSF holds none.
        """
        for key in node:
            if key not in _KEYS:
                raise ConfigError(f"{where} has no setting '{key}'. {did_you_mean(str(key), _KEYS)}")
        for key in _KEYS:
            if node.get(key) is None:
                raise ConfigError(f"{where}.{key} is missing; every file in configs/instrument has one to copy.")
        numbers = {key: _number(node, key, where) for key in (*_POSITIVE, "zero_point", "read_noise")}
        for key in _POSITIVE:
            if numbers[key] <= 0:
                raise ConfigError(f"{where}.{key}={node[key]} must be above 0.")
        if numbers["read_noise"] < 0:
            raise ConfigError(f"{where}.read_noise={node['read_noise']} must be 0 or more electrons.")
        if isinstance(node["exposures"], bool) or node["exposures"] != int(node["exposures"]) or node["exposures"] < 1:
            raise ConfigError(f"{where}.exposures={node['exposures']} must be a whole number of 1 or more.")
        if not isinstance(node["psf"], Mapping):
            raise ConfigError(f"{where}.psf={node['psf']} is no PSF; give one as {{type: gaussian, fwhm: 0.16}}.")
        fwhm = node["psf"].get("fwhm")
        widths = None if fwhm is None else _range(fwhm, f"{where}.psf.fwhm")
        psf = PSF.read(node["psf"], widths, numbers["pixel_scale"], f"{where}.psf")
        _range(node["sky_brightness"], f"{where}.sky_brightness")
        return cls(
            name=str(node["name"]),
            psf=psf,
            fwhm=psf.typical if fwhm is None else fwhm,
            exposures=int(node["exposures"]),
            sky_brightness=node["sky_brightness"],
            taps=_taps(node["noise_correlation"], where),
            **numbers,
        )

    @property
    def time(self) -> float:
        """Exposure time of all exposures, s."""
        return self.exposure_time * self.exposures

    def counts(self, magnitude: Any) -> Any:
        """Return the counts a second of an AB magnitude."""
        return 10.0 ** (-0.4 * (np.asarray(magnitude) - self.zero_point))

    def background_rms(self, sky_brightness: Any) -> Any:
        """Return the standard deviation of an empty pixel before drizzling: counts a second, as lenstronomy's.

        sqrt(n r^2 + g t s) / (g t): n exposures, read noise r, gain g, time t, sky s in counts a second and pixel.

        Args:
            sky_brightness: AB magnitudes per square arcsec.
        """
        sky = self.counts(sky_brightness) * self.pixel_scale**2
        electrons = self.exposures * self.read_noise**2 + self.gain * self.time * sky
        return np.sqrt(electrons) / (self.gain * self.time)

    @property
    def softened(self) -> float:
        """Standard deviation of a drizzled pixel over that of one before drizzling."""
        return float(np.square(self.taps).sum())  # along both axes: the root of its square

    def drawn(self, rng: np.random.Generator) -> dict[str, float]:
        """Draw what differs from image to image: ``psf_fwhm`` in arcsec, ``sky_brightness`` and ``background_rms``."""
        sky = float(draw(self.sky_brightness, rng))
        rms = float(self.background_rms(sky)) * self.softened
        return {"psf_fwhm": float(draw(self.fwhm, rng)), "sky_brightness": sky, "background_rms": rms}

    def typical(self) -> dict[str, float]:
        """Return the medians of what :meth:`drawn` draws."""
        rng = np.random.default_rng(0)
        draws = [self.drawn(rng) for _ in range(_OF_DRAWS)]
        return {key: float(np.median([one[key] for one in draws])) for key in draws[0]}


def check_pair(lr: Telescope, hr: Telescope, scale: int) -> None:
    """Refuse a pair of telescopes whose pixels do not fit ``scale``.

    HR images lie on a grid of LR pixels divided by ``scale``, as a mosaic is drizzled to a grid of one's choice.

    Raises:
        ConfigError: with what would fit.
    """
    if hr.pixel_scale >= lr.pixel_scale:
        raise ConfigError(
            f"dataset.hr ({hr.name}) has pixels of {hr.pixel_scale:g} arcsec, no finer than the {lr.pixel_scale:g} of "
            f"dataset.lr ({lr.name}); exchange the two, or choose another instrument@dataset.hr."
        )
    ratio = lr.pixel_scale / hr.pixel_scale
    if scale in _RATIOS and abs(ratio / scale - 1) <= _SAME:
        return
    near = min(_RATIOS, key=lambda one: abs(one - ratio))
    if abs(ratio / near - 1) <= _SAME:
        raise ConfigError(
            f"dataset.scale={scale}, but the pixels of {lr.name} are {ratio:.3g} times those of {hr.name}; use "
            f"dataset.scale={near}."
        )
    raise ConfigError(
        f"The pixels of {lr.name} ({lr.pixel_scale:g} arcsec) are {ratio:.3g} times those of {hr.name} "
        f"({hr.pixel_scale:g}), where 2, 3 or 4 is served; a mosaic can be drizzled to other pixels: "
        f"dataset.hr.pixel_scale={lr.pixel_scale / near:.4g} dataset.scale={near}."
    )


def _number(node: Mapping[str, Any], key: str, where: str) -> float:
    value = node[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{where}.{key}={value} is no number.")
    return float(value)


def _range(value: Any, where: str) -> tuple[float, float]:
    """Return the least and the largest that a distribution gives."""
    try:
        draws = np.asarray(draw(value, np.random.default_rng(0), _OF_DRAWS), float)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise ConfigError(f"{where}={value} is neither a number nor a distribution, as {{uniform: [1, 2]}}.") from error
    if not np.isfinite(draws).all():
        raise ConfigError(f"{where}={value} is no finite number.")
    return float(draws.min()), float(draws.max())


def _taps(value: Any, where: str) -> tuple[float, ...]:
    if value == 0:
        return (1.0,)
    try:
        taps = np.asarray(value, float)
        good = taps.ndim == 1 and len(taps) % 2 == 1 and np.allclose(taps, taps[::-1]) and abs(taps.sum() - 1) < 1e-6
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ConfigError(
            f"{where}.noise_correlation={value} must be 0, or an odd, symmetric list that sums to 1, as "
            "[0.075, 0.85, 0.075]."
        )
    return tuple(taps.tolist())
