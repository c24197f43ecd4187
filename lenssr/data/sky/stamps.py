"""Real galaxies to be lensed: a GalSim RealGalaxy catalogue, or a folder of stamps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenssr.errors import ConfigError, DataError

__all__ = ["SIDE", "catalogue", "folder"]

SIDE = 128  # pixels along a side of a stamp
_EDGE = 0.08  # of the side: the frame that tells the sky
_KINDS = ("*.fits", "*.fits.gz", "*.fits.fz", "*.npy", "*.h5")


def catalogue(path: str | None, count: int) -> NDArray[np.float64]:
    """Read galaxies of a GalSim RealGalaxy catalogue, in its order: (count, SIDE, SIDE).

    The catalogue is a FITS table with GAL_FILENAME and GAL_HDU for each galaxy, its images lie beside it.

    Raises:
        ConfigError: there is no such file.
        DataError: it is no such catalogue, an image is missing, or it holds fewer galaxies.
    """
    from astropy.io import fits

    file = _existing(path, "the catalogue's .fits file", Path.is_file)
    try:
        with fits.open(file) as hdus:
            table: Any = hdus[1].data
            places = [(str(row["GAL_FILENAME"]).strip(), int(row["GAL_HDU"])) for row in table[:count]]
        images = []
        for name, hdu in places:
            with fits.open(file.parent / Path(name).name, memmap=False) as hdus:
                images.append(np.asarray(hdus[hdu].data, float))
    except (OSError, KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(f"{file} cannot be read as a RealGalaxy catalogue: {error}") from error
    return _stamps(images, file, count)


def folder(path: str | None, count: int) -> NDArray[np.float64]:
    """Read the galaxies of a folder's FITS, .npy and .h5 files, by name: (count, SIDE, SIDE).

    Raises:
        ConfigError: there is no such folder.
        DataError: a file cannot be read, or they hold fewer galaxies.
    """
    from lenssr.data.files.images import read

    root = _existing(path, "a folder of stamps", Path.is_dir)
    images: list[NDArray[Any]] = []
    for file in sorted(file for kind in _KINDS for file in root.glob(kind)):
        if len(images) < count:
            images += [image.data for image in read(file)]
    return _stamps(images[:count], root, count)


def _existing(path: str | None, what: str, exists: Any) -> Path:
    if path is None or not exists(Path(path)):
        raise ConfigError(
            f"dataset.source.galaxies.path={path} is not there; give {what}, or use "
            "dataset.source.galaxies.kind=stand_in."
        )
    return Path(path)


def _stamps(images: list[NDArray[Any]], where: Path, count: int) -> NDArray[np.float64]:
    if len(images) < count:
        raise DataError(
            f"{where} holds {len(images)} galaxies, and three splits of their own need {count}; set "
            f"dataset.source.galaxies.count={len(images) // 3}."
        )
    return np.stack([_stamp(image) for image in images])


def _stamp(image: NDArray[Any]) -> NDArray[np.float64]:
    """Return a galaxy's middle square, less the sky of its frame, faded out towards the corners, at SIDE px."""
    from scipy.ndimage import zoom

    image = np.nan_to_num(np.asarray(image, float))
    side = min(image.shape)
    top, left = ((length - side) // 2 for length in image.shape)
    square = image[top : top + side, left : left + side]
    edge = max(1, round(_EDGE * side))
    frame = np.ones(square.shape, bool)
    frame[edge:-edge, edge:-edge] = False
    resized = zoom(square - np.median(square[frame]), SIDE / side, order=1, grid_mode=True, mode="nearest")
    axis = np.linspace(-1, 1, SIDE)
    radius = np.hypot(*np.meshgrid(axis, axis))
    return resized * np.clip((1 - radius) / 0.2, 0, 1)
