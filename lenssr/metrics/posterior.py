"""Scores of draws from a posterior, beside those of single images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torchmetrics import MetricCollection

from lenssr.data.batches import Batch
from lenssr.metrics.calibration import LEVELS, Calibration, joint_scores, uniformity
from lenssr.metrics.ensemble import coverage, crps, ranks
from lenssr.metrics.evaluation import Evaluation, Stopwatch, bilinear, example_of, image_scores
from lenssr.metrics.per_image import Score, collection, table
from lenssr.metrics.spectrum import Spectrum
from lenssr.system.processes import share
from lenssr.system.progress import track

if TYPE_CHECKING:
    from lenssr.data import LensDataModule

__all__ = ["PosteriorEvaluation", "evaluate_posterior"]

_WHO = ("prediction", "sample", "guess", "bilinear", "ceiling")

_DEFINITIONS = (
    "crps (fair), spread and error (rms, of the mean) in units of the HR image's range; coverage of the draws' 50, 68 "
    "and 95 % prediction intervals (Student's t); quantile50, ...: the same between the draws' own quantiles, of all "
    "pixels and by brightness (sky: flux below 1 sigma of the HR noise, faint: 1 to 5, arc: above, peak: above half of "
    "the brightest pixel), worst_coverage: the largest miss of these; spread_skill: rms spread over rms error, 1 if "
    "honest; tarp, rank_flux, rank_peak: where whole images fall among their draws, _p: p-value of their being even; "
    "c2st: how often a classifier tells draws from exact ones, 0.5 if they are; "
    "consistency: reduced chi-squared of the LR image about a degraded draw, 1 if it may be of that scene; all against "
    "dataset.target"
)


@dataclass(frozen=True)
class PosteriorEvaluation(Evaluation):
    """What was found on one split with draws from posteriors.

    Attributes:
        cost: sampler, evaluations and draws.
        draws: how many from each posterior.
        example: images of one sample by name, (H, W) arrays in the set's unit, for pictures.
        frames: one draw of the example on its way from noise, (F, H, W).
        evaluations: of a network for each draw; None where none draws.
    """

    cost: str = ""
    draws: int = 0
    example: dict[str, np.ndarray] = field(default_factory=dict)
    frames: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0)))
    evaluations: int | None = None

    def summary(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return the scores; the ratio of spread and error is taken once, of their means over all images.

        (1 + 1/K) var should equal the squared error of the mean (Fortin et al. 2014, doi:10.1175/JHM-D-14-0008.1).
        """
        table = super().summary()
        spread, error = (self.per_image[f"prediction/ensemble/{name}"] for name in ("spread", "error"))
        ratio = float(np.sqrt((spread**2).mean() * (1 + 1 / self.draws) / (error**2).mean()))
        found = {"ensemble/spread_skill": ratio}
        for name in ("tarp", "rank_flux", "rank_peak"):
            found[f"ensemble/{name}_p"] = uniformity(self.per_image[f"prediction/ensemble/{name}"].to_numpy())
        if self.evaluations is not None:
            found["ensemble/evaluations"] = float(self.evaluations)
        if "prediction/ensemble/c2st" in self.per_image:  # of some images alone
            found["ensemble/c2st"] = float(self.per_image["prediction/ensemble/c2st"].mean())
        table["prediction"] |= {name: {"mean": value, "std": 0.0} for name, value in found.items()}
        return table


