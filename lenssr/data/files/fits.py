"""A FITS file as images, each with its noise, its bad pixels, and a header of its own."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from lenssr.data.files.choice import Choice
from lenssr.data.files.image import Image
from lenssr.data.files.planes import Plane, bad_pixels, belonging, deviation, planes_of
from lenssr.data.files.wcs import celestial, exact, flat, is_coordinate
from lenssr.errors import DataError

__all__ = ["is_product", "read_fits"]

_SUFFIX = re.compile(r"\.(fits?|fts)?(\.(gz|fz|bz2))?$", re.I)
_STRUCTURE = ("XTENSION", "SIMPLE", "EXTEND", "NEXTEND", "EXTNAME", "EXTVER", "EXTLEVEL", "INHERIT", "PCOUNT", "GCOUNT")


def read_fits(path: Path, choice: Choice | None = None) -> list[Image]:
    """Return the images of a file, with what was left out or not understood among the notes of the first.

    Raises:
        DataError: the file is cut short, or was made by this program.
    """
    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's words on odd headers are no help to who reads ours
        with fits.open(path, memmap=False, lazy_load_hdus=False) as hdus:
            _whole_file(hdus, path)
            if is_product(hdus):
                raise DataError(f"{path} is a product of this program (SRSCALE in its header): not upscaled again.")
            planes, notes = planes_of(hdus)
            primary = hdus[0].header
    planes = choice.apply(planes, path) if choice else planes
    images: list[Image] = []
    used: set[int] = set()
    for plane in (plane for plane in planes if plane.kind == "image"):
        noise = belonging(plane, planes, ("sigma", "variance", "inverse"))
        mask = belonging(plane, planes, ("mask",))
        used |= {other.number for other in (noise, mask) if other}
        images += _images(plane, noise, mask, planes, primary, path)
    idle = [_called(p, planes) for p in planes if p.kind != "image" and p.number not in used]
    if idle and images:
        notes.append(f"not used, of this file: {', '.join(idle[:8])}{' and others' if len(idle) > 8 else ''}")
    if images:
        images[0].notes += notes
    return images


def is_product(hdus: Any) -> bool:
    """Whether an open file is one that this program wrote: a header says by how much it was upscaled."""
    return any("SRSCALE" in hdu.header for hdu in hdus)


def _whole_file(hdus: Any, path: Path) -> None:
    """Refuse a file whose last extension is not all there, with both lengths."""
    if getattr(hdus._file, "compression", None):  # by what it holds: some servers compress without a name that says so
        return
    length, needed = path.stat().st_size, 0
    for hdu in hdus:
        place = hdu.fileinfo() or {}
        needed = max(needed, int(place.get("datLoc", 0)) + int(place.get("datSpan", 0)))
    if needed > length:
        raise DataError(f"{path} is cut short: {length} of {needed} bytes; fetch it again.")


def _images(
    plane: Plane, noise: Plane | None, mask: Plane | None, planes: list[Plane], primary: Any, path: Path
) -> list[Image]:
    """Return the image of each of an extension's planes, with what belongs to it."""
    header = flat(_own(plane.header, primary))
    pixel_scale, electrons = _pixel_scale(header), _electrons(header)
    rms = None if noise is None else np.broadcast_to(deviation(noise), plane.pixels.shape)
    bad, word = (None, "") if mask is None else bad_pixels(mask)
    if noise is not None and rms is not None and not np.isfinite(rms).any():  # a placeholder
        rms, empty = None, f"its noise map {noise.name or noise.number} has no positive value and was not used"
        word = "; ".join(filter(None, (word, empty)))
    several = sum(other.kind == "image" for other in planes) > 1
    alike = sum(other.kind == "image" and other.name == plane.name for other in planes) > 1
    stem = _SUFFIX.sub("", path.name)
    found = []
    for i, pixels in enumerate(plane.pixels):
        version = str(plane.version if plane.version > 1 or plane.name else plane.number) if alike else ""
        words = [stem, (plane.name or str(plane.number)) if several or plane.number else "", version]
        words.append(str(i) if len(plane.pixels) > 1 else "")
        name = "_".join(word for word in words if word)
        image = Image(name, _native(pixels), None, header.copy(), pixel_scale, electrons)
        _channel(image, plane.header, i, len(plane.pixels))
        if bad is not None:
            image.data[np.broadcast_to(bad, plane.pixels.shape)[i]] = np.nan
        if rms is not None:
            image.rms = np.array(rms[i])
            image.data[~np.isfinite(image.rms)] = np.nan  # a pixel without noise is a pixel without a measurement
        image.notes += [word] if word and i == 0 else []
        found.append(image)
    return found


def _called(plane: Plane, planes: list[Plane]) -> str:
    """Return how somebody would ask for a plane: by its name, with its number where several have that name."""
    alike = sum(other.name == plane.name for other in planes) > 1
    return (f"{plane.name},{plane.version}" if alike else plane.name) or f"extension {plane.number}"


def _native(pixels: np.ndarray) -> np.ndarray:
    """Return pixels to compute with: float32 as such, others as float64."""
    return pixels.astype(np.float32 if pixels.dtype.kind == "f" and pixels.dtype.itemsize == 4 else np.float64)


def _channel(image: Image, header: Any, i: int, count: int) -> None:
    """Say in a plane's header which channel of a cube it is, and where that lies on the third axis."""
    if count == 1:
        return
    image.header["CHANNEL"] = (i, "plane of the input cube, from 0")
    step = header.get("CDELT3", header.get("CD3_3"))
    if header.get("NAXIS") == 3 and isinstance(step, int | float) and isinstance(header.get("CRVAL3"), int | float):
        value = header["CRVAL3"] + (i + 1 - header.get("CRPIX3", 1.0)) * step
        image.header["CHANVAL"] = (float(value), f"{header.get('CTYPE3', '')} {header.get('CUNIT3', '')}".strip())


def _own(own: Any, primary: Any) -> Any:
    """Return an extension's header with what it inherits, less cards that cannot be read.

    Coordinates are not inherited: the primary's are those of other pixels. HISTORY and COMMENT of both stay.
    """
    from astropy.io.fits import Header
    from astropy.io.fits.verify import VerifyError

    header = Header()
    for source in (own, primary) if own is not primary else (own,):
        for card in source.copy(strip=True).cards:
            try:
                keyword, value, comment = card.keyword, exact(card), card.comment
                if keyword in ("COMMENT", "HISTORY"):
                    header[keyword] = str(value)
                    continue
                inherited = source is not own and is_coordinate(keyword)
                if keyword and keyword not in header and keyword not in _STRUCTURE and not inherited:
                    header[keyword] = (value, comment)
            except (ValueError, VerifyError):
                continue
    return header


def _electrons(header: Any) -> float | None:
    """Return how many electrons one of BUNIT is: 1, or EXPTIME of a rate; None where the header does not say."""
    unit = re.sub(r"[\s.*]+", "", str(header.get("BUNIT", "")).lower()).replace("-1", "^-1").replace("^^", "^")
    counted = re.match(r"^(electrons?|e-?)(/s(ec)?|s\^-1)?$", unit)
    if not counted:
        return None
    if not counted[2]:
        return 1.0
    seconds = header.get("EXPTIME")
    return float(seconds) if isinstance(seconds, int | float) and seconds > 0 else None


def _pixel_scale(header: Any) -> float | None:
    """Return the square root of a pixel's area in arcsec; None without a celestial WCS."""
    from astropy.wcs.utils import proj_plane_pixel_area

    wcs = celestial(header)
    return None if wcs is None else float(np.sqrt(proj_plane_pixel_area(wcs)) * 3600)
