"""An image of a labelled set, from the file that somebody gives it in.

A ``.npy`` file holds an image (H, W), (1, H, W), (3, H, W) or (H, W, 3), of whose three bands the first is taken, or as
DeepLense's axion files an object array ``[image, mass / eV]``. Of a FITS file the first plane that is an image counts,
by the rules of :mod:`lenssr.data.files.images`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lenssr.data.files.images import FITS, filled, read
from lenssr.data.files.unpickle import read_npy
from lenssr.errors import DataError

__all__ = ["ENDINGS", "read_image"]

ENDINGS = (".npy", *FITS)


def read_image(path: Path, size: int) -> tuple[np.ndarray, float]:
    """Return (image (size, size) float32, log10 of the axion mass / eV or NaN).

    Raises:
        ValueError: the file is no finite, varying image of that size; the message says which.
    """
    if path.name.lower().endswith(FITS):
        return _fits(path, size), float("nan")
    array, mass = read_npy(path), float("nan")
    if array.dtype.hasobject:
        if array.size != 2:
            raise ValueError(f"an object array of {array.size} entries, where [image, mass] was expected")
        image, value = array.ravel()
        array = np.asarray(image)
        try:
            mass = float(np.asarray(value))
        except (TypeError, ValueError):
            raise ValueError("the second entry of [image, mass] is no number") from None
        # published files hold m / eV; some hold its logarithm
        mass = float(np.log10(mass)) if mass > 0 else mass
    image = _band(array)
    if image.dtype.kind not in "biuf":
        raise ValueError(f"pixels of type {image.dtype}, where real numbers were expected")
    if image.size == 0:
        raise ValueError("empty")
    if image.shape != (size, size):
        raise ValueError(f"shape {array.shape}, where {size} x {size} px was expected (dataset.image_size)")
    image = image.astype(np.float32)
    if not np.isfinite(image).all():
        raise ValueError("holds NaN or infinite pixels")
    if image.max() == image.min():
        raise ValueError("constant")
    return image, mass


def _band(array: np.ndarray) -> np.ndarray:
    if array.ndim == 3 and array.shape[0] in (1, 3):
        return array[0]
    if array.ndim == 3 and array.shape[2] in (1, 3):
        return array[..., 0]
    return array


def _fits(path: Path, size: int) -> np.ndarray:
    """Return the first image of a FITS file as upscaling reads it, holes filled from around them."""
    try:
        data = read(path)[0].data
    except DataError as error:
        raise ValueError(str(error).splitlines()[0]) from error
    if data.shape != (size, size):
        raise ValueError(f"shape {data.shape}, where {size} x {size} px was expected (dataset.image_size)")
    return filled(data).astype(np.float32)
