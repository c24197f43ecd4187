"""Simulated sets: found by their identity, or made once, shard by shard, under a lock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lenssr.data.sets.shards import Making, Shard, longest
from lenssr.data.sets.store import FORMAT, ImageSet, open_set
from lenssr.data.sets.substructure import smooth, substructure_snr
from lenssr.data.sky.galaxies import Galaxies
from lenssr.data.sky.galaxies import galaxies as make_galaxies
from lenssr.data.sky.lensing import Instrument, render
from lenssr.data.sky.parameters import SPLITS, Scene, sample
from lenssr.errors import ConfigError
from lenssr.system.locks import locked
from lenssr.system.progress import track
from lenssr.system.version import __version__

__all__ = ["SimulatedSource", "as_tensors", "check_splits", "simulate"]

_WORDS = ("index", "class", "substructure", "kind")  # columns that are no physical numbers
_SHARD = 512  # images; about, for it holds whole blocks

_RAYS = {"cpu": 1 << 17, "cuda": 6_000_000}  # traced at once; a CPU's share, some ten maps, shall stay in its cache


def as_tensors(
    rows: pd.DataFrame, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    """Return the numeric parameters as tensors (B,), and the sub-haloes padded to (B, K) with theta_E = 0."""
    tensors = {}
    for name in rows.columns:
        if name.startswith("subhalo_"):
            width = max((len(values) for values in rows[name]), default=0)
            padded = np.zeros((len(rows), width))
            for i, values in enumerate(rows[name]):
                padded[i, : len(values)] = values
            tensors[name] = torch.as_tensor(padded, dtype=dtype, device=device)
        elif name not in _WORDS:
            tensors[name] = torch.tensor(rows[name].to_numpy(float), dtype=dtype, device=device)
    return tensors


def simulate(
    table: pd.DataFrame,
    instrument: Instrument,
    device: torch.device | str = "cpu",
    chunk: int | None = None,
    galaxies: Galaxies | None = None,
) -> Iterator[np.ndarray]:
    """Yield noise-free images (n, N, N), float32, in the order of the table's rows.

    ``chunk`` is how many images of a class are rendered at once; None: as many as the device takes best. Images of
    one class are rendered together, so that no_sub images do not pay for the 100 masses of a vortex.
    """
    size = chunk or _together(instrument, device)
    names = table["class"].unique()
    # tensors of a class are made once: pandas costs more than rendering where a chunk is small
    places = {name: np.flatnonzero(table["class"] == name) for name in names}
    tensors = {name: as_tensors(table.iloc[places[name]], device) for name in names}
    block = size * max(1, len(names))
    for start in range(0, len(table), block):
        stop = min(start + block, len(table))
        images = np.empty((stop - start, instrument.image_size, instrument.image_size), np.float32)
        for name in names:
            first, last = np.searchsorted(places[name], (start, stop))
            for low in range(first, last, size):
                part = slice(low, min(low + size, last))
                drawn = render({key: value[part] for key, value in tensors[name].items()}, instrument, galaxies)
                images[places[name][part] - start] = drawn.cpu().numpy()
        yield images


def _together(instrument: Instrument, device: torch.device | str) -> int:
    """Return how many images of a class are best rendered at once."""
    rays = (instrument.image_size * instrument.supersampling) ** 2  # of an image
    return max(1, _RAYS["cuda" if torch.device(device).type == "cuda" else "cpu"] // rays)


def check_splits(classes: list[str], splits: dict[str, int]) -> None:
    """Refuse a set without classes, or whose splits are not the three that there are, with an image each."""
    if set(splits) != set(SPLITS):
        raise ConfigError(f"dataset.source.splits names {sorted(splits)}; it must name {sorted(SPLITS)}.")
    for split, count in splits.items():
        if count < 1:
            raise ConfigError(f"dataset.source.splits.{split}={count} leaves that split empty; give it 1 or more.")
    if not classes:
        raise ConfigError("dataset.source.classes is empty; name at least one of no_sub, axion, cdm.")


class SimulatedSource:
    """A set of noise-free lens images and all their parameters.

    Args:
        name: of the set; its folder's name begins with it.
        image_size: pixels along a side.
        pixel_scale: arcsec.
        psf_fwhm: arcsec, Gaussian.
        psf_truncation: half-width of the kernel in standard deviations.
        exposure_time: a number or distribution, see :func:`lenssr.data.sky.parameters.draw`.
        classes: substructure classes, in equal parts.
        splits: images in each of ``train``, ``validation``, ``test``.
        seed: of the sky.
        physics: lens, source and substructure distributions (``configs/physics``).
        folder: where sets are kept.
        changes: nodes of ``physics`` that this set replaces in part, as ``{macro: {theta_E: 1.5}}``; of the published
            physics, which has one lens for all, alone.
        two_planes: see :class:`lenssr.data.sky.parameters.Scene`.
        flux: total flux of the source; None: its amplitude decides.
        galaxies: arguments of :func:`lenssr.data.sky.galaxies.galaxies`; None: Sersic profiles.
        supersampling: rays along a side of a pixel; None: as many as the physics says.
    """

    noise_free = True

    def __init__(
        self,
        name: str,
        image_size: int,
        pixel_scale: float,
        psf_fwhm: float,
        psf_truncation: float,
        exposure_time: Any,
        classes: list[str],
        splits: dict[str, int],
        seed: int,
        physics: dict[str, Any],
        folder: str,
        changes: dict[str, dict[str, Any]] | None = None,
        two_planes: bool = False,
        flux: float | None = None,
        galaxies: dict[str, Any] | None = None,
        supersampling: int | None = None,
    ) -> None:
        check_splits(classes, splits)
        rays = int(supersampling or physics["supersampling"])
        self.instrument = Instrument(image_size, pixel_scale, psf_fwhm, psf_truncation, rays)
        self.name, self.exposure_time, self.classes = name, exposure_time, classes
        if changes and physics["cosmology"]["distances"] == "luminosity":
            physics = {**physics, **{key: {**physics[key], **change} for key, change in changes.items()}}
        self.splits, self.seed, self.physics = splits, seed, physics
        self.scene = Scene(two_planes, flux, int(galaxies["count"]) if galaxies else 0)
        self._galaxies = galaxies
        self.config = {
            "name": name,
            "image_size": image_size,
            "pixel_scale": pixel_scale,
            "psf_fwhm": psf_fwhm,
            "psf_truncation": psf_truncation,
            "exposure_time": exposure_time,
            "classes": classes,
            "splits": splits,
            "seed": seed,
            # the detector acts when a sample is read, not here
            "physics": {key: value for key, value in physics.items() if key != "detector"},
        }
        if self.scene != Scene():  # the sets of plain scenes keep the names that they had before there were others
            self.config |= {"two_planes": two_planes, "flux": flux, "galaxies": galaxies, "supersampling": rays}
        digest = hashlib.sha256(json.dumps([FORMAT, self.config], sort_keys=True).encode()).hexdigest()
        self.path = Path(folder) / f"{name}-{physics['name']}-{digest[:8]}"

    def open(self, device: torch.device | str = "cpu") -> dict[str, ImageSet]:
        """Return the set's splits, simulating them first if no earlier command did."""
        if not self.path.exists():
            with locked(self.path, f"Waiting for another process that simulates {self.path} ..."):
                if not self.path.exists():
                    self._make(device)
        return open_set(self.path)

    def way(self, device: torch.device | str = "cpu") -> Making:
        """Return the set on its way, begun or not."""
        block = self._block(device)
        return Making(self.path, self.splits, self.instrument.image_size, max(1, _SHARD // block) * block)

    def making(self, device: torch.device | str = "cpu") -> Making:
        """Return the set on its way, begun if no earlier command did; call under the set's lock."""
        making = self.way(device)
        making.begin(longest(self.path, self._same_sky, self.splits) if not making.begun else {})
        return making

    def make(self, making: Making, shard: Shard, device: torch.device | str = "cpu") -> None:
        """Make one shard of a set; any process may, at any time."""
        count, first = len(shard), shard.first
        table = self._sample(shard.split, first, count)
        making.write(shard, self._images(table, device, making, shard), table)

    def _sample(self, split: str, first: int, count: int) -> pd.DataFrame:
        """Return the parameters of a split's images by their numbers."""
        return sample(self.physics, self.exposure_time, self.classes, self.seed, split, count, self.scene, first)

    def draw(self, split: str, first: int, count: int, device: torch.device) -> tuple[pd.DataFrame, Tensor]:
        """Return parameters and noise-free images (count, N, N) of a split by their numbers, which nothing keeps."""
        table = self._sample(split, first, count)
        images = np.concatenate(list(simulate(table, self.instrument, device, galaxies=self._sources)))
        return table, torch.from_numpy(images).to(device)

    def finish(self, making: Making) -> None:
        """Put a set together whose shards are all done; call under the set's lock."""
        making.finish(lambda peaks: self._about(peaks["train"]))

    def _block(self, device: torch.device | str) -> int:
        """Return after how many images a new round of rendering begins, whose pixels do not depend on those before."""
        return _together(self.instrument, device) * len(set(self.classes))

    def _same_sky(self, manifest: Mapping[str, Any]) -> bool:
        """Whether a set is this one, but for the number of its images."""
        known = manifest.get("config")
        ours = json.loads(json.dumps({**self.config, "splits": None}))
        return manifest.get("format") == FORMAT and isinstance(known, dict) and {**known, "splits": None} == ours

    def _make(self, device: torch.device | str) -> None:
        making = self.making(device)
        with track(f"simulating {self.path.name}", sum(self.splits.values()), "images") as advance:
            for shard in making.shards():
                if not making.done(shard):
                    self.make(making, shard, device)
                advance(len(shard))
        self.finish(making)

    @cached_property
    def _sources(self) -> Galaxies | None:
        return None if self._galaxies is None else make_galaxies(**self._galaxies)

    def _images(
        self, table: pd.DataFrame, device: torch.device | str, making: Making, shard: Shard
    ) -> Iterator[np.ndarray]:
        """Yield a shard's images, those of a set that has them first; the table then has all its columns."""
        kept = 0
        columns: list[pd.DataFrame] = []
        found = making.beside(shard.split)
        if found and found[0].is_dir():
            known, block = open_set(found[0])[shard.split], self._block(device)
            # a round that was cut short may differ from a full one in its last bits
            kept = max(0, min(found[1] // block * block, shard.end) - shard.first)
            if kept:
                rows = slice(shard.first, shard.first + kept)
                yield np.array(known.images[rows])
                further = [name for name in known.columns if name not in table]
                columns.append(pd.DataFrame({name: known.column(name)[rows] for name in further}))
        if kept < len(table):
            yield from self._rendered(table[kept:].reset_index(drop=True), device, columns)
        for name, values in pd.concat(columns, ignore_index=True).items() if columns else ():
            table[name] = values

    def _rendered(
        self, table: pd.DataFrame, device: torch.device | str, columns: list[pd.DataFrame]
    ) -> Iterator[np.ndarray]:
        """Yield the images of a table, and append columns that tell how well their substructure is seen."""
        chunks = simulate(table, self.instrument, device, galaxies=self._sources)
        if "noise" not in self.physics:
            yield from chunks
            return
        place = 0
        without = simulate(smooth(table), self.instrument, device, galaxies=self._sources)
        for images, bare in zip(chunks, without, strict=True):
            time = table["exposure_time"].to_numpy(float)[place : place + len(images)]
            place += len(images)
            columns.append(pd.DataFrame(substructure_snr(images, bare, time, self.physics["noise"])))
            yield images

    def _about(self, peaks: np.ndarray) -> Mapping[str, Any]:
        return {
            "noise_free": True,
            "pixel_scale": self.instrument.pixel_scale,
            # the typical peak comes out at 2/3, and peak plus noise below one
            "unit": 1.5 * float(np.median(peaks)),
            "units": {
                "images": "flux / pixel / unit time, noise-free",
                "unit": "the same; networks see images divided by it",
                "lengths": "arcsec",
                "angles": "radian, counter-clockwise from +x",
                "log10_axion_mass": "log10(m / eV)",
            },
            "config": self.config,
            "versions": {"lenssr": __version__, "torch": torch.__version__, "numpy": np.__version__},
        }
