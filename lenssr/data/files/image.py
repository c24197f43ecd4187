"""One image as it was read: its pixels, their noise, and what the file says of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lenssr.data.files.units import intensive

__all__ = ["Image", "filled"]


LARGE = 1 << 22  # px of an image that is a large one: held in single precision, its sky known by a part of it


@dataclass
class Image:
    """One image.

    Attributes:
        name: of the file, and of the HDU or plane where it holds several.
        data: (H, W), flux per pixel in ``bunit``, float64 as read; NaN where nothing was measured.
        rms: standard deviation of each pixel, (H, W); None where the file does not say.
        background: the same without the photons of what is above the sky, (H, W); None where the file does not say.
        header: of FITS, or what stands for it.
        pixel_scale: arcsec; None where the file does not say.
        electrons: that one of ``bunit`` stands for, a number or (H, W), so that photon noise is known; None where the
            file does not say.
    """

    name: str
    data: np.ndarray
    rms: np.ndarray | None = None
    header: Any = None
    pixel_scale: float | None = None
    electrons: float | np.ndarray | None = None
    background: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)

    def noise(self, level: float, faint: float, expected: np.ndarray | None = None, shared: float = 1.0) -> np.ndarray:
        """Return the standard deviation of each pixel, float32 (H, W), NaN where nothing was measured.

        As the file tells it, else the sky's and that of the photons above it, where the electrons are known. Photons
        are counted in what a pixel should hold: those of the data themselves are too many where noise is positive, and
        a chi-squared with them is too small where counts are few (Mighell 1999, doi:10.1086/307253).

        Args:
            level: of the sky.
            faint: noise of the sky.
            expected: (H, W), flux above the sky that a model expects; None for the data.
            shared: variance of the sky's noise before resampling over that after it, see
                :func:`lenssr.data.camera.noise.shared`: photons' noise was made smaller likewise.
        """
        if self.rms is not None:
            return self.rms
        if self.electrons is None:
            return np.where(np.isfinite(self.data), np.float32(faint), np.float32(np.nan))
        above = self.data.astype(np.float64) - level if expected is None else expected.astype(np.float64)
        sky = faint if self.background is None else self.background.astype(np.float64)
        above += 0.0 if self.background is None else level  # who tells the background's noise took the sky off
        photons = np.maximum(above, 0) / (shared * self.electrons)  # in float64: float32 may not hold the squares
        return np.sqrt(sky**2 + np.where(np.isfinite(self.data), photons, np.nan)).astype(np.float32)

    @property
    def per_area(self) -> bool:
        """Whether values are of a place, as surface brightness, which smaller pixels do not change."""
        return self.header is not None and intensive(self.header.get("BUNIT"))


def filled(data: np.ndarray) -> np.ndarray:
    """Return an image in float64 with its NaN replaced by the nearest known pixel."""
    holes = ~np.isfinite(data)
    if not holes.any():
        return data.astype(np.float64)
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(holes, return_distances=False, return_indices=True)
    return data[tuple(nearest)].astype(np.float64)
