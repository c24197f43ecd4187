"""Images of others: FITS, .npy and lenstronomy-style .h5 files, read as flux, its noise and its place on the sky."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lenssr.data.files.borders import unmeasured
from lenssr.data.files.choice import Choice
from lenssr.data.files.fits import read_fits
from lenssr.data.files.image import LARGE, Image, filled
from lenssr.data.files.units import unit_note
from lenssr.data.files.wcs import check
from lenssr.errors import DataError

__all__ = ["FITS", "Image", "checked", "filled", "from_array", "read"]

_LEAST = 8  # px along a side
_LARGEST = 1e30  # flux; float32 ends at 3e38, and it is multiplied
_KNOWN = 0.1  # of the pixels, and as many as a square of _LEAST has: fewer tell no sky
FITS = tuple(f"{kind}{packed}" for kind in (".fits", ".fit", ".fts") for packed in ("", ".gz", ".bz2", ".fz"))


def read(path: str | Path, choice: Choice | None = None) -> list[Image]:
    """Return every image of a file that can be used; nothing in it can run code.

    A plane that cannot is left out, and that is said among the notes of the first that can.

    Args:
        path: of the file.
        choice: of the planes of a FITS file, where somebody knows better than it says.

    Raises:
        DataError: it cannot be read, or holds no image that can be used.
    """
    path = Path(path)
    readers: dict[str, Callable[[Path], list[Image]]] = {".npy": _npy, ".h5": _h5, ".hdf5": _h5}
    fits = path.name.lower().endswith((*FITS, ".fz"))
    reader = (lambda p: read_fits(p, choice)) if fits else readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path} is none of .fits, .fits.gz, .fits.fz, .fits.bz2, .npy, .h5.")
    if not path.is_file():
        raise DataError(f"There is no file {path}.")
    try:
        images = reader(path)
    except DataError:
        raise
    # the readers' libraries raise of every kind on damaged files, and what is damaged is named
    except (Exception, SystemExit) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if "allow_pickle" in reason or "ignore_missing_simple" in reason:  # advice for programmers
            reason = "it holds no array of numbers" if reader is _npy else "it is no FITS file"
        raise DataError(f"{path} cannot be read: {reason}") from error
    if not images:
        raise DataError(f"{path} holds no image of two dimensions.")
    return _usable(images, str(path))


def from_array(array: Any) -> list[Image]:
    """Return the images of an array (H, W) or (..., H, W), by the rules of files; masked pixels are unmeasured.

    Raises:
        DataError: it holds no numbers, or none that can be used.
    """
    values = np.ma.filled(array.astype(float), np.nan) if isinstance(array, np.ma.MaskedArray) else np.asarray(array)
    if values.dtype.kind not in "fiub":
        raise DataError(f"The array holds {values.dtype}, not real numbers.")
    if values.ndim < 2:
        raise DataError(f"The array has {values.ndim} dimensions; an image has two, a stack more.")
    if not values.size:
        raise DataError(f"The array is empty: its shape is {values.shape}.")
    planes = values.reshape(-1, *values.shape[-2:])
    names = ["array"] if len(planes) == 1 else [f"array_{i}" for i in range(len(planes))]
    return _usable([Image(name, plane) for name, plane in zip(names, planes, strict=True)], "The array")


def _usable(images: Sequence[Image], where: str) -> list[Image]:
    """Return the images that can be used, what was left out among the notes of the first.

    Raises:
        DataError: there is none.
    """
    good: list[Image] = []
    problems: list[str] = []
    notes: list[str] = []
    for image in images:
        try:
            good.append(checked(image, where))
        except DataError as error:
            problems.append(str(error))
            notes += image.notes
    if not good:
        raise DataError("\n".join(problems))
    good[0].notes += notes + [f"left out: {problem}" for problem in problems]
    return good


def checked(image: Image, where: str) -> Image:
    """Return an image whose unmeasured pixels are NaN and whose noise is positive.

    Raises:
        DataError: it is too small, constant, hardly measured, beyond what can be computed with, or placed by words.
    """
    told = f"{where} ({image.name})"
    data = np.asarray(image.data)
    if image.header is not None:
        check(image.header, told)
        image.notes += unit_note(image.header.get("BUNIT"))
    if min(data.shape) < _LEAST:
        raise DataError(f"{told} is {data.shape[0]} x {data.shape[1]} px; the least is {_LEAST} x {_LEAST}.")
    # a mosaic's float32 are kept: twice the memory would tell no more
    data = data.astype(np.float32 if data.dtype == np.float32 and data.size > LARGE else np.float64)
    bad = ~np.isfinite(data)
    data[bad] = np.nan
    low, high = _range(data)
    if low == high:
        raise DataError(f"{told} is constant: there is nothing to upscale.")
    border = unmeasured(data)
    if border.any():
        image.notes.append(f"{100 * border.mean():.0f} % of it are a constant border or gap and count as unmeasured")
        data[border] = np.nan
        low, high = _range(data)
    known = data.size - int((bad | border).sum())
    if known < max(_KNOWN * data.size, _LEAST**2):
        raise DataError(f"{told}: {known} of {data.size} pixels are finite; a tenth must be.")
    most = max(abs(low), abs(high))
    if most > _LARGEST:
        raise DataError(f"{told} holds {most:.1e}, beyond {_LARGEST:.0e}; mask or rescale it.")
    image.data = data
    for kind in ("rms", "background"):
        if getattr(image, kind) is None:
            continue
        rms = np.asarray(getattr(image, kind), np.float64)
        if rms.shape != data.shape or not (rms[np.isfinite(data)] > 0).all():
            setattr(image, kind, None)
            image.notes.append("its noise map is of another shape, or not positive, and was not used")
        else:
            setattr(image, kind, np.where(np.isfinite(data), rms, np.nan).astype(np.float32))
    if image.electrons is not None:
        counted = np.broadcast_to(np.asarray(image.electrons, np.float64), data.shape)
        if not (counted[np.isfinite(data)] > 0).all():
            image.electrons = None
            image.notes.append("its exposure is not positive everywhere, so photons were not counted")
    return image


def _range(data: np.ndarray) -> tuple[float, float]:
    """Return the least and the largest known pixel; NaN where none is known."""
    return float(np.fmin.reduce(data, axis=None)), float(np.fmax.reduce(data, axis=None))


def _npy(path: Path) -> list[Image]:
    array = np.load(path, allow_pickle=False)
    if array.dtype.kind not in "fiub":
        raise DataError(f"{path} holds {array.dtype}, not numbers.")
    planes = array[None] if array.ndim == 2 else array.reshape(-1, *array.shape[-2:]) if array.ndim > 2 else []
    count = len(planes)
    return [Image(path.stem if count == 1 else f"{path.stem}_{i}", plane) for i, plane in enumerate(planes)]


def _h5(path: Path) -> list[Image]:
    """Read lenstronomy's names: image_data (flux / pixel / s), background_rms, exposure_time, transform_pix2angle."""
    import h5py
    from astropy.io.fits import Header

    with h5py.File(path, "r") as file:
        if "image_data" not in file:
            raise DataError(f"{path} has no image_data; it has {', '.join(list(file)[:8]) or 'nothing'}.")
        known = {name: np.asarray(file[name]) for name in file if isinstance(file[name], h5py.Dataset)}
    data = known["image_data"].astype(np.float64)
    if data.ndim != 2:
        raise DataError(f"{path}: image_data has {data.ndim} dimensions, not two.")
    image = Image(path.stem, data, header=Header({"BUNIT": "flux/s"}))
    if "background_rms" in known:
        rms = known["background_rms"].astype(np.float64) * np.ones(data.shape)
        if "exposure_time" in known:
            seconds = np.maximum(known["exposure_time"].astype(np.float64), 1e-9)
            image.background, image.electrons = rms, seconds * np.ones(data.shape)
            image.header["EXPTIME"] = (float(np.median(seconds)), "s, median of the exposure map")
        else:
            image.rms = rms
    if known.get("transform_pix2angle", np.zeros(0)).shape == (2, 2):
        matrix = known["transform_pix2angle"].astype(float)
        image.pixel_scale = float(np.sqrt(abs(np.linalg.det(matrix))))
        _tangent_plane(image.header, matrix, known)
    return [image]


def _tangent_plane(header: Any, matrix: np.ndarray, known: dict[str, np.ndarray]) -> None:
    """Write a linear WCS in arcsec, as lenstronomy's: angle = matrix @ pixel + corner."""
    header["CTYPE1"], header["CTYPE2"], header["CUNIT1"], header["CUNIT2"] = "LINEAR", "LINEAR", "arcsec", "arcsec"
    header["CRPIX1"], header["CRPIX2"] = 1.0, 1.0
    for axis, name in ((1, "ra_at_xy_0"), (2, "dec_at_xy_0")):
        header[f"CRVAL{axis}"] = float(known[name]) if name in known else 0.0
        for other in (1, 2):
            header[f"CD{axis}_{other}"] = float(matrix[axis - 1, other - 1])
