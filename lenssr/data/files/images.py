"""Images of others: FITS, .npy and lenstronomy-style .h5 files, read as flux, its noise and its place on the sky."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lenssr.data.files.wcs import check
from lenssr.errors import DataError

__all__ = ["Image", "filled", "read"]

_LEAST = 8  # px along a side
_LARGEST = 1e30  # flux; float32 ends at 3e38, and it is multiplied
_NOISE_NAMES = ("ERR", "RMS", "SIGMA", "NOISE", "STD")


@dataclass
class Image:
    """One image.

    Attributes:
        name: of the file, and of the HDU or plane where it holds several.
        data: float32 (H, W), flux per pixel in ``bunit``; NaN where nothing was measured.
        rms: standard deviation of each pixel, (H, W); None where the file does not say.
        header: of FITS, or what stands for it.
        pixel_scale: arcsec; None where the file does not say.
        electrons: that one of ``bunit`` stands for, so that photon noise is known; None where the file does not say.
    """

    name: str
    data: np.ndarray
    rms: np.ndarray | None = None
    header: Any = None
    pixel_scale: float | None = None
    electrons: float | None = None
    notes: list[str] = field(default_factory=list)

    def noise(self, level: float, faint: float) -> np.ndarray:
        """Return the standard deviation of each pixel, float32 (H, W), NaN where nothing was measured.

        As the file tells it, else the sky's and that of the photons above it, where the electrons are known.

        Args:
            level: of the sky.
            faint: noise of the sky.
        """
        if self.rms is not None:
            return self.rms
        data = self.data.astype(np.float64)  # whose squares float32 may not hold
        photons = np.maximum(data - level, 0) / self.electrons if self.electrons else 0 * data
        return np.sqrt(faint**2 + photons).astype(np.float32)

    @property
    def per_area(self) -> bool:
        """Whether values are surface brightness, which smaller pixels do not change."""
        unit = str(self.header.get("BUNIT", "") if self.header is not None else "").lower().replace(" ", "")
        return any(word in unit for word in ("/sr", "sr-1", "sr**-1", "arcsec-2", "arcsec^-2", "/arcsec2", "/arcsec^2"))


def read(path: str | Path) -> list[Image]:
    """Return every image of a file; nothing in it can run code.

    Raises:
        DataError: it cannot be read, or holds no image.
    """
    path = Path(path)
    readers: dict[str, Callable[[Path], list[Image]]] = {".npy": _npy, ".h5": _h5, ".hdf5": _h5}
    fits = path.name.lower().endswith((".fits", ".fit", ".fts", ".fits.gz", ".fits.fz", ".fz"))
    reader = _fits if fits else readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path} is none of .fits, .fits.gz, .fits.fz, .npy, .h5.")
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
    return [_checked(image, path) for image in images]


def _checked(image: Image, path: Path) -> Image:
    data = image.data
    if image.header is not None:
        check(image.header, f"{path} ({image.name})")
    if min(data.shape) < _LEAST:
        raise DataError(
            f"{path} ({image.name}) is {data.shape[0]} x {data.shape[1]} px; the least is {_LEAST} x {_LEAST}."
        )
    image.data = np.where(np.isfinite(data), data, np.nan).astype(np.float32)
    known = image.data[np.isfinite(image.data)]
    if known.size < 0.5 * data.size:
        raise DataError(f"{path} ({image.name}): {known.size} of {data.size} pixels are finite; at least half must be.")
    if known.max() == known.min():
        raise DataError(f"{path} ({image.name}) is constant: there is nothing to upscale.")
    if np.abs(known).max() > _LARGEST:
        raise DataError(
            f"{path} ({image.name}) holds {np.abs(known).max():.1e}, beyond {_LARGEST:.0e}; mask or rescale it."
        )
    if image.rms is not None:
        image.rms = np.asarray(image.rms, np.float32)
        if image.rms.shape != data.shape or not (image.rms[np.isfinite(image.data)] > 0).all():
            image.rms, note = None, "its noise map is of another shape, or not positive, and was not used"
            image.notes.append(note)
        else:
            image.rms = np.where(np.isfinite(image.data), image.rms, np.nan)
    return image


def filled(data: np.ndarray) -> np.ndarray:
    """Return an image in float64 with its NaN replaced by the nearest known pixel."""
    holes = ~np.isfinite(data)
    if not holes.any():
        return data.astype(np.float64)
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(holes, return_distances=False, return_indices=True)
    return data[tuple(nearest)].astype(np.float64)


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
    data = known["image_data"].astype(np.float32)
    if data.ndim != 2:
        raise DataError(f"{path}: image_data has {data.ndim} dimensions, not two.")
    image = Image(path.stem, data, header=Header({"BUNIT": "flux/s"}))
    if "background_rms" in known:
        variance = np.square(known["background_rms"], dtype=np.float64) * np.ones(data.shape)
        if "exposure_time" in known:
            seconds = np.maximum(known["exposure_time"].astype(np.float64), 1e-9)
            variance = variance + np.maximum(data, 0) / seconds
            image.header["EXPTIME"] = (float(np.median(seconds)), "s, median of the exposure map")
        image.rms = np.sqrt(variance)
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


def _fits(path: Path) -> list[Image]:
    import warnings

    from astropy.io import fits
    from astropy.io.fits.verify import VerifyWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VerifyWarning)
        with fits.open(path, memmap=False) as hdus:
            primary = hdus[0].header
            planes, noise = [], {}
            for number, hdu in enumerate(hdus):
                if not hdu.is_image or hdu.data is None or hdu.data.ndim < 2:
                    continue
                name = str(hdu.name or "").upper()
                pixels = hdu.data.astype(np.float32).reshape(-1, *hdu.data.shape[-2:])
                if name in _NOISE_NAMES:
                    noise[pixels.shape] = pixels
                elif "MASK" not in name and name not in ("DQ", "WHT", "PSF"):
                    planes.append((f"{name or number}" if len(hdus) > 1 else "", pixels, _whole(primary, hdu.header)))
    images = []
    for name, pixels, header in planes:
        for i, plane in enumerate(pixels):
            words = [
                re.sub(r"\.(fits?|fts)?(\.(gz|fz))?$", "", path.name, flags=re.I),
                name,
                str(i) if len(pixels) > 1 else "",
            ]
            rms = noise[pixels.shape][i] if pixels.shape in noise else None
            label = "_".join(word for word in words if word)
            images.append(Image(label, plane, rms, header.copy(), _pixel_scale(header), _electrons(header)))
    return images


def _whole(primary: Any, own: Any) -> Any:
    """Return an HDU's header with what it inherits from the primary one, less cards that cannot be read."""
    from astropy.io.fits import Header
    from astropy.io.fits.verify import VerifyError

    header = Header()
    for source in (own, primary):
        for card in source.copy(strip=True).cards:
            try:
                keyword, value, comment = card.keyword, card.value, card.comment
                if keyword and keyword not in header and keyword not in ("COMMENT", "HISTORY"):
                    header[keyword] = (value, comment)
            except (ValueError, VerifyError):
                continue
    return header


def _electrons(header: Any) -> float | None:
    """Return how many electrons one of BUNIT is: 1, or EXPTIME of a rate; None where the header does not say."""
    unit = str(header.get("BUNIT", "")).lower().replace(" ", "")
    if unit in ("electrons", "electron", "e-"):
        return 1.0
    seconds = header.get("EXPTIME")
    rate = unit in ("electrons/s", "electron/s", "e-/s", "electrons/sec", "electrons*s**-1", "electrons.s-1")
    return float(seconds) if rate and isinstance(seconds, int | float) and seconds > 0 else None


def _pixel_scale(header: Any) -> float | None:
    """Return the square root of a pixel's area in arcsec; None without a celestial WCS."""
    import warnings

    from astropy.wcs import WCS
    from astropy.wcs.utils import proj_plane_pixel_area

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            wcs = WCS(header).celestial
        except Exception:  # wcslib refuses in many ways; the image stands without
            return None
        return float(np.sqrt(proj_plane_pixel_area(wcs)) * 3600) if wcs.has_celestial else None
