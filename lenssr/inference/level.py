"""The sky of an image: its level and its noise; of a mosaic from a few windows of it."""

from __future__ import annotations

import numpy as np

from lenssr.data.camera.noise import sky
from lenssr.data.files.image import LARGE, Image

__all__ = ["sky_of"]

_WINDOW, _WINDOWS = 256, 5  # pixels along a side, and windows along a side


def sky_of(image: Image) -> tuple[float, float]:
    """Return the level of the sky and the noise of its faint pixels; of a large image the median of 25 windows'."""
    if image.data.size <= LARGE:
        return sky(image.data, image.rms)
    found = []
    for rows in _spans(image.data.shape[0]):
        for columns in _spans(image.data.shape[1]):
            data = image.data[rows, columns]
            if np.isfinite(data).mean() > 0.5 and np.nanmin(data) < np.nanmax(data):
                found.append(sky(data, None if image.rms is None else image.rms[rows, columns]))
    if not found:
        return sky(image.data, image.rms)
    level, noise = np.median(found, axis=0)
    return float(level), float(noise)


def _spans(length: int) -> list[slice]:
    size = min(length, _WINDOW)
    return [slice(start, start + size) for start in np.linspace(0, length - size, _WINDOWS).astype(int)]
