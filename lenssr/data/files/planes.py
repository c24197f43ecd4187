"""Which plane of a file is the image, which its noise, which its mask: by the names that observatories use.

| files of | image | noise | mask |
|---|---|---|---|
| HST (drizzled, flt) | SCI, 1, 2 ... | ERR of the same number | DQ of the same number; WHT and CTX are not used |
| JWST (i2d, cal) | SCI | ERR | DQ, bit 1; CON, WHT, VAR_* are not used |
| Euclid (stamps, mosaics) | <BAND>_FLUX or the primary | <BAND>_RMS, RMS | <BAND>_FLAG, FLAG; <BAND>_PSF is not used |
| Rubin, HSC (LSST stack) | IMAGE | VARIANCE, its square root | MASK, planes MP_BAD, MP_NO_DATA, MP_SAT |
| DECam, Legacy Surveys | the primary, CCD names | INVVAR, IVAR, 1 / square root | MASKBITS, DQ |
| SDSS | the primary | IVAR | MASK |
| KiDS, SWarp | the primary | RMS; WEIGHT is not used | FLAG |

A keyword EXTTYPE (IMAGE, VARIANCE, MASK) says it for any name. Noise and mask belong to the image of the same prefix
and number (EXTVER), else to the one before them, else to the only one of their shape.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Plane", "bad_pixels", "belonging", "deviation", "planes_of", "role"]

_ROLES = {
    "sigma": "ERR ERROR ERRORS RMS SIGMA SIG NOISE STD STDEV STDDEV UNCERT UNCERTAINTY UNC RMSMAP NOISEMAP ERRMAP",
    "variance": "VAR VARIANCE VARMAP",
    "inverse": "IVAR INVVAR INVVARIANCE IVARMAP INVVARMAP",
    "mask": "MASK MSK DQ FLAG FLAGS BPM QUALITY MASKBITS DQARR BADPIX",
    "other": (
        "PSF KERNEL CON CTX CONTEXT WHT WEIGHT WGT EXP EXPTIME EXPMAP EXPOSURE NEXP NIMAGE HITS COVERAGE COV SEG SEGM "
        "SEGMENTATION BKG BACKGROUND MODEL AREA WCSDVARR D2IMARR WAVELENGTH SAMP TIME PATHLOSS PRIMASK"
    ),
}
_BY_WORD = {word: kind for kind, words in _ROLES.items() for word in words.split()}
_IMAGE = {"SCI", "FLUX", "IMAGE", "IMG", "DATA", "SCIENCE", "INTENSITY"}
_LSST_BAD = ("BAD", "NO_DATA", "SAT")
_MOST_BAD = 0.5  # of an image: a mask of more marks something else than bad pixels


@dataclass
class Plane:
    """One extension with pixels.

    Attributes:
        name: EXTNAME in capitals; empty without one.
        version: EXTVER.
        number: of the extension.
        pixels: (P, H, W).
        header: its own.
        kind: ``image``, ``sigma``, ``variance``, ``inverse``, ``mask`` or ``other``.
        prefix: what stands before the word that says the kind, as the band in VIS_RMS.
        everyones: whether somebody chose it for every image.
    """

    name: str
    version: int
    number: int
    pixels: np.ndarray
    header: Any
    kind: str
    prefix: str
    everyones: bool = False


def role(name: str, exttype: str = "") -> tuple[str, str]:
    """Return the kind of a plane and the prefix of its name, by EXTTYPE or by its name."""
    word = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")
    told = re.sub(r"[^A-Z0-9]+", "_", exttype.upper()).strip("_")
    if told in _BY_WORD or told in _IMAGE:
        return _BY_WORD.get(told, "image"), ""
    if word in _BY_WORD or word in _IMAGE or not word:
        return _BY_WORD.get(word, "image"), ""
    tokens = word.split("_")
    joined = "".join(tokens[-2:])
    if len(tokens) > 1 and joined in _BY_WORD:  # NOISE_MAP
        return _BY_WORD[joined], "_".join(tokens[:-2])
    if tokens[0] in ("VAR", "VARIANCE"):  # VAR_POISSON: a part of the variance
        return "other", ""
    for place in (len(tokens) - 1, 0):
        if tokens[place] in _BY_WORD or tokens[place] in _IMAGE:
            rest = "_".join(token for i, token in enumerate(tokens) if i != place)
            return _BY_WORD.get(tokens[place], "image"), rest
    return "image", word


def planes_of(hdus: Any) -> tuple[list[Plane], list[str]]:
    """Return the planes of an open file, each with its role, and what is to be said of them."""
    planes, notes = [], []
    for number, hdu in enumerate(hdus):
        if not hdu.is_image or hdu.data is None or hdu.data.ndim < 2:
            continue
        name = str(hdu.name or "").upper() if number or hdu.name != "PRIMARY" else ""
        kind, prefix = role(name, str(hdu.header.get("EXTTYPE", "")))
        pixels = _blanked(hdu).reshape(-1, *hdu.data.shape[-2:])
        version = hdu.ver if isinstance(hdu.ver, int) else 1
        planes.append(Plane(name, version, number, pixels, hdu.header, kind, prefix))
    if planes and not any(plane.kind == "image" for plane in planes):
        planes[0].kind = "image"  # a file of one plane whose name says noise or weight: it is what was asked for
        notes.append(f"{planes[0].name} is taken for the image, since no other plane is one")
    return planes, notes


def _blanked(hdu: Any) -> np.ndarray:
    """Return pixels, NaN where BLANK says that there is none; astropy leaves it in where integers are unsigned."""
    data = np.asarray(hdu.data)
    blank = hdu._orig_blank if getattr(hdu, "_orig_blank", None) is not None else hdu.header.get("BLANK")
    if data.dtype.kind in "iu" and isinstance(blank, int):
        zero = float(getattr(hdu, "_orig_bzero", 0) or 0)
        factor = float(getattr(hdu, "_orig_bscale", 1) or 1)
        return np.where(data == blank * factor + zero, np.nan, data.astype(np.float64))
    return data


def belonging(image: Plane, planes: list[Plane], kinds: tuple[str, ...]) -> Plane | None:
    """Return the noise or the mask of an image; None where none is told to be its.

    Of several candidates the first kind that is there counts: a standard deviation before a variance.
    """
    images = [plane for plane in planes if plane.kind == "image"]
    for plane in planes:
        if plane.everyones and plane.kind in kinds and plane.pixels.shape[-2:] == image.pixels.shape[-2:]:
            return plane
    for kind in kinds:
        known = [plane for plane in planes if plane.kind == kind and plane.pixels.shape[-2:] == image.pixels.shape[-2:]]
        for test in (_same_name, _same_version, _follows, _alone):
            found = [plane for plane in known if test(plane, image, images, known)]
            if found:
                return found[0]
    return None


def _same_name(plane: Plane, image: Plane, images: list[Plane], known: list[Plane]) -> bool:
    return bool(plane.prefix) and plane.prefix == image.prefix and plane.version == image.version


def _same_version(plane: Plane, image: Plane, images: list[Plane], known: list[Plane]) -> bool:
    """Whether numbers tell the images apart, and this is its."""
    numbers = [other.version for other in images]
    return len(set(numbers)) == len(numbers) and plane.version == image.version and not plane.prefix


def _follows(plane: Plane, image: Plane, images: list[Plane], known: list[Plane]) -> bool:
    """Whether this image is the last one before the plane."""
    before = [other for other in images if other.number < plane.number]
    return len(images) > 1 and bool(before) and before[-1] is image and not plane.prefix


def _alone(plane: Plane, image: Plane, images: list[Plane], known: list[Plane]) -> bool:
    return len(images) == 1 and len(known) == 1


def deviation(plane: Plane) -> np.ndarray:
    """Return the standard deviation that a plane tells, float64 (P, H, W), NaN where it tells none."""
    with np.errstate(all="ignore"):
        values = plane.pixels.astype(np.float64)
        if plane.kind == "variance":
            values = np.sqrt(values)
        elif plane.kind == "inverse":
            values = 1 / np.sqrt(values)
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)


def bad_pixels(plane: Plane) -> tuple[np.ndarray, str]:
    """Return which pixels a mask calls bad, (P, H, W), and what is to be said of it."""
    values = (
        plane.pixels.astype(np.int64, copy=False)
        if plane.pixels.dtype.kind in "iub"
        else np.rint(np.nan_to_num(plane.pixels)).astype(np.int64)
    )
    planes = {key[3:]: int(value) for key, value in plane.header.items() if key.startswith("MP_")}
    if planes:
        bits = sum(1 << number for name, number in planes.items() if name in _LSST_BAD)
    elif str(plane.header.get("TELESCOP", "")).upper() == "JWST":
        bits = 1  # DO_NOT_USE
    else:
        bits = -1
    bad = (values & bits) != 0
    if bad.mean() > _MOST_BAD:
        note = f"its mask {plane.name} marks {100 * bad.mean():.0f} % of the pixels and was not used"
        return np.zeros_like(bad), note
    return bad, ""
