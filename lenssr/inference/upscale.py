"""An observed image through a trained network, and back to flux.

The network saw flux in units of its training set, at one noise level. A foreign image is brought there by an affine
map, x = (d - sky) * gain: the sky is its clipped median, the gain makes its noise the one that the network was trained
on (or its peak, where training had many noise levels). The map is inverted afterwards. Smooth light is then taken from
the input, which measures it better than a network guesses it, so that flux is conserved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lenssr.data.files.images import Image, filled, from_array, read
from lenssr.data.files.wcs import left_behind
from lenssr.errors import DataError
from lenssr.inference.correct import add_missed, binned, degraded, enlarged_rows, unclipped
from lenssr.inference.level import shared_of, sky_of
from lenssr.inference.network import Network, Seen
from lenssr.inference.planes import empty, forget, strips
from lenssr.inference.result import Product
from lenssr.inference.scores import scores
from lenssr.inference.tiles import TILE, banded, tiles
from lenssr.system.progress import track

__all__ = ["FITTING", "opened", "products", "upscale"]

Advance = Callable[[int, float, str], None]
FITTING = (0.8, 1.2)  # reduced chi-squared that needs no word
_WITHOUT = (
    "the run tells no uncertainty, so there is no ERR: train with model.predict_variance=true, or use a model that "
    "draws"
)
_TOGETHER = 8  # small images of one size that a network sees at once
_WAITING = 32  # images of whatever size that wait for others of their size
_HIGH = 1e4  # a sky over its noise which float32 does not hold with it
_BELOW = 1.0  # of an input pixel's noise, by which an image may fall below the sky
_NOISELESS = 1e-3  # of the peak, where no noise can be measured


def upscale(
    run: str | Path,
    inputs: str | Path | np.ndarray | Image | Sequence[str | Path | np.ndarray | Image],
    device: str = "auto",
    draws: int | None = None,
    symmetry: bool = False,
) -> list[Product]:
    """Apply a finished run to images of any size.

    Args:
        run: its folder, or an exported one.
        inputs: files (see :func:`lenssr.data.files.images.read`), arrays (H, W) of flux per pixel, or both.
        device: ``auto``, ``cpu`` or ``cuda``.
        draws: of a model that draws from posteriors; None for the run's own number.
        symmetry: take the mean over the eight turns and mirrors of the input, and tell the spread over them.

    Raises:
        LensSRError: the run or an image cannot be used.
    """
    network = opened(run, device, draws, symmetry)
    entries: Sequence[Any] = [inputs] if isinstance(inputs, str | Path | np.ndarray | Image) else inputs
    images = [image for entry in entries for image in _read(entry)]
    with track(f"upscaling with {network.name}", len(images), "images") as advance:
        told = products(network, images, lambda number, part, note: advance(part, note))
        found = sorted(told, key=lambda pair: pair[0])
    return [product for _, product in found]


def opened(run: str | Path, device: str, draws: int | None, symmetry: bool) -> Network:
    """Return a run's network where it shall compute; ``auto`` is a GPU if there is one."""
    where = "cuda" if device == "auto" and torch.cuda.is_available() else "cpu" if device == "auto" else device
    return Network(run, torch.device(where), draws, symmetry)


def _read(entry: str | Path | np.ndarray | Image) -> list[Image]:
    if isinstance(entry, Image):
        return [entry]
    if not isinstance(entry, str | Path | np.ndarray):  # rows of a list, or of a tensor
        raise DataError(
            f"An image to upscale is the name of a file or a NumPy array, not {type(entry).__name__}; np.asarray "
            "makes one of lists and tensors."
        )
    return from_array(entry) if isinstance(entry, np.ndarray) else read(entry)


@dataclass
class _Prepared:
    """An image in the network's units.

    Attributes:
        number: of the image, in the order in which they come.
        data: the image less its sky, float32 (H, W), holes filled.
        here: which pixels were measured; None for all.
        why: what the gain matches, ``noise`` or ``peak``.
    """

    number: int
    image: Image
    data: np.ndarray
    here: np.ndarray | None
    level: float
    noise: float
    gain: float
    why: str


