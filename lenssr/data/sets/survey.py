"""Sets of one sky that two telescopes see: rendered once on a fine grid, then through each one's PSF and pixels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lenssr.data.camera.detector import bin_sum
from lenssr.data.camera.telescope import Telescope, check_pair
from lenssr.data.sets.simulated import as_tensors, check_splits
from lenssr.data.sets.store import FORMAT, ImageSet, SetWriter, open_set
from lenssr.data.sky.galaxies import Galaxies
from lenssr.data.sky.galaxies import galaxies as make_galaxies
from lenssr.data.sky.parameters import addressed
from lenssr.data.sky.population import population
from lenssr.data.sky.scene import brightness
from lenssr.errors import ConfigError
from lenssr.system.files import whole_folder
from lenssr.system.locks import locked
from lenssr.system.progress import track
from lenssr.system.version import __version__

__all__ = ["SurveySource", "observed_by"]

_RAYS = {"cpu": 1 << 18, "cuda": 1 << 23}  # traced at once; a CPU's share shall stay in its cache


def observed_by(
    parameters: Mapping[str, Tensor],
    telescopes: Mapping[str, Telescope],
    size: int,
    pixel: float,
    bins: Mapping[str, int],
    supersampling: int,
    galaxies: Galaxies | None = None,
    light: Callable[..., Tensor] = brightness,
) -> dict[str, Tensor]:
    """Return noise-free images of skies through each telescope, flux per pixel of its own and unit time.

    Args:
        parameters: see :func:`lenssr.data.sky.scene.brightness`; of each telescope's images ``<name>_psf_fwhm`` in
            arcsec and, where its grid is displaced, ``<name>_shift_x`` and ``<name>_shift_y``.
        telescopes: by name.
        size: pixels of the finest grid along a side.
        pixel: of the finest grid, arcsec.
        bins: finest pixels along a side of each telescope's pixel.
        supersampling: rays along a side of a finest pixel.
        galaxies: sources; None: Sersic profiles.
        light: gives the surface brightness of the skies, as :func:`lenssr.data.sky.scene.brightness` does.
    """
    some = parameters["star_flux"]
    coarsest = max(bins.values())
    reach = max(one.psf.reach for one in telescopes.values()) / pixel
    margin = _margin(size, reach, coarsest)  # so that light from outside enters, and none comes round
    count, step = (size + 2 * margin) * supersampling, pixel / supersampling
    axis = ((torch.arange(count, dtype=torch.float64) - (count - 1) / 2) * step).to(some.device, some.dtype)
    sky = light(parameters, axis, supersampling, galaxies).mul_(step**2)
    spectrum = torch.fft.rfft2(sky)
    middle = (count - 1) / 2 * step
    if bool((parameters["star_flux"] > 0).any()):
        places = (parameters["star_x"] + middle) / step, (parameters["star_y"] + middle) / step
        spectrum += parameters["star_flux"].view(-1, 1, 1) * _phase(*places, count)
    found = {}
    for name, telescope in telescopes.items():
        seen = spectrum * telescope.psf.spectrum(parameters[f"{name}_psf_fwhm"], count, step)
        if f"{name}_shift_x" in parameters:
            seen = seen * _phase(parameters[f"{name}_shift_x"] / step, parameters[f"{name}_shift_y"] / step, count)
        image = bin_sum(torch.fft.irfft2(seen, s=(count, count)), supersampling * bins[name])
        edge = margin // bins[name]
        found[name] = image[:, edge:-edge, edge:-edge].clamp(min=0)
    return found


def _margin(size: int, reach: float, step: int) -> int:
    """Return a margin of ``reach`` pixels or more, a multiple of ``step``, that gives a size quick to transform."""
    margin = int(np.ceil(reach / step)) * step
    while not _smooth(size + 2 * margin):
        margin += step
    return margin


def _smooth(count: int) -> bool:
    """Whether a number has no prime factor above 5."""
    for factor in (2, 3, 5):
        while count % factor == 0:
            count //= factor
    return count == 1


def _phase(x: Tensor, y: Tensor, count: int) -> Tensor:
    """Return the spectra of points at columns x and rows y (B,) of a grid, complex (B, count, count // 2 + 1)."""
    across = torch.fft.rfftfreq(count, device=x.device, dtype=x.dtype).view(1, 1, -1)
    down = torch.fft.fftfreq(count, device=x.device, dtype=x.dtype).view(1, -1, 1)
    turns = across * x.view(-1, 1, 1) + down * y.view(-1, 1, 1)
    return torch.polar(torch.ones_like(turns), -2 * torch.pi * turns)


class SurveySource:
    """A set of skies, noise-free as two telescopes see them, and all their parameters.

    Fluxes are counts a second of the HR telescope, per HR pixel, of the LR images too.

    Args:
        name: of the set; its folder's name begins with it.
        image_size: HR pixels along a side.
        scale: HR pixels per LR pixel along a side.
        lr: the LR telescope, see :class:`lenssr.data.camera.telescope.Telescope`.
        hr: the HR telescope, whose images lie on a grid of LR pixels divided by ``scale``.
        registration: rms in arcsec of the error of the LR image's place on the HR grid, along each axis.
        classes: of substructure, in equal parts.
        splits: images in each of ``train``, ``validation``, ``test``.
        seed: of the sky.
        physics: ``configs/physics/survey.yaml``.
        folder: where sets are kept.
        galaxies: arguments of :func:`lenssr.data.sky.galaxies.galaxies`; None: Sersic profiles.

    Raises:
        ConfigError: the telescopes are no pair, or a number is missing or impossible.
    """

    noise_free = True

    def __init__(
        self,
        name: str,
        image_size: int,
        scale: int,
        lr: dict[str, Any],
        hr: dict[str, Any],
        registration: float,
        classes: list[str],
        splits: dict[str, int],
        seed: int,
        physics: dict[str, Any],
        folder: str,
        galaxies: dict[str, Any] | None = None,
    ) -> None:
        check_splits(classes, splits)
        self.name, self.image_size, self.scale, self.classes = name, image_size, scale, classes
        self.splits, self.seed, self.physics, self._galaxies = splits, seed, physics, galaxies
        self.lr, self.hr = Telescope.read(lr, "dataset.lr"), Telescope.read(hr, "dataset.hr")
        check_pair(self.lr, self.hr, scale)
        if registration < 0:
            raise ConfigError(f"dataset.source.registration={registration} arcsec must be 0 or more.")
        self.hr = replace(self.hr, pixel_scale=self.lr.pixel_scale / scale)
        self.registration, self.pixel_scale = registration, self.hr.pixel_scale
        self._folder = Path(folder)
        config = {
            "name": name,
            "image_size": image_size,
            "scale": scale,
            "lr": lr,
            "hr": hr,
            "registration": registration,
            "classes": classes,
            "splits": splits,
            "seed": seed,
            "physics": physics,
            "galaxies": galaxies,
            "kernels": [_digest(one.psf.kernel) for one in (self.lr, self.hr)],
        }
        self._settle(config)

    def _settle(self, config: dict[str, Any]) -> None:
        """Take what decides the images, and the folder that it names."""
        self.config = config
        digest = hashlib.sha256(json.dumps([FORMAT, config], sort_keys=True).encode()).hexdigest()
        self.path = self._folder / f"{self.name}-{self.lr.name}-{self.hr.name}-{digest[:8]}"

    def light(self, *arguments: Any) -> Tensor:
        """Return the brightness of skies; see :func:`lenssr.data.sky.scene.brightness`."""
        return brightness(*arguments)

    @property
    def lr_unit(self) -> float:
        """What brings counts a second of the LR telescope, per LR pixel, to the set's flux per HR pixel."""
        return float(10 ** (0.4 * (self.hr.zero_point - self.lr.zero_point))) / self.scale**2

    def open(self, device: torch.device | str = "cpu", kind: str = "hr") -> dict[str, ImageSet]:
        """Return the splits of a kind of image, ``hr`` or ``lr``; rendered first if no earlier command did."""
        if not self.path.exists():
            with locked(self.path, f"Waiting for another process that simulates {self.path} ..."):
                if not self.path.exists():
                    self._make(device)
        return open_set(self.path / kind)

    def table(self, split: str, count: int) -> pd.DataFrame:
        """Return the parameters of the first ``count`` images of a split, one row an image."""
        field, stamps = self.image_size * self.pixel_scale, int(self._galaxies["count"]) if self._galaxies else 0
        table = population(
            self.physics,
            self.classes,
            self.seed,
            split,
            count,
            self.hr.zero_point,
            self.lr.pixel_scale,
            field,
            stamps,
        )
        more: list[dict[str, float]] = []
        rng, at = addressed(self.seed, split, stream=2)
        for index in range(count):
            at(index)
            drawn = {
                f"{kind}_{key}": value for kind in ("lr", "hr") for key, value in getattr(self, kind).drawn(rng).items()
            }
            drawn["lr_background_rms"] *= self.lr_unit
            if self.registration:
                drawn |= {f"lr_shift_{axis}": float(rng.normal(0, self.registration)) for axis in "xy"}
            more.append(drawn)
        table["exposure_time"] = self.hr.time
        return pd.concat([table, pd.DataFrame(more)], axis=1)

    def render(
        self, table: pd.DataFrame, device: torch.device | str = "cpu", galaxies: Galaxies | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield noise-free HR images (n, N, N) and LR images (n, N / s, N / s), float32, in the table's order."""
        rays = (self.image_size * self.physics["supersampling"]) ** 2
        chunk = max(1, _RAYS["cuda" if torch.device(device).type == "cuda" else "cpu"] // rays)
        for start in range(0, len(table), chunk):
            parameters = as_tensors(table.iloc[start : start + chunk], device)
            found = observed_by(
                parameters,
                {"hr": self.hr, "lr": self.lr},
                self.image_size,
                self.pixel_scale,
                {"hr": 1, "lr": self.scale},
                int(self.physics["supersampling"]),
                galaxies,
                self.light,
            )
            yield found["hr"].cpu().numpy(), (found["lr"] / self.scale**2).cpu().numpy()

    def _make(self, device: torch.device | str) -> None:
        galaxies = None if self._galaxies is None else make_galaxies(**self._galaxies)
        with whole_folder(self.path) as folder:
            writers = {}
            for kind in ("hr", "lr"):
                (folder / kind).mkdir()
                writers[kind] = SetWriter(folder / kind)
            peaks: list[np.ndarray] = []
            with track(f"simulating {self.path.name}", sum(self.splits.values()), "images") as advance:
                for split, count in self.splits.items():
                    table = self.table(split, count)
                    low: list[np.ndarray] = []

                    def images(split: str, table: pd.DataFrame, low: list[np.ndarray]) -> Iterator[np.ndarray]:
                        for hr, lr in self.render(table, device, galaxies):
                            low.append(lr)
                            if split == "train":
                                peaks.append(hr.max(axis=(1, 2)))
                            advance(len(hr))
                            yield hr

                    size = self.image_size
                    writers["hr"].write(split, (count, size, size), images(split, table, low), table)
                    writers["lr"].write(split, (count, size // self.scale, size // self.scale), low, table)
            for writer in writers.values():
                writer.finish(self._about(np.concatenate(peaks)))

    def _about(self, peaks: np.ndarray) -> Mapping[str, Any]:
        return {
            "noise_free": True,
            "pixel_scale": self.pixel_scale,
            "unit": 1.5 * float(np.median(peaks)),
            "units": {
                "images": f"counts / s / HR pixel of {self.hr.name} (zero point {self.hr.zero_point}), noise-free",
                "unit": "the same; networks see images divided by it",
                "lengths": "arcsec",
                "angles": "radian, counter-clockwise from +x",
            },
            "config": self.config,
            "versions": {"lenssr": __version__, "torch": torch.__version__, "numpy": np.__version__},
        }


def _digest(kernel: np.ndarray | None) -> str | None:
    return None if kernel is None else hashlib.sha256(np.ascontiguousarray(kernel).tobytes()).hexdigest()
