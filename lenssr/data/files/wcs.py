"""The keywords that place an image on the sky, on a finer grid: of every description that a header holds.

Whatever maps the input's pixels maps the output's: each alternate (A to Z) of the WCS papers (Greisen & Calabretta
2002, Calabretta & Greisen 2002), the SIP distortion, IRAF's physical coordinates, the plate solutions of the Digitized
Sky Survey. What is held in other extensions, and ranges of pixels, are removed, and that is said.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from lenssr.errors import DataError

__all__ = ["celestial", "check", "coordinates", "exact", "flat", "is_coordinate", "left_behind", "rescaled"]

_ALTERNATES = ["", *map(chr, range(ord("A"), ord("Z") + 1))]
_AXES = re.compile(r"^(CRPIX|CDELT|CRVAL|CTYPE|CUNIT|CROTA|CNAME|CRDER|CSYER|CZPHS|CPERI)(\d+)([A-Z]?)$")
_MATRIX = re.compile(r"^(PC|CD)(\d+)_(\d+)([A-Z]?)$|^(PC|CD)(\d{3})(\d{3})$")
_PARAMETERS = re.compile(r"^(PV|PS)(\d+)_(\d+)([A-Z]?)$|^PROJP\d+$|^WAT\d_\d{3}$")
_SIP = re.compile(r"^(A|B|AP|BP)_(\d+)_(\d+)$")
_PLATE = re.compile(
    r"^(AMD[XY]\d+|PPO\d|CNPIX[12]|[XY]PIXELSZ|PLTRA[HMS]|PLTDEC(SN|[DMS])|PLTSCALE|OBJCT(RA|DEC|[XY])|PLATE\w*)$"
)
# what wcslib takes for a plate solution by any one of them: of an incomplete one it reads memory that is not its own
_SOLUTION = re.compile(r"^(AMD[XY]\d+|PPO\d|CNPIX[12]|[XY]PIXELSZ|PLTRA[HMS]|PLTDEC(SN|[DMS]))$")
_WHOLE_SOLUTION = [
    *(f"{name}{i}" for name in ("AMDX", "AMDY") for i in range(1, 14)),
    *("CNPIX1", "CNPIX2", "XPIXELSZ", "YPIXELSZ", "PPO3", "PPO6", "PLTRAH", "PLTRAM", "PLTRAS"),
    *("PLTDECD", "PLTDECM", "PLTDECS"),
]
_PHYSICAL = re.compile(r"^(LTV)([12])$|^(LTM)([12])_([12])$")
_WORDS = re.compile(
    r"^(WCSAXES|WCSNAME|RADESYS|EQUINOX|LONPOLE|LATPOLE|SPECSYS|SSYSOBS|VELREF|RESTFR[QE]\w*|RESTWAV)[A-Z]?$"
    r"|^(RADECSYS|EPOCH|MJD-OBS|MJDREF|DATE-OBS|(A|B|AP|BP)_ORDER|[AB]_DMAX)$"
)
# distortions tabulated elsewhere, and ranges of pixels: they cannot follow
_ELSEWHERE = re.compile(
    r"^(C[PQ](DIS|ERR)\d+[A-Z]?|D[PQ]\d.*|DVERR\d*[A-Z]?|D2IM.*|AXISCORR|WCSDVARR|NPOLEXT|D2IMFILE|NPOLFILE)$"
)
_ON_SKY = re.compile(r"^(RA--|DEC-|.LON|.LAT|..LN|..LT)-")
_STRING = re.compile(r"^WAT\d_\d{3} *= *'((?:[^']|'')*)'")
_RANGES = re.compile(r"^(DATA|TRIM|BIAS|CCD|DET|AMP|ORIG|PRE|POST|STAT)\w?SEC\w*$|^(DATAXY|CENTERA?[12]|SIZAXIS[12])$")


def check(header: Any, where: str) -> None:
    """Refuse coordinates that are no numbers, which would place the image nowhere.

    Raises:
        DataError: a keyword of the coordinates has another value.
    """
    for key in header:
        axes = _AXES.match(key)
        numeric = axes[1] not in ("CTYPE", "CUNIT", "CNAME") if axes else False
        numeric = numeric or any(p.match(key) for p in (_MATRIX, _SIP, _PHYSICAL))
        if (numeric or key.startswith(("LONPOLE", "LATPOLE"))) and not _finite(header[key]):
            raise DataError(f"{where}: {key}={header[key]!r} in the header is not a number; mend or remove it.")


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def is_coordinate(key: str) -> bool:
    """Whether a keyword places pixels."""
    return any(p.match(key) for p in (_AXES, _MATRIX, _PARAMETERS, _SIP, _PLATE, _PHYSICAL, _WORDS, _ELSEWHERE))


def coordinates(header: Any) -> dict[str, Any]:
    """Return the keywords that place an image's pixels, but for those that point into other extensions."""
    lost = _lost(header)
    return {
        card.keyword: exact(card) for card in header.cards if is_coordinate(card.keyword) and card.keyword not in lost
    }


