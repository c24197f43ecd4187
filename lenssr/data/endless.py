"""Training images without end: each is made when it is needed, seen once, and forgotten."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from lenssr.data.batches import Batch, TrainingBatches
from lenssr.data.camera.observe import Address, TwoExposures, Window
from lenssr.data.sets.simulated import SimulatedSource
from lenssr.data.sky.parameters import SPLITS
from lenssr.errors import ConfigError
from lenssr.models.interpolation import of_size

__all__ = ["EndlessBatches", "Sky"]

_FIRST = 1 << 32  # number of the first image of seed 0, beyond those of any set; each seed has as many for its own


@dataclass
class Sky:
    """A simulated sky, seen by one of two cameras.

    Attributes:
        source: makes images by their numbers.
        observe: exposes them.
        kind: of what is seen, ``hr``, ``truth`` or ``interpolated``.
        labels: columns of the parameters that are told.
        unit: what images are divided by.
        seed: whose images; no two seeds share one.
        device: where batches are made.

    Raises:
        ConfigError: the set is not simulated from numbers alone.
    """

    source: SimulatedSource
    observe: TwoExposures
    kind: str
    labels: list[str]
    unit: float
    seed: int
    device: torch.device

    def __post_init__(self) -> None:
        if not isinstance(self.source, SimulatedSource) or not isinstance(self.observe, TwoExposures):
            raise ConfigError(
                "Training images are made without end of simulated sets alone: use dataset=model1, or model=resnet18."
            )

    def batch(self, first: int, count: int) -> Batch:
        """Return the images of a training from its ``first`` on."""
        table, images = self.source.draw("train", (1 + self.seed) * _FIRST + first, count, self.device)
        size = images.shape[-1]
        time = torch.tensor(table["exposure_time"].to_numpy(np.float32), device=self.device)
        index = torch.arange(first, first + count, device=self.device)
        corner = torch.zeros_like(index)
        address = Address(index, 1 + self.seed, (self.observe.seed, SPLITS["train"]))
        camera = "lr" if self.kind == "interpolated" else "hr"
        window = Window(corner, corner, size, size, [(0, 0)] * count)
        seen = self.observe.one(camera, images, time, window, None if self.kind == "truth" else address)
        label = torch.tensor(table[self.labels].to_numpy(np.float32), device=self.device)
        return Batch(input=of_size(seen.unsqueeze(1), (size, size)) / self.unit, label=label, index=index)


@dataclass
class EndlessBatches(TrainingBatches):
    """Batches of a sky without end, each image once, in the order of their numbers.

    Attributes:
        sky: made for the seed of the training; of the reader's set no image is seen.
    """

    sky: Sky | None = None

    def batch(self, step: int) -> Batch:
        """Return this process's share of one batch."""
        assert self.sky is not None
        share = self.batch_size // self.world_size
        return self.sky.batch(step * self.batch_size + self.rank * share, share)
