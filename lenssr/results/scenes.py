"""Scenes that are made for a question to a network: lenses that no split holds, with or without something more."""

from __future__ import annotations

import copy
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from lenssr.data import SimulatedSource, SurveyExposures, SurveySource
from lenssr.data.batches import Batch, Reader
from lenssr.data.camera.observe import Window
from lenssr.data.pixels import Arrangement
from lenssr.data.sets.simulated import simulate
from lenssr.data.sets.store import ImageSet
from lenssr.data.sky.galaxies import galaxies
from lenssr.data.sky.parameters import sample
from lenssr.errors import ConfigError
from lenssr.runs.build import build_data
from lenssr.runs.find import find
from lenssr.runs.load import load_task, read_config
from lenssr.runs.seen import Seen, seen_by
from lenssr.system.files import read_json
from lenssr.tasks import SuperResolution

__all__ = ["Scenes"]

_APART = 1009  # what is added to the seed, so that these are no images of a split
_ELSE = ("deflector_amplitude", "neighbour_amplitude", "star_flux")  # light of a survey's sky that is not the source's


class Scenes:
    """What a super-resolution run on a simulated set would be shown.

    Args:
        run: its folder, or a name of :func:`lenssr.runs.find.find`.

    Attributes:
        task: with the trained network.
        data: of the run.

    Raises:
        ConfigError: the run upscales no simulated images.
    """

    def __init__(self, run: str | Path) -> None:
        self.folder = find(run)
        self.config = read_config(self.folder)
        # an exported run has none, and what is made here is kept nowhere
        self.config["dataset"]["source"].setdefault("folder", str(self.folder))
        task, self.data = load_task(self.folder, config=self.config), build_data(self.config)
        if not isinstance(task, SuperResolution) or not isinstance(self.data.source, SimulatedSource | SurveySource):
            raise ConfigError(f"{self.folder} is not a super-resolution run on a simulated set.")
        self.task: SuperResolution = task
        self._metrics = read_json(self.folder / "metrics.json") or {}
        self.data.unit = float(self._metrics["unit"])

    @cached_property
    def seen(self) -> Seen:
        """What the LR images of training were like."""
        return seen_by(self.config, self._metrics)

    @cached_property
    def _galaxies(self) -> Any:
        chosen = self.config["dataset"]["source"].get("galaxies")
        return galaxies(**chosen) if chosen else None

    @property
    def pixel_scale(self) -> float:
        """Of HR pixels, arcsec."""
        source = self.data.source
        return float(source.instrument.pixel_scale if isinstance(source, SimulatedSource) else source.pixel_scale)

    def lenses(self, count: int) -> pd.DataFrame:
        """Return the parameters of lenses without substructure that no split holds."""
        source = self.data.source
        if isinstance(source, SimulatedSource):
            seed = source.seed + _APART
            return sample(source.physics, source.exposure_time, ["no_sub"], seed, "test", count, source.scene)
        other = copy.copy(source)
        other.seed, other.classes = source.seed + _APART, ["no_sub"]
        return other.table("test", count)

    def light(self, table: pd.DataFrame, alone: bool = False) -> tuple[np.ndarray, np.ndarray | None]:
        """Return noise-free HR images (N, H, W) and, where another telescope took them, LR images (N, h, w).

        Args:
            table: of the scenes.
            alone: whether the source is a Sersic profile and the only light.
        """
        source, stamps = self.data.source, None if alone else self._galaxies
        if isinstance(source, SimulatedSource):
            return np.concatenate(list(simulate(table, source.instrument, galaxies=stamps))), None
        table = table.assign(**dict.fromkeys(_ELSE, 0.0)) if alone else table
        hr, lr = zip(*source.render(table, galaxies=stamps), strict=True)
        return np.concatenate(hr), np.concatenate(lr)

    def observe(self, table: pd.DataFrame, hr: np.ndarray, lr: np.ndarray | None = None) -> Batch:
        """Return observed pairs of scenes, in the network's units; the noise follows from their place alone.

        Args:
            table: of the scenes.
            hr: noise-free, (N, H, W).
            lr: likewise, (N, h, w), where another telescope took them.
        """
        data, observation = self.data, self.data.observation
        if isinstance(observation, SurveyExposures):
            assert lr is not None
            low = ImageSet(lr, table, self.pixel_scale * data.scale, data.unit, True, "", Path())
            observation.attach({"test": low}, data.source)
        held, cpu = ImageSet(hr, table, self.pixel_scale, data.unit, True, "", Path()), torch.device("cpu")
        reader = Reader(held, observation, "test", data.target, data.normalization, data.unit, cpu, False)
        index = torch.arange(len(table))
        at = torch.zeros_like(index)
        return reader.read(Arrangement(index, Window(at, at, hr.shape[-1], hr.shape[-1]), 0))
