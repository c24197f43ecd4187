"""How files are read: as they say themselves, as somebody chose, or as stamps at the places of a list."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection
from pathlib import Path

from lenssr.data.files.choice import Choice
from lenssr.data.files.images import Image, read
from lenssr.errors import ConfigError

__all__ = ["options", "reader"]


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a command that :func:`reader` understands."""
    parser.add_argument("--image", help="the HDU that is the image, as SCI, SCI,2 or 1 [as the file says]")
    parser.add_argument("--noise", help="the HDU of its standard deviation, or a file, as rms.fits or rms.fits[ERR]")
    parser.add_argument("--mask", help="likewise, of its mask: what is not 0 is bad")
    parser.add_argument(
        "--catalogue", type=Path, help="CSV of positions (ra, dec in degrees; id): stamps of each image"
    )
    parser.add_argument("--size", default="10arcsec", help="side of the stamps, as 10arcsec or 64pix [%(default)s]")


def reader(arguments: argparse.Namespace) -> Callable[[Path], Collection[Image]]:
    """Return what reads a file, by ``--image``, ``--noise``, ``--mask``, ``--catalogue`` and ``--size``.

    Raises:
        ConfigError: the catalogue or the size cannot be understood.
    """
    choice = Choice(arguments.image, arguments.noise, arguments.mask)

    def whole(path: Path) -> list[Image]:
        return read(path, choice)

    if arguments.catalogue is None:
        return whole
    from lenssr.data.files.catalogue import Stamps, read_catalogue, size_of

    positions, size = read_catalogue(arguments.catalogue), size_of(arguments.size)
    if not positions:
        raise ConfigError(f"{arguments.catalogue} holds no position.")
    return lambda path: Stamps(whole(path), positions, size, str(path))