def exact(card: Any) -> Any:
    """Return a card's value, with the blanks that end a piece of an IRAF string: the next piece goes on from there."""
    piece = _STRING.match(str(card))
    return piece[1].replace("''", "'") if piece else card.value


def celestial(header: Any) -> Any:
    """Return astropy's WCS of the sky of a header; None where it has none that can be used.

    Only what places pixels is shown to the library, which refuses, or breaks at, what lacks its other half.
    """
    import warnings

    from astropy.io.fits import Header
    from astropy.wcs import WCS

    if header is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            wcs = WCS(Header(coordinates(header))).celestial
        except Exception:  # wcslib refuses in many ways; the image stands without
            return None
    return wcs if wcs.has_celestial else None


def flat(header: Any) -> Any:
    """Return a header whose coordinates are those of the first two axes alone, as a plane of a cube has them."""
    new = header.copy(strip=True)
    for key in list(new):
        axes, matrix, parameter = _AXES.match(key), _MATRIX.match(key), _PARAMETERS.match(key)
        numbers = [axes[2]] if axes else []
        if matrix:
            numbers = [matrix[2], matrix[3]] if matrix[1] else [matrix[6], matrix[7]]
        elif parameter and parameter[2]:
            numbers = [parameter[2]]
        if any(int(number) > 2 for number in numbers):
            del new[key]
        elif key.startswith("WCSAXES"):
            new[key] = 2
    return new


def left_behind(header: Any) -> list[str]:
    """Return the keywords that cannot follow to other pixels: they refer to other extensions or to ranges of pixels."""
    return sorted(_lost(header) | {key for key in header if _RANGES.match(key)})


def _lost(header: Any) -> set[str]:
    """Return keywords that place pixels by what a header lacks: an extension, an axis, the rest of a plate solution."""
    lost = {key for key in header if _ELSEWHERE.match(key)}
    solution = {key for key in header if _SOLUTION.match(key)}
    numbers = [header[key] for key in solution if key != "PLTDECSN"]
    if not {*_WHOLE_SOLUTION, "PLTDECSN"} <= solution or not all(_finite(number) for number in numbers):
        lost |= solution
    for alternate in _ALTERNATES:
        kinds = [str(header.get(f"CTYPE{axis}{alternate}", "")) for axis in (1, 2)]
        one_of_two = sum(bool(_ON_SKY.match(kind)) for kind in kinds) == 1
        if one_of_two or any(kind.rstrip().endswith("-TAB") for kind in kinds):
            own = (m for key in header for p in (_AXES, _MATRIX, _PARAMETERS) if (m := p.match(key)))
            lost |= {m[0] for m in own if alternate == _alternate(m)}
    return lost


def _alternate(keyword: re.Match[str]) -> str:
    """Return the letter of the description that a keyword is of; none is the primary one."""
    return next((group for group in reversed(keyword.groups()) if group and group.isalpha() and len(group) == 1), "")


def rescaled(header: Any, scale: int) -> Any:
    """Return a FITS header for pixels ``scale`` times smaller along a side, without what cannot follow.

    A pixel's centre p lies at (p - 0.5) scale + 0.5 of the new grid (FITS counts from 1, pixel edges are at 0.5), so
    reference pixels move with it and what multiplies pixels is divided by the scale; the SIP coefficient A_pq of a
    distortion in pixels becomes A_pq scale^(1 - p - q).
    """
    new = header.copy(strip=True)
    for key in left_behind(new):
        del new[key]
    for alternate in _ALTERNATES:
        _linear(new, alternate, scale)
    for key in list(new):
        sip = _SIP.match(key)
        if sip:
            new[key] = float(new[key]) * scale ** (1 - int(sip[2]) - int(sip[3]))
        elif key in ("A_DMAX", "B_DMAX") and _finite(new[key]):
            new[key] = float(new[key]) * scale
    _plate(new, scale)
    _physical(new, scale)
    return new


