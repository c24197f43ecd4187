"""What tasks share that draw from the posterior of the HR image given the LR image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lenssr.data import LensDataModule
from lenssr.data.batches import Batch
from lenssr.errors import ConfigError
from lenssr.limits.exposures import Exposures
from lenssr.limits.sampler import PosteriorSampler
from lenssr.metrics.per_image import Score
from lenssr.metrics.two_sample import c2st
from lenssr.tasks.base import Task

__all__ = ["Posterior", "against_exact"]

_COMPONENTS = 2  # directions in which draws are told from exact ones
# how the exact draws are drawn: as configs/model/limit.yaml has it
_EXACT = {"particles": 128, "library": 2048, "proposals": 1024, "seed": 0}


def against_exact(data: LensDataModule, split: str, images: int) -> dict[str, Score]:
    """Return the scores of draws (B, K, H, W) that need exact ones: ``ensemble/c2st``, of a split's first images.

    See :mod:`lenssr.metrics.two_sample`; NaN for the other images. Without images there is no such score.

    Raises:
        ConfigError: the exact posterior of the set is not known.
    """
    if not images:
        return {}
    exposures = Exposures(data, split, PosteriorSampler(**_EXACT), "lr")
    if data.target != "truth":
        raise ConfigError("Exact draws are of the noise-free image: task.compared needs dataset.target=truth.")
    wanted = [batch for batch in data.evaluation(split, torch.device("cpu")) if int(batch["index"].min()) < images]
    cases = exposures.make(wanted, data.unit)

    def told(draws: Tensor, batch: Batch) -> Tensor:
        found = [
            c2st(exposures.images_of(cases[index]) / data.unit, own, _COMPONENTS) if index < images else float("nan")
            for index, own in zip(batch["index"].tolist(), draws, strict=True)
        ]
        return draws.new_tensor(found, dtype=torch.float64)

    return {"ensemble/c2st": told}


class Posterior(Task):
    """A task whose network draws; what it predicts is the mean of its draws.

    Args:
        draws: from each posterior, in the test.
        compared: test images, the first ones, whose draws are told from exact ones.
        **task: see :class:`lenssr.tasks.base.Task`.

    Raises:
        ConfigError: a single draw has no spread.
    """

    test_settings: tuple[str, ...] = ("draws", "compared")

    def __init__(self, draws: int, compared: int = 0, **task: Any) -> None:
        super().__init__(**task)
        if draws < 2:
            raise ConfigError(f"task.draws={draws} tells nothing of a spread; give 2 or more.")
        self.draws, self.compared = draws, compared
        self.draw_seed = 0

    def posterior(self, batch: Batch) -> Tensor:
        """Return draws from the posterior of each image, (B, K, H, W), in the set's unit.

        A draw follows from the image's index and its own number alone, whatever the batch.
        """
        raise NotImplementedError

    def predict(self, batch: Batch) -> Tensor:
        """Return the mean of the draws, (B, 1, H, W)."""
        return self.posterior(batch).mean(1, keepdim=True)

    @staticmethod
    def _pixels(batch: Batch) -> Tensor:
        """Return the numbers of the target's pixels, (1, H * W)."""
        return torch.arange(batch["target"][0].numel(), device=batch["target"].device).view(1, -1)

    def _places(self, batch: Batch) -> Tensor:
        """Return each sample's place in the batch of all devices, (B, 1), so that their number changes no noise."""
        here = torch.arange(len(batch["index"]), device=batch["index"].device).view(-1, 1)
        return here * self._world_size() + self.global_rank
