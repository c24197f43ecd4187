"""Stamps out of mosaics, at the positions of a list."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lenssr.data.files.image import Image
from lenssr.data.files.wcs import celestial
from lenssr.errors import ConfigError, DataError

__all__ = ["Position", "Stamps", "read_catalogue", "size_of"]

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


class Stamps(Collection[Image]):
    """A stamp of every image at every position that lies on it, cut out when its turn comes; the header follows.

    A stamp that reaches beyond the mosaic has NaN there, one that the mosaic covers by less than half is left out.

    Args:
        images: mosaics with coordinates.
        positions: on the sky.
        size: side, an angle or pixels.
        where: what the mosaics are called in a message.

    Raises:
        DataError: no position lies on any image, or no image has coordinates.
    """

    def __init__(self, images: Sequence[Image], positions: Sequence[Position], size: Any, where: str) -> None:
        self.size = size
        self.places = list(_places(images, positions, size))
        if not self.places:
            raise DataError(f"None of the {len(positions)} positions lies on {where}.")

    def __len__(self) -> int:
        return len(self.places)

    def __contains__(self, one: object) -> bool:
        return any(one is image for image in self)

    def __iter__(self) -> Iterator[Image]:
        for image, wcs, middle, name in self.places:
            yield _stamp(image, _cut(image.data, middle, self.size, wcs), name)


def _places(
    images: Sequence[Image], positions: Sequence[Position], size: Any
) -> Iterator[tuple[Image, Any, tuple[float, float], str]]:
    """Yield the image, its coordinates, the pixel and the name of each stamp."""
    from astropy.coordinates import SkyCoord

    sky = SkyCoord([p.ra for p in positions], [p.dec for p in positions], unit="deg")
    for image in images:
        wcs = celestial(image.header)
        if wcs is None:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            x, y = wcs.world_to_pixel(sky)
        height, width = image.data.shape
        for i in np.flatnonzero((x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)):
            middle = float(x[i]), float(y[i])
            if np.isfinite(_cut(image.data, middle, size, wcs).data).mean() >= _KNOWN:
                yield image, wcs, middle, positions[int(i)].name


def _cut(data: np.ndarray, middle: tuple[float, float], size: Any, wcs: Any = None) -> Any:
    from astropy.nddata import Cutout2D

    return Cutout2D(data, middle, size, wcs=wcs, mode="partial", fill_value=np.nan, copy=True)


def _stamp(image: Image, cut: Any, name: str) -> Image:
    left, low = cut.origin_original[0] - cut.origin_cutout[0], cut.origin_original[1] - cut.origin_cutout[1]
    header = image.header.copy()
    for key in list(header):
        known = _SHIFTED.match(key)
        if known and isinstance(header[key], int | float):
            shift = left if known["axis"] == "1" else low
            header[key] += shift if known["key"] == "CNPIX" else -shift
    stamp = Image(f"{image.name}_{name}", cut.data, None, header, image.pixel_scale, image.electrons)
    for kind in ("rms", "background", "electrons"):
        whole = getattr(image, kind)
        if isinstance(whole, np.ndarray):
            setattr(stamp, kind, _cut(whole, cut.input_position_original, cut.data.shape).data)
    stamp.notes = list(image.notes)
    return stamp