def _linear(header: Any, alternate: str, scale: int) -> None:
    """Rescale the linear part of one description, in place."""
    own = [key for key in header if (m := _AXES.match(key)) and m[3] == alternate]
    matrices = {key: m for key in header if (m := _MATRIX.match(key)) and (m[4] or "") == alternate}
    if not own and not matrices:
        return
    for axis in (1, 2):
        key = f"CRPIX{axis}{alternate}"
        header[key] = (float(header.get(key, 0.0)) - 0.5) * scale + 0.5
    kinds = {m[1] or m[5] for m in matrices.values()}
    distorted = _distorted(header, alternate)
    if distorted and "CD" not in kinds:
        matrices = _whole_matrix(header, alternate, bool(kinds))
    for key, m in matrices.items():
        # a CD matrix multiplies pixels alone; PC does so together with CDELT, which is rescaled instead
        if ((m[1] or m[5]) == "CD" or distorted) and int(m[3] or m[7]) <= 2:
            header[key] = float(header[key]) / scale
    for axis in (1, 2):
        key = f"CDELT{axis}{alternate}"
        if not distorted and (key in header or kinds != {"CD"}):
            header[key] = float(header.get(key, 1.0)) / scale


def _distorted(header: Any, alternate: str) -> bool:
    """Whether a distortion stands between matrix and CDELT, as wcslib applies TPV, TNX and ZPX: CDELT must stay."""
    kinds = {str(header.get(f"CTYPE{axis}{alternate}", "")).strip()[-4:] for axis in (1, 2)}
    many = any((m := _PARAMETERS.match(key)) and m[1] == "PV" and m[4] == alternate and m[2] for key in header)
    return bool(kinds & {"-TPV", "-TNX", "-ZPX", "-TPD"}) or ("-TAN" in kinds and many)


def _whole_matrix(header: Any, alternate: str, given: bool) -> dict[str, Any]:
    """Write every element of the PC matrix, of CROTA where none is given, and return its keywords as matched.

    CROTA is the latitude's (Calabretta & Greisen 2002, section 6.1): PC = cos, -sin L; sin / L, cos with L the ratio
    of the latitude's CDELT to the longitude's.
    """
    lat = 1 if re.match("DEC|.?LAT", str(header.get(f"CTYPE1{alternate}", ""))) else 2
    lng = 3 - lat
    turn = 0.0 if given or alternate else np.deg2rad(float(header.get(f"CROTA{lat}", 0.0)))
    ratio = float(header.get(f"CDELT{lat}{alternate}", 1.0)) / float(header.get(f"CDELT{lng}{alternate}", 1.0))
    values = {(lng, lng): np.cos(turn), (lat, lat): np.cos(turn)}
    values |= {(lng, lat): -np.sin(turn) * ratio, (lat, lng): np.sin(turn) / ratio}
    matrices: dict[str, Any] = {}
    for (i, j), value in values.items():
        key = f"PC{i}_{j}{alternate}"
        old = f"PC{i:03d}{j:03d}"
        header[key] = float(header.pop(old, value) if not alternate and old in header else header.get(key, value))
        matrices[key] = _MATRIX.match(key)
    for key in ("CROTA1", "CROTA2") if not alternate else ():
        header.pop(key, None)
    return matrices


def _plate(header: Any, scale: int) -> None:
    """Rescale a plate solution: its pixels count from the plate's corner, CNPIX before the image's own."""
    for axis, name in ((1, "X"), (2, "Y")):
        if f"{name}PIXELSZ" in header:
            header[f"{name}PIXELSZ"] = float(header[f"{name}PIXELSZ"]) / scale
            header[f"CNPIX{axis}"] = float(header.get(f"CNPIX{axis}", 0.0)) * scale


def _physical(header: Any, scale: int) -> None:
    """Rescale IRAF's physical coordinates: image = LTM physical + LTV."""
    known = [m for key in header if (m := _PHYSICAL.match(key))]
    if not known:
        return
    for axis in (1, 2):
        key = f"LTV{axis}"
        header[key] = (float(header.get(key, 0.0)) - 0.5) * scale + 0.5
        for other in (1, 2):
            key = f"LTM{axis}_{other}"
            if key in header or axis == other:
                header[key] = float(header.get(key, float(axis == other))) * scale