def products(network: Network, images: Iterable[Image], advance: Advance) -> Iterator[tuple[int, Product]]:
    """Yield the number of each image and what became of it, as they are ready: images of one size together.

    No more images are held than wait for others of their size.

    Args:
        network: that upscales them.
        images: in any number.
        advance: is told the number of an image, which part of it was done, and a word on it.
    """
    waiting: dict[tuple[int, ...], list[_Prepared]] = {}
    for number, image in enumerate(images):
        one = _prepared(network, number, image)
        if max(image.data.shape) > TILE:
            yield from _finished(network, [one], advance)
            continue
        alike = waiting.setdefault(image.data.shape, [])
        alike.append(one)
        if len(alike) == _TOGETHER:
            yield from _finished(network, waiting.pop(image.data.shape), advance)
        elif sum(map(len, waiting.values())) >= _WAITING:
            yield from _finished(network, waiting.pop(next(iter(waiting))), advance)
    for alike in waiting.values():
        yield from _finished(network, alike, advance)


def _prepared(network: Network, number: int, image: Image) -> _Prepared:
    seen = network.seen
    masked = ~np.isfinite(image.data)
    here = ~masked if masked.any() else None
    level, noise = sky_of(image)
    known = image.data if here is None else filled(image.data)
    data = np.empty(known.shape, np.float32)
    for rows in strips(known.shape):  # float32 holds a noise of one on a sky of 1e8 only once that is taken off
        data[rows] = known[rows].astype(np.float64) - level
    if not noise:  # as of an image that was simulated without
        noise = _NOISELESS * (float(data.max()) or 1.0)
        image.notes.append("it has no noise that could be measured; 1/1000 of its peak is taken for it")
    gain, why = _gain(data, noise, seen)
    return _Prepared(number, image, data, here, level, noise, gain, why)


def _finished(network: Network, alike: list[_Prepared], advance: Advance) -> Iterator[tuple[int, Product]]:
    """Yield the products of images of one size."""
    seen, scale = network.seen, network.scale
    shape = tuple(scale * n for n in alike[0].data.shape)
    height, width = alike[0].data.shape
    parts = tiles(height, width, grid=network.grid)
    x = torch.from_numpy(np.stack([one.data * np.float32(one.gain) for one in alike])[:, None])
    planes: list[list[np.ndarray]] = []
    done = 0

    def tile() -> None:
        nonlocal done
        done += 1
        if parts > 1:
            advance(alike[0].number, 1 / parts, f"{alike[0].image.name}, tile {done} of {parts}")

    for top, band in banded(network, x.clamp(min=0) if seen.clipped else x, scale, done=tile, grid=network.grid):
        planes = planes or [[empty(shape) for _ in alike] for _ in band]
        for kind, (images, found) in enumerate(zip(planes, band, strict=True)):
            if kind == 0:
                found = unclipped(found, seen.target_noise) if seen.clipped else found
                # the truth is nowhere below 0, but a guess at the sky is, by less than the noise
                found = found.clamp(min=-_BELOW * seen.noise[0]) if seen.positive else found
            for plane, image, one in zip(images, found[:, 0].numpy(), alike, strict=True):
                plane[top : top + len(image)] = image / np.float32(one.gain)
                forget(plane)
    del x
    for i, one in enumerate(alike):
        product = _product(network, one, [images[i] for images in planes])
        if parts == 1:
            advance(one.number, 1.0, one.image.name)
        yield one.number, product