def evaluate_posterior(
    draw: Callable[[Batch], Tensor],
    guess: Callable[[Batch], Tensor] | None,
    data: LensDataModule,
    device: torch.device,
    split: str,
    cost: str,
    film: Callable[[Batch], np.ndarray],
    more: Mapping[str, Score] | None = None,
    evaluations: int | None = None,
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
        more: further scores of draws (B, K, H, W), by name; NaN where an image has none.
        evaluations: of a network for each draw; None where none draws.
    """
    images = data.sets[split]
    spectrum, watch = Spectrum(images.pixel_scale), Stopwatch()
    calibrated: Calibration | None = None
    told = {who: _scores(data, split, who) for who in _WHO}
    of_draws = collection({**_CALIBRATION, **(more or {})})
    example: dict[str, np.ndarray] = {}
    frames, count = np.zeros((0, 0, 0)), 0
    batches = data.evaluation(split, device, share())
    with track(f"drawing with {cost}", len(batches.range), "images") as advance, torch.inference_mode():
        for batch in batches:
            draws = watch(draw, batch)
            seen = _seen(draws, guess, batch)
            for who, image in seen.items():
                if image is not None:
                    told[who].update((image, draws), batch)
            of_draws.update(draws, batch)
            calibrated = calibrated or Calibration(draws.shape[1] + 1)
            _calibrate(calibrated, draws, batch)
            spectrum.update(seen, batch)
            if not example:
                example, count = _example(batch, seen, draws), draws.shape[1]
                frames = film(_one(batch))
            advance(len(batch["index"]))
    assert calibrated is not None
    return PosteriorEvaluation(
        _joined(told, of_draws),
        spectrum.compute(),
        watch.seconds_per_image(),
        definitions=f"{Evaluation.definitions}; ensemble: {cost}; {_DEFINITIONS}",
        cost=cost,
        draws=count,
        calibration=calibrated.compute(),
        example=example,
        frames=frames,
        evaluations=evaluations,
    )


def _calibrate(calibrated: Calibration, draws: Tensor, batch: Batch) -> None:
    """Add a batch of draws (B, K, H, W); K draws know a variance to (1 + 1/K)."""
    target, mean = batch["target"][:, 0], draws.mean(1)
    calibrated.update(ranks(draws, target), draws.var(1) * (1 + 1 / draws.shape[1]), mean - target, batch)


def _seen(draws: Tensor, guess: Callable[[Batch], Tensor] | None, batch: Batch) -> dict[str, Tensor | None]:
    return {
        "prediction": draws.mean(1, keepdim=True),
        "sample": draws[:, :1],
        "guess": guess(batch) if guess else None,
        "bilinear": bilinear(batch),
        "ceiling": batch.get("truth"),
    }


def _scores(data: LensDataModule, split: str, who: str) -> MetricCollection:
    """Return the scores of one of the images that stand for a posterior; each takes (image, draws) and the batch."""

    def of_image(score: Score) -> Score:
        return lambda told, batch: score(told[0], batch)

    def of_crps(told: tuple[Tensor, Tensor], batch: Batch) -> Tensor:
        return crps(told[1] if who == "prediction" else told[0], batch["target"][:, 0]) / _range(batch)

    def consistency(told: tuple[Tensor, Tensor], batch: Batch) -> Tensor | None:
        # a draw of the observed image holds noise like its; the mean of the draws holds less, so a draw stands for it
        drawn = who in ("prediction", "sample") and data.target == "observed"
        one = told[1][:, 0] if who == "prediction" else told[0][:, 0]
        return data.lr_chi_squared(one, batch, split, noisy=drawn)

    images = {name: of_image(score) for name, score in image_scores(data.sets[split].pixel_scale).items()}
    return collection({**images, "ensemble/crps": of_crps, "ensemble/consistency": consistency})


def _joined(told: dict[str, MetricCollection], of_draws: MetricCollection) -> pd.DataFrame:
    """Return a row an image: the scores of the images that stand for the posterior, then those of the draws."""
    return table(told).merge(table({"prediction": of_draws}), on="index")


def _range(batch: Batch) -> Tensor:
    flat = batch["hr"].flatten(1)
    return flat.amax(1) - flat.amin(1)


def _spread(draws: Tensor, batch: Batch) -> Tensor:
    return draws.var(1).mean(dim=(-2, -1)).sqrt() / _range(batch)


def _error(draws: Tensor, batch: Batch) -> Tensor:
    return (draws.mean(1) - batch["target"][:, 0]).square().mean(dim=(-2, -1)).sqrt() / _range(batch)


def _inside(level: float) -> Score:
    return lambda draws, batch: coverage(draws, batch["target"][:, 0], level)


_CALIBRATION: dict[str, Score] = {
    "ensemble/spread": _spread,
    "ensemble/error": _error,
    **{f"ensemble/coverage{100 * level:.0f}": _inside(level) for level in LEVELS},
    **joint_scores(),
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
