"""Stamps out of mosaics, at the positions of a list."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lenssr.data.files.image import Image
from lenssr.data.files.wcs import celestial
from lenssr.errors import ConfigError, DataError

__all__ = ["Position", "read_catalogue", "size_of", "stamps"]

_RA = ("ra", "ra_deg", "raj2000", "ra_j2000", "alpha_j2000", "right_ascension", "_ra")
_DEC = ("dec", "dec_deg", "decj2000", "dej2000", "dec_j2000", "delta_j2000", "declination", "_dec")
_ID = ("id", "name", "object_id", "objid", "source_id", "number")
_KNOWN = 0.5  # of a stamp's pixels, that the mosaic must have
_SHIFTED = re.compile(r"^(?P<key>CRPIX|LTV|CNPIX)(?P<axis>[12])(?P<other>[A-Z]?)$")


@dataclass(frozen=True)
class Position:
    """A place on the sky, degrees (ICRS), and what it is called."""

    name: str
    ra: float
    dec: float


def read_catalogue(path: Path) -> list[Position]:
    """Return the positions of a CSV file with the columns ra and dec, and id if it has one.

    Raises:
        ConfigError: it cannot be read, has no such columns, or a position that is none.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, comment="#", skipinitialspace=True)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as a table: {str(error).splitlines()[0]}") from error
    columns = {str(name).strip().lower(): name for name in table.columns}
    ra, dec, name = (next((columns[word] for word in words if word in columns), None) for words in (_RA, _DEC, _ID))
    if ra is None or dec is None:
        raise ConfigError(f"{path} has no columns ra and dec (degrees); it has {', '.join(map(str, table.columns))}.")
    names = table[name] if name is not None else range(1, len(table) + 1)
    found = []
    for label, x, y in zip(names, table[ra], table[dec], strict=True):
        try:
            place = Position(str(label), float(x), float(y))
        except ValueError:
            raise ConfigError(f"{path}: '{x}, {y}' is no position; ra and dec are degrees.") from None
        if not (np.isfinite(place.ra) and abs(place.dec) <= 90):
            raise ConfigError(f"{path}: '{x}, {y}' is no position; ra and dec are degrees.")
        found.append(place)
    return found


def size_of(text: str) -> Any:
    """Return a stamp's side, an angle or a whole number of pixels, from words as ``10arcsec`` or ``64pix``.

    Raises:
        ConfigError: it is neither.
    """
    from astropy import units

    try:
        size = units.Quantity(text)
        if size.unit == units.pixel or size.unit.is_equivalent(units.dimensionless_unscaled):
            size = size.value * units.pixel
        elif not size.unit.is_equivalent(units.arcsec):
            raise ValueError
        if not size.value > 0:
            raise ValueError
    except (TypeError, ValueError):
        raise ConfigError(f"--size {text} is no size; give an angle as 10arcsec, or pixels as 64pix.") from None
    return size


def stamps(images: Sequence[Image], positions: Sequence[Position], size: Any, where: str) -> Iterator[Image]:
    """Yield a stamp of every image at every position that lies on it; the header follows.

    A stamp that reaches beyond the mosaic has NaN there, one that the mosaic covers by less than half is left out.

    Raises:
        DataError: no position lies on any image, or no image has coordinates.
    """
    from astropy.coordinates import SkyCoord
    from astropy.nddata import Cutout2D, NoOverlapError

    sky = SkyCoord([p.ra for p in positions], [p.dec for p in positions], unit="deg")
    count = 0
    for image in images:
        wcs = celestial(image.header)
        if wcs is None:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            x, y = wcs.world_to_pixel(sky)
        height, width = image.data.shape
        for i in np.flatnonzero((x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)):
            try:
                cut = Cutout2D(image.data, (x[i], y[i]), size, wcs=wcs, mode="partial", fill_value=np.nan, copy=True)
            except NoOverlapError:
                continue
            if np.isfinite(cut.data).mean() >= _KNOWN:
                count += 1
                yield _stamp(image, cut, positions[int(i)].name)
    if not count:
        raise DataError(f"None of the {len(positions)} positions lies on {where}.")


def _stamp(image: Image, cut: Any, name: str) -> Image:
    from astropy.nddata import Cutout2D

    left, low = cut.origin_original[0] - cut.origin_cutout[0], cut.origin_original[1] - cut.origin_cutout[1]
    header = image.header.copy()
    for key in list(header):
        known = _SHIFTED.match(key)
        if known and isinstance(header[key], int | float):
            shift = left if known["axis"] == "1" else low
            header[key] += shift if known["key"] == "CNPIX" else -shift
    stamp = Image(f"{image.name}_{name}", cut.data, None, header, image.pixel_scale, image.electrons)
    if image.rms is not None:
        middle = cut.input_position_original
        stamp.rms = Cutout2D(image.rms, middle, cut.data.shape, mode="partial", fill_value=np.nan, copy=True).data
    stamp.notes = list(image.notes)
    return stamp
