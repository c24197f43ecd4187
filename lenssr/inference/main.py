"""The command line of ``scripts/upscale.py``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lenssr.errors import ConfigError, DataError
from lenssr.inference.destinations import destinations
from lenssr.system.commands import command
from lenssr.system.files import disk_errors, write_json
from lenssr.system.imports import heavy_imports
from lenssr.system.progress import say

if TYPE_CHECKING:
    from lenssr.data.files.images import Image
    from lenssr.inference.result import Product

__all__ = ["main"]


def main() -> None:
    """Upscale files, write FITS, say what to think of it."""
    parser = argparse.ArgumentParser(
        prog="lenssr-upscale", description="Upscale images with a finished run: FITS, .npy or .h5 in, FITS out."
    )
    parser.add_argument("run", help="folder of a finished run, or an exported one")
    parser.add_argument("images", nargs="+", help="files; several HDUs or planes are several images")
    parser.add_argument("-o", "--to", type=Path, default=Path("."), help="a .fits file, or a folder [%(default)s]")
    parser.add_argument("--html", action="store_true", help="also a page to look at, beside each file")
    parser.add_argument("--picture", type=Path, help="also a PNG of all images")
    parser.add_argument("--draws", type=int, help="from the posterior of a diffusion model [as the run was tested]")
    parser.add_argument(
        "--symmetry",
        action="store_true",
        help="also SYMSPREAD: the spread over the eight turns and mirrors of the input",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that this program did not write, too")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    arguments = parser.parse_args()
    command(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> None:
    with heavy_imports():
        from lenssr.inference.product import write_fits
        from lenssr.inference.upscale import summary, upscale

    picture = arguments.picture
    if picture and picture.suffix.lower() != ".png":
        raise ConfigError(f"--picture {picture} is no .png; the picture is a PNG.")
    images, unreadable = _readable(arguments.images)
    paths = destinations([image.name for image in images], arguments.to, arguments.images, arguments.overwrite)
    products = upscale(arguments.run, images, arguments.device, arguments.draws)
    for product, path in zip(products, paths, strict=True):
        with disk_errors(path):
            write_fits(product, path, arguments.symmetry)
            write_json(path.with_suffix(".json"), summary(product))
            if arguments.html:
                from lenssr.inference.page import write_page

                write_page(product, path.with_suffix(".html"))
        _tell(product, path)
    if arguments.picture:
        from lenssr.inference.picture import write_picture

        write_picture(products, arguments.picture)
    if unreadable:
        raise DataError(f"{unreadable} of {len(arguments.images)} files could not be used; the others are done.")


def _readable(paths: list[str]) -> tuple[list[Image], int]:
    """Return the images of all files that can be read, and how many cannot, which are named.

    Raises:
        DataError: none can be read.
    """
    from lenssr.data.files.images import read

    images: list[Image] = []
    failures: list[str] = []
    names = [Path(path).name for path in paths]
    for path in paths:
        try:
            found = read(path)
        except DataError as error:
            failures.append(str(error))
            continue
        for image in found:
            if names.count(Path(path).name) > 1:  # two files of one name get their folder's
                image.name = f"{Path(path).resolve().parent.name}_{image.name}"
        images += found
    if not images:
        raise DataError("\n".join(failures))
    for failure in failures:
        say(f"left out: {failure}")
    return images, len(failures)


def _tell(product: Product, path: Path) -> None:
    facts = product.facts
    say(
        f"{product.image.name}: chi2 of the degraded image {facts['chi2']:.3f}, the network gave "
        f"{100 * facts['flux_before']:.1f} % of its flux and {facts['flux_correction']:.2f} sigma a pixel were added, "
        f"{100 * facts['added_above_noise']:.0f} % of what was added is above the noise"
    )
    for warning in product.warnings:
        say(f"  note: {warning}")
    print(path)
