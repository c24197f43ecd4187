"""Scores of draws from a posterior, beside those of single images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lenssr.data.batches import Batch
from lenssr.metrics.ensemble import LEVELS, coverage, crps, ranks
from lenssr.metrics.evaluation import Evaluation, Spectrum, Stopwatch, bilinear, example_of, image_scores
from lenssr.system.progress import track

if TYPE_CHECKING:
    from lenssr.data import LensDataModule

__all__ = ["PosteriorEvaluation", "evaluate_posterior"]

_DEFINITIONS = (
    "crps (fair), spread and error (rms, of the mean) in units of the HR image's range; coverage of the draws' 50, 68 "
    "and 95 % prediction intervals (Student's t); spread_skill: rms spread over rms error, 1 if honest; consistency: "
    "reduced chi-squared of the LR image about a degraded draw, 1 if it may be of that scene; all against "
    "dataset.target"
)


@dataclass(frozen=True)
class PosteriorEvaluation(Evaluation):
    """What was found on one split with draws from posteriors.

    Attributes:
        cost: sampler, evaluations and draws.
        draws: how many from each posterior.
        ranks: pixels of all images whose target has 0 ... K draws below it, (K + 1,).
        frames: one draw of the example on its way from noise, (F, H, W).
    """

    cost: str = ""
    draws: int = 0
    ranks: np.ndarray = field(default_factory=lambda: np.zeros(0))
    frames: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0)))

    def summary(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return the scores; the ratio of spread and error is taken once, of their means over all images.

        (1 + 1/K) var should equal the squared error of the mean (Fortin et al. 2014, doi:10.1175/JHM-D-14-0008.1).
        """
        table = super().summary()
        spread, error = (self.per_image[f"prediction/ensemble/{name}"] for name in ("spread", "error"))
        ratio = float(np.sqrt((spread**2).mean() * (1 + 1 / self.draws) / (error**2).mean()))
        table["prediction"]["ensemble/spread_skill"] = {"mean": ratio, "std": 0.0}
        return table


def evaluate_posterior(
    draw: Callable[[Batch], Tensor],
    guess: Callable[[Batch], Tensor] | None,
    data: LensDataModule,
    device: torch.device,
    split: str,
    cost: str,
    film: Callable[[Batch], np.ndarray],
) -> PosteriorEvaluation:
    """Score a split.

    ``prediction`` is the mean of the draws, ``sample`` the first of them, ``guess`` the regression network's image.
    ``ensemble/crps`` and ``spread`` are in units of the HR image's range, as the protocols' scores; ``coverage50``,
    ``68``, ``95`` are fractions of pixels inside the draws' prediction intervals; ``consistency`` is the reduced
    chi-squared of the LR image about a degraded draw. All against what was learnt (``dataset.target``).

    Args:
        draw: maps a batch to draws (B, K, H, W).
        guess: maps a batch to images (B, 1, H, W); None where there is none.
        data: the set.
        device: of the batches.
        split: of the set.
        cost: of the draws, for the record.
        film: maps a batch of one image to a draw on its way from noise, (F, H, W).
    """
    images = data.sets[split]
    spectrum, watch = Spectrum(images.pixel_scale), Stopwatch()
    rows: list[pd.DataFrame] = []
    example: dict[str, np.ndarray] = {}
    counts: Tensor | None = None
    frames = np.zeros((0, 0, 0))
    with track(f"drawing with {cost}", len(images), "images") as advance, torch.inference_mode():
        for batch in data.evaluation(split, device):
            draws = watch(draw, batch)
            seen = {
                "prediction": draws.mean(1, keepdim=True),
                "sample": draws[:, :1],
                "guess": guess(batch) if guess else None,
                "bilinear": bilinear(batch),
                "ceiling": batch.get("truth"),
            }
            rows.append(pd.DataFrame(_columns(seen, draws, batch, data, split)))
            rank = ranks(draws, batch["target"][:, 0])
            seen_ranks = torch.bincount(rank.flatten(), minlength=draws.shape[1] + 1).cpu()
            counts = seen_ranks if counts is None else counts + seen_ranks
            spectrum.add(seen, batch)
            if not example:
                example = _example(batch, seen, draws)
                frames = film(_one(batch))
            advance(len(batch["index"]))
    assert counts is not None
    count = len(counts) - 1
    return PosteriorEvaluation(
        pd.concat(rows, ignore_index=True),
        example,
        spectrum.table(),
        watch.seconds_per_image(),
        definitions=f"{Evaluation.definitions}; ensemble: {cost}; {_DEFINITIONS}",
        cost=cost,
        draws=count,
        ranks=counts.numpy(),
        frames=frames,
    )


def _columns(
    seen: dict[str, Tensor | None], draws: Tensor, batch: Batch, data: LensDataModule, split: str
) -> dict[str, Any]:
    """Return the scores of a batch, a column each."""
    columns: dict[str, Any] = {"index": batch["index"].cpu().numpy()}
    target, pixel_scale = batch["target"][:, 0], data.sets[split].pixel_scale
    for who, image in seen.items():
        if image is None:
            continue
        found = image_scores(image[:, 0], batch, pixel_scale)
        found["ensemble/crps"] = crps(draws if who == "prediction" else image, target) / _range(batch)
        # a draw of the observed image holds noise like its; the mean of the draws holds less, so a draw stands for it
        drawn = who in ("prediction", "sample") and data.target == "observed"
        one = draws[:, 0] if who == "prediction" else image[:, 0]
        chi = data.lr_chi_squared(one, batch, split, noisy=drawn)
        if chi is not None:
            found["ensemble/consistency"] = chi
        columns.update({f"{who}/{name}": value.cpu().numpy() for name, value in found.items()})
    columns.update({f"prediction/{name}": value.cpu().numpy() for name, value in _calibration(draws, batch).items()})
    return columns


def _range(batch: Batch) -> Tensor:
    flat = batch["hr"].flatten(1)
    return flat.amax(1) - flat.amin(1)


def _calibration(draws: Tensor, batch: Batch) -> dict[str, Tensor]:
    target, span = batch["target"][:, 0], _range(batch)
    return {
        "ensemble/spread": draws.var(1).mean(dim=(-2, -1)).sqrt() / span,
        "ensemble/error": (draws.mean(1) - target).square().mean(dim=(-2, -1)).sqrt() / span,
        **{f"ensemble/coverage{100 * level:.0f}": coverage(draws, target, level) for level in LEVELS},
    }


def _one(batch: Batch) -> Batch:
    """Return the example alone."""
    which = min(1, len(batch["index"]) - 1)
    return {name: value[which : which + 1] for name, value in batch.items()}  # type: ignore[index, return-value]


def _example(batch: Batch, seen: dict[str, Tensor | None], draws: Tensor) -> dict[str, np.ndarray]:
    images = example_of(batch, seen)
    which = min(1, len(batch["index"]) - 1)
    images["std"] = draws[which].std(0).float().cpu().numpy()
    for i in range(min(2, draws.shape[1])):
        images[f"draw {i + 1}"] = draws[which, i].float().cpu().numpy()
    return images
