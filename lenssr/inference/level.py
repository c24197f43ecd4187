"""The sky of an image: its level, its noise, and how that is shared; of a mosaic from a few windows of it."""

from __future__ import annotations

import numpy as np

from lenssr.data.camera.noise import shared, sky
from lenssr.data.files.image import LARGE, Image

__all__ = ["shared_of", "sky_of"]

_WINDOW, _WINDOWS = 256, 5  # pixels along a side, and windows along a side


def sky_of(image: Image) -> tuple[float, float]:
    """Return the level of the sky and the noise of its faint pixels; of a large image the median of 25 windows'."""
    told = image.background if image.rms is None else image.rms
    found = [sky(image.data[part], None if told is None else told[part]) for part in _windows(image.data)]
    level, noise = np.median(found, axis=0)
    return float(level), float(noise)


def shared_of(image: Image) -> float:
    """Return by how much resampling lessened the noise, see :func:`lenssr.data.camera.noise.shared`.

    Of a large image it is the median of 25 windows'; 1 where nobody asks, since photons are not counted.
    """
    if image.rms is not None or image.electrons is None:
        return 1.0
    return float(np.median([shared(image.data[part]) for part in _windows(image.data)]))


def _windows(data: np.ndarray) -> list[tuple[slice, slice]]:
    """Return the whole of a small image, windows of a large one that are measured, or the whole if none is."""
    whole = (slice(None), slice(None))
    if data.size <= LARGE:
        return [whole]
    parts = [(rows, columns) for rows in _spans(data.shape[0]) for columns in _spans(data.shape[1])]
    return [part for part in parts if _measured(data[part])] or [whole]


def _measured(data: np.ndarray) -> bool:
    return bool(np.isfinite(data).mean() > 0.5 and np.nanmin(data) < np.nanmax(data))


def _spans(length: int) -> list[slice]:
    size = min(length, _WINDOW)
    return [slice(start, start + size) for start in np.linspace(0, length - size, _WINDOWS).astype(int)]
