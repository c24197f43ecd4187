"""The keywords that place an image on the sky, on a finer grid."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from lenssr.errors import DataError

__all__ = ["check", "coordinates", "rescaled"]

_SIP = re.compile(r"^(A|B|AP|BP)_(\d)_(\d)$")
_NUMBERS = re.compile(
    r"^(CRPIX|CRVAL|CDELT|CROTA)[12]$|^(CD|PC)[12]_[12]$|^(A|B|AP|BP)_(ORDER|\d_\d)$|^LONPOLE$|^LATPOLE$"
)
_WORDS = re.compile(r"^(CTYPE|CUNIT)[12]$|^RADESYS$|^EQUINOX$")


def check(header: Any, where: str) -> None:
    """Refuse coordinates that are no numbers, which would place the image nowhere.

    Raises:
        DataError: a keyword of the coordinates has another value.
    """
    for key in header:
        if _NUMBERS.match(key) and not _finite(header[key]):
            raise DataError(f"{where}: {key}={header[key]!r} in the header is not a number; mend or remove it.")


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def rescaled(header: Any, scale: int) -> Any:
    """Return a FITS header for pixels ``scale`` times smaller along a side: every sky position stays where it was.

    A pixel's centre p lies at (p - 0.5) scale + 0.5 of the new grid (FITS counts from 1, pixel edges are at 0.5); the
    SIP coefficient A_pq of a distortion in pixels becomes A_pq scale^(1 - p - q).
    """
    new = header.copy(strip=True)
    for axis in (1, 2):
        if f"CRPIX{axis}" in new:
            new[f"CRPIX{axis}"] = (float(new[f"CRPIX{axis}"]) - 0.5) * scale + 0.5
    matrix = [f"CD{i}_{j}" for i in (1, 2) for j in (1, 2) if f"CD{i}_{j}" in new]
    if matrix:
        for key in matrix:
            new[key] = float(new[key]) / scale
    elif any(key in new for key in ("CRPIX1", "CTYPE1", "CDELT1")):
        for axis in (1, 2):
            new[f"CDELT{axis}"] = float(new.get(f"CDELT{axis}", 1.0)) / scale
    for key in list(new):
        found = _SIP.match(key)
        if found:
            new[key] = float(new[key]) * scale ** (1 - int(found[2]) - int(found[3]))
    return new


def coordinates(header: Any) -> dict[str, Any]:
    """Return the keywords of the first two axes' coordinates."""
    return {key: header[key] for key in header if _NUMBERS.match(key) or _WORDS.match(key)}
