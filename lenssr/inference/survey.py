"""Many files through a network: read ahead, upscaled by the batch, each written as it is ready, and gone on with.

What is held at a time is a few images, whatever the number of files. A product's ``.json`` says of which run, settings
and pixels it is; a product that is whole and of the same is not made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from lenssr.data.files.images import Image
from lenssr.data.files.wcs import celestial
from lenssr.errors import ConfigError
from lenssr.inference.destinations import Folder
from lenssr.inference.network import Network
from lenssr.inference.product import write_fits
from lenssr.inference.result import Product
from lenssr.inference.stream import Input, Item, ahead, items
from lenssr.inference.upscale import products
from lenssr.system.files import disk_errors, write_json
from lenssr.system.memory import give_back
from lenssr.system.progress import say, track
from lenssr.system.version import __version__

__all__ = ["FEW", "Outcome", "position", "settings_of", "survey"]

FEW = 12  # files that get a page each, and words on the console; more share an index
_TIDY = 128  # products after which freed memory is given back


@dataclass
class Outcome:
    """What became of the files.

    Attributes:
        paths: of the products, in the order of the images.
        failures: a sentence for each file that could not be used.
        made: products that this command made; the others were there.
        shown: the products themselves, where pictures of them are wanted.
    """

    paths: list[Path] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    made: int = 0
    shown: list[Product] = field(default_factory=list)


def settings_of(network: Network) -> str:
    """Return what decides a product beside its input."""
    draws = network.task.draws if network.posterior else None
    asked = json.dumps([__version__, network.hash, draws, network.symmetry])
    return hashlib.blake2b(asked.encode(), digest_size=16).hexdigest()


def survey(
    network: Network,
    inputs: Sequence[Input],
    read: Callable[[Path], Collection[Image]],
    folder: Folder,
    pages: bool = False,
    picture: bool = False,
) -> Outcome:
    """Upscale files and write their products.

    Args:
        network: that does it.
        inputs: the files.
        read: returns the images of one.
        folder: where products go; its ``check`` comes first, before a network is loaded.
        pages: write a page beside each.
        picture: keep the products, which then have to fit into memory.

    Raises:
        DataError: none can be used.
        ConfigError: a file that is not ours, or an input, would be written over.
    """
    outcome = Outcome()
    beside = (".html",) if pages else ()
    with track(f"upscaling with {network.name}", len(inputs), "files") as advance:
        going: dict[int, Item] = {}
        numbers = count()

        def told(number: int, part: float, note: str) -> None:
            advance(part * going[number].share, note)

        def images() -> Iterator[Image]:
            settings = settings_of(network)
            for item in ahead(items(inputs, read, settings, outcome.failures)):
                path = _place(folder, item, outcome)
                if not picture and folder.done(path, item.key, beside):
                    advance(item.share, item.name)
                    continue
                going[next(numbers)] = item
                yield item.image

        for number, product in products(network, images(), told):
            item = going.pop(number)
            outcome.made += 1
            if outcome.made % _TIDY == 0:
                give_back()
            path = folder.path(item.name)
            _write(product, item, path, pages)
            if picture:
                outcome.shown.append(product)
            if len(inputs) <= FEW:
                _tell(product, path)
    return outcome


def _place(folder: Folder, item: Item, outcome: Outcome) -> Path:
    path = folder.path(item.name)
    if folder.single and outcome.paths:
        raise ConfigError(f"Several images do not fit into {path}; give a folder with -o.")
    outcome.paths.append(path)
    return path


def _write(product: Product, item: Item, path: Path, page: bool) -> None:
    """Write a product and, last, what says that it is whole."""
    with disk_errors(path):
        write_fits(product, path)
        if page:
            from lenssr.inference.page import write_page

            write_page(product, path.with_suffix(".html"))
        write_json(path.with_suffix(".json"), _about(product, item, path))


def _about(product: Product, item: Item, path: Path) -> dict[str, Any]:
    """Return what a product is, as plain values for JSON."""
    network = product.network
    return {
        "image": product.image.name, "file": item.source.name, "run": network.hash, "model": network.name,
        "scale": product.scale, "err": product.spread, **position(product.image), "facts": product.facts,
        "warnings": product.warnings, "key": item.key, "bytes": path.stat().st_size,
    }  # fmt: skip


def position(image: Image) -> dict[str, float | None]:
    """Return where the middle of an image lies, degrees; None where its file does not say."""
    nowhere: dict[str, float | None] = {"ra": None, "dec": None}
    wcs = celestial(image.header)
    if wcs is None:
        return nowhere
    middle = [(n - 1) / 2 for n in reversed(image.data.shape)]
    try:
        if wcs.wcs.lngtyp == "RA" and wcs.wcs.radesys.strip() in ("", "ICRS"):  # no frame to leave: much sooner
            ra, dec = wcs.all_pix2world([middle], 0)[0]
            return {"ra": float(ra), "dec": float(dec)}
        place = wcs.pixel_to_world(*middle).icrs
        return {"ra": float(place.ra.deg), "dec": float(place.dec.deg)}
    except Exception:  # a frame that nobody knows, or a place off the sky
        return nowhere


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