def _product(network: Network, one: _Prepared, planes: list[np.ndarray]) -> Product:
    """Return an image as flux, with what is known of it, from the network's planes above the sky."""
    image, scale, (surface, *rest) = one.image, network.scale, planes
    err = rest.pop(0) if network.uncertain else None
    symmetry = rest.pop(0) if network.symmetry else None
    area = 1.0 if image.per_area else float(scale**2)
    given = binned(surface, scale)
    add_missed(surface, scale, one.data, one.here)
    shared = shared_of(image)

    def noise(expected: np.ndarray | None = None) -> np.ndarray:
        rms = image.noise(one.level, one.noise, expected, shared)
        return rms if one.here is None else filled(rms).astype(np.float32)

    taken, fitted = degraded(surface, scale, network.seen, one.data, noise, one.here)
    residual = taken - one.data
    residual /= noise(taken)  # with the photons of what the camera should have seen
    del taken
    bilinear = empty(surface.shape, _precision(one))
    sr = empty(surface.shape, _precision(one))
    for rows in strips(one.data.shape, scale):
        fine = slice(scale * rows.start, scale * rows.stop)
        hidden = None if one.here is None else np.kron(~one.here[rows], np.ones((scale, scale), bool))
        sr[fine] = (surface[fine].astype(np.float64) + one.level) / area
        bilinear[fine] = (enlarged_rows(one.data, rows, scale).astype(np.float64) + one.level) / area
        for plane in (err, symmetry):
            if plane is not None:
                plane[fine] /= np.float32(area)
        for plane in (sr, bilinear, err, symmetry):
            if plane is not None and hidden is not None:
                plane[fine][hidden] = np.nan
        forget(surface, sr, bilinear, err, symmetry)
    if one.here is not None:
        residual[~one.here] = np.nan
    product = Product(image, scale, sr, err, bilinear, residual, network.spread, network, symmetry)
    product.facts = {"sky": one.level, "noise": one.noise, "gain": one.gain, **fitted}
    product.facts |= scores(product, given, area, one.noise)
    product.warnings = _words(network, one, product.facts["chi2"])
    return product


def _precision(one: _Prepared) -> Any:
    """Return float64 where images are small, or a high sky would take its noise from float32."""
    small = one.data.size <= TILE**2
    return np.float64 if small or abs(one.level) > _HIGH * one.noise else np.float32


def _words(network: Network, one: _Prepared, chi2: float) -> list[str]:
    """Return what is to be said of an image."""
    image, seen = one.image, network.seen
    words = [*image.notes, *_not_carried(image)]
    words += _unlike(image, one.noise * one.gain, float(one.data.max()) * one.gain, seen, one.why)
    words += _misfit(chi2)
    return words if network.uncertain else [*words, _WITHOUT]


def _not_carried(image: Image) -> list[str]:
    """Say which keywords of the header cannot follow to smaller pixels."""
    behind = left_behind(image.header) if image.header is not None else []
    words = ", ".join(behind[:6])
    return [f"its header's {words} refer to other pixels, or to what is not there, and were left out"] if behind else []


def _misfit(chi2: float) -> list[str]:
    """Say where a reduced chi-squared is far from one."""
    if chi2 < FITTING[0]:
        return [f"chi-squared of {chi2:.2f}: the image keeps some of the input's noise; few-shot training helps"]
    if chi2 > FITTING[1]:
        return [f"chi-squared of {chi2:.2f}: degraded, the image is not the input; see RESIDUAL"]
    return []


def _gain(data: np.ndarray, noise: float, seen: Seen) -> tuple[float, str]:
    """Return what brings an image, less its sky, to the network's units, and what it matches."""
    if seen.noise[0] == seen.noise[1]:
        return seen.noise[0] / noise, "noise"
    return seen.peak / max(float(np.quantile(data, 0.9995)), noise), "peak"


def _unlike(image: Image, noise: float, peak: float, seen: Seen, why: str) -> list[str]:
    """Say, with numbers, where an image is unlike what the network was trained on."""
    told: list[str] = []
    if image.pixel_scale is None:
        told.append(f"its pixel scale is not known; training images had LR pixels of {seen.pixel_scale:.4g} arcsec")
    elif not 0.8 < image.pixel_scale / seen.pixel_scale < 1.25:
        told.append(
            f"pixels of {image.pixel_scale:.4g} arcsec, in training {seen.pixel_scale:.4g}: arcs look of another size"
        )
    low, high = seen.noise
    if why == "peak" and not 0.8 * low < noise < 1.25 * high:
        told.append(
            f"noise of {noise / peak:.2g} of the peak, in training {low / seen.peak:.2g} to {high / seen.peak:.2g}"
        )
    if why == "noise" and not 0.2 < peak / seen.peak < 5:
        told.append(f"a peak of {peak / noise:.0f} times the noise, in training some {seen.peak / noise:.0f}")
    return told
