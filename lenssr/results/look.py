"""A data set to look at: ``lenssr.open("model1")[0]`` is one lens as arrays, and ``.plot()`` draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lenssr.config.compose import compose, plain
from lenssr.config.overrides import groups
from lenssr.config.schema import validate
from lenssr.data import LensData
from lenssr.data.build import build_set
from lenssr.data.sky.parameters import SPLITS
from lenssr.errors import ConfigError, RunError, did_you_mean
from lenssr.results.figures.canvas import stretch
from lenssr.runs.find import find
from lenssr.runs.load import read_config

__all__ = ["Lens", "Lenses", "open_set"]


@dataclass(frozen=True)
class Lens:
    """One lens of a set, as float32 arrays, flux per pixel of its own and unit time.

    Attributes:
        lr: (h, w), what the network sees; an LR pixel holds the flux of the scale x scale HR pixels that it covers.
        hr: (H, W), the noisy HR observation.
        truth: (H, W), the noise-free expectation of ``hr``; None for real images.
        parameters: of the lens and its source, by name; ``class`` and ``exposure_time`` are always there.
        pixel_scale: of the HR image, arcsec; an LR pixel is ``scale`` times as large.
        scale: HR pixels per LR pixel along a side.
    """

    lr: np.ndarray
    hr: np.ndarray
    truth: np.ndarray | None
    parameters: dict[str, Any]
    pixel_scale: float
    scale: int

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw LR, HR and truth on one scale, flux per HR pixel; return matplotlib's figure.

        Args:
            path: of a PNG to write, too.
        """
        from matplotlib.figure import Figure

        images = {"low resolution": self.lr / self.scale**2, "HR, noisy": self.hr}
        images |= {} if self.truth is None else {"HR, noise-free": self.truth}
        brightness = stretch(self.hr, self.hr if self.truth is None else self.truth)
        figure = Figure(figsize=(3.2 * len(images) + 0.8, 3.4), layout="constrained")
        axes = figure.subplots(1, len(images), sharex=True, sharey=True, squeeze=False)[0]
        half = self.hr.shape[-1] * self.pixel_scale / 2
        for axis, (title, image) in zip(axes, images.items(), strict=True):
            drawn = axis.imshow(
                image, norm=brightness, cmap="inferno", origin="lower", extent=(-half, half, -half, half)
            )
            axis.set(title=title, xlabel="x / arcsec")
        axes[0].set_ylabel("y / arcsec")
        figure.colorbar(drawn, ax=axes[-1], label="flux / HR pixel / unit time (asinh)")
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure


class Lenses(Sequence[Lens]):
    """The lenses of a split, in order, with the noise of the test.

    Args:
        data: the set.
        split: its name.
    """

    def __init__(self, data: LensData, split: str) -> None:
        self._data, self._images = data, data.sets[split]
        self._batches = data.evaluation(split, torch.device("cpu"))
        self.pixel_scale, self.scale = float(self._images.pixel_scale), data.scale

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: Any) -> Any:
        """Return the lens of an index, or a list of a slice."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        batch = self._batches.at(torch.tensor([place]))
        unit = self._data.unit

        def flux(name: str, area: int = 1) -> np.ndarray:
            found: np.ndarray = (batch[name][0, 0] * (unit * area)).numpy()  # type: ignore[literal-required]
            return found

        row = self._images.parameters.iloc[place].to_dict()
        truth = flux("truth") if "truth" in batch else None
        return Lens(flux("lr", self.scale**2), flux("hr"), truth, row, self.pixel_scale, self.scale)


def open_set(name: str, split: str = "test", overrides: Sequence[str] = ()) -> Lenses:
    """Open a data set, which is simulated or read first where nobody did so yet.

    Args:
        name: of a dataset, as ``model1``; or of a run, whose images these are then.
        split: ``train``, ``validation`` or ``test``.
        overrides: as on the command line: ``physics=corrected``, ``scale.dataset={train: 9, validation: 3, test: 9}``.

    Returns:
        A sequence of lenses.

    Raises:
        LensSRError: there is no such set, run or split, or an override names nothing.
    """
    if split not in SPLITS:
        raise ConfigError(f"There is no split '{split}'; there are {', '.join(SPLITS)}.")
    config = _of_set(name, overrides)
    # one lens as it is: nothing is brought to the scale of a network but by one number
    config["dataset"]["normalization"] = "constant"
    config["loader"]["evaluation_patch"] = None
    return Lenses(build_set(config), split)


def _of_set(name: str, overrides: Sequence[str]) -> dict[str, Any]:
    """Return the configuration that a set belongs to, or that of a run."""
    if name in groups()["dataset"]:
        config: dict[str, Any] = plain(compose([f"dataset={name}", "loader.patch=${dataset.image_size}", *overrides]))
        validate(config)
        return config
    try:
        folder = find(name)
    except RunError as error:
        known = did_you_mean(name, groups()["dataset"])
        raise ConfigError(f"There is no dataset '{name}'. {known} Nor is there such a run. {error}") from error
    if overrides:
        raise ConfigError("A run's images are as they were; give overrides with the name of a dataset.")
    config = read_config(folder)
    if config["task"].get("targets"):
        raise ConfigError(f"{folder} learns labels, not images; give the name of its dataset.")
    return config
