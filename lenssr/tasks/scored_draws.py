"""Draws from the posterior in one evaluation each, learnt by a score that an honest posterior alone makes least."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lenssr.data import LensDataModule
from lenssr.data.batches import Batch
from lenssr.data.camera.random import normal, philox
from lenssr.errors import ConfigError
from lenssr.metrics.ensemble import crps
from lenssr.metrics.per_image import Score
from lenssr.metrics.posterior import PosteriorEvaluation, evaluate_posterior
from lenssr.models.crps_sr import CRPSSR
from lenssr.tasks.posterior import Posterior, against_exact

__all__ = ["ScoredDraws"]

# keys of random numbers, apart from those of data, autoencoder and diffusion; never renumber
_TRAIN, _VALIDATE, _DRAW = 36, 37, 38
_LATENT = 1  # the fourth number of an address: 0 has the maps of noise
_VALIDATED, _CALIBRATED = 8, 16  # draws of each validation image, to choose the weights and to calibrate


class ScoredDraws(Posterior):
    """Trains ``model(lr, random numbers)`` by the fair CRPS of a few draws of each image, and calibrates their width.

    The continuous ranked probability score is least, in expectation, where the draws are of the posterior (Gneiting &
    Raftery 2007, doi:10.1198/016214506000001437); its fair estimator is unbiased for any number of draws, two included
    (Ferro 2014, doi:10.1002/qj.2270). Of single pixels it knows nothing of how they hang together, so it is also taken
    of the means over squares of pixels.

    Args:
        together: draws of an image that are scored together.
        pooled: sides of these squares, px; 1: single pixels.
        draws: from each posterior, in the test.
        **task: see :class:`lenssr.tasks.posterior.Posterior`; the loss config is not used.

    Raises:
        ConfigError: a number is out of its range.
    """

    model: CRPSSR
    monitor = "validation/loss"
    mode = "min"

    def __init__(self, together: int, pooled: list[int], draws: int, **task: Any) -> None:
        super().__init__(draws, **task)
        if together < 2 or not pooled or min(pooled) < 1:
            raise ConfigError(f"task.together={together} must be 2 or more, and task.pooled={pooled} positive numbers.")
        self.together, self.pooled = together, pooled

    def _score(self, draws: Tensor, batch: Batch) -> Tensor:
        """Return the sum over the squares' sizes of the mean fair CRPS, (B,)."""
        target = batch["target"]
        sides = [min(side, *target.shape[-2:]) for side in self.pooled]  # of a small patch, its mean
        parts = [crps(F.avg_pool2d(draws, side), F.avg_pool2d(target, side)[:, 0]) for side in sides]
        return torch.stack(parts).sum(0)

    def _drawn(self, batch: Batch, count: int, image: Tensor, moment: int, key: int, first: int = 0) -> Tensor:
        """Return draws (B, count, H, W) by the address of their random numbers.

        Args:
            batch: with ``lr`` and ``target``.
            count: of draws.
            image: number of each image or sample, (B, 1).
            moment: of the training; 0 elsewhere.
            key: what for.
            first: number of the first draw.
        """
        lr, shape, model = batch["lr"], batch["target"].shape[-2:], self.model
        number = torch.arange(first, first + count, device=lr.device).view(1, -1, 1)
        who = image.view(-1, 1, 1)
        seed = (self.draw_seed, key)
        # a draw's number and its part share a word of the address: there are a million draws of an image
        words = philox((self._pixels(batch).view(1, 1, -1), who, moment, number), seed)[: model.maps]
        noise = normal(torch.stack(words, dim=2)).view(len(lr), count, model.maps, *shape)
        places = torch.arange(model.latent, device=lr.device).view(1, 1, -1)
        latent = normal(philox((places, who, moment, number + (_LATENT << 31)), seed)[0])
        return model.draws(lr, latent, noise).float()

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """Return the score of a few draws, whose random numbers are new at every step."""
        draws = self._drawn(batch, self.together, self._places(batch), self.global_step, _TRAIN)
        return {"loss": self._score(draws, batch).mean()}

    def validation_scores(self) -> dict[str, Score]:
        """Return the same score."""
        return {"loss": lambda told, batch: told}

    def validate(self, batch: Batch) -> Tensor:
        """Return the same score of each image (B,), of draws that never change."""
        return self._score(self._drawn(batch, _VALIDATED, batch["index"], 0, _VALIDATE), batch)

    @torch.no_grad()
    def posterior(self, batch: Batch) -> Tensor:
        """Return draws from the posterior of each image, (B, K, H, W), in the set's unit."""
        draws = self._drawn(batch, self.draws, batch["index"], 0, _DRAW)
        return self.model.calibrated(draws, self.model.centre(batch["lr"]).float())

    @torch.no_grad()
    def calibrate(self, data: LensDataModule) -> bool:
        """Calibrate how far draws lie from their centre, on the validation images."""
        self.eval()
        found: list[tuple[Tensor, Tensor, Tensor]] = []
        for batch in data.evaluation("validation", self.device):
            draws = self._drawn(batch, _CALIBRATED, batch["index"], 0, _VALIDATE)
            found.append((draws, self.model.centre(batch["lr"]).float(), batch["target"]))
        self.model.calibrate(*(torch.cat(parts) for parts in zip(*found, strict=True)))
        return True

    def examine(self, data: LensDataModule, device: torch.device, split: str) -> PosteriorEvaluation:
        """Score the mean of the draws, a single draw, and the draws as a posterior."""
        record = f"1 evaluation, {self.draws} draws, and one for their centre"
        exact = against_exact(data, split, self.compared)
        return evaluate_posterior(self.posterior, None, data, device, split, record, self._film, exact, evaluations=1)

    def _film(self, batch: Batch) -> np.ndarray:
        """Return draws of one image, one after another, (F, H, W)."""
        return self.posterior(batch)[0, :16].cpu().numpy()
