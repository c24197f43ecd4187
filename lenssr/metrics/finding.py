"""Scores of a network that finds lenses: the area under its ROC curve, and completeness at few false positives.

Each score comes with an interval over the test images (bootstrap over lenses and over the others apart, so that the
threshold varies too), and as a number for each image whose mean is the score and whose spread over the root of their
number is its standard error, to first order (for the area DeLong et al. 1988, doi:10.2307/2531595), so that the tables'
tests of means hold for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from lenssr.data.batches import Batch
from lenssr.metrics.labels import LabelEvaluation, seen
from lenssr.metrics.per_image import collection, table

__all__ = ["RATES", "FindingEvaluation", "completeness", "evaluate_finding", "pseudo_auroc", "pseudo_completeness"]

RATES = {"finding/completeness_1": 0.01, "finding/completeness_01": 0.001}
_AUROC = "finding/auroc"
_DRAWS = 1000
_REACH = 2.0  # the ROC curve's slope is that between a rate over this number and the rate times it
_DEFINITIONS = (
    "auroc: area under the ROC curve, the share of pairs of a lens and another galaxy in which the lens has the higher "
    "score; completeness_1, completeness_01: share of lenses above the threshold that 1 %, 0.1 % of the others pass; "
    "low, high: 95 % interval, bootstrap over lenses and over others; nll: minus the logarithm of the probability "
    "given to what is there; chance: guessing"
)
_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FindingEvaluation(LabelEvaluation):
    """What was found on one split.

    Attributes:
        intervals: 95 % intervals over the images of the prediction's scores.
    """

    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)

    def summary(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return who -> score -> ``mean``, ``std`` and, where there is an interval, ``low`` and ``high``."""
        found = super().summary()
        for name, (low, high) in self.intervals.items():
            found["prediction"][name] |= {"low": low, "high": high}
        return found


def completeness(scores: _Floats, lens: NDArray[np.bool_], rate: float) -> tuple[float, float]:
    """Return the share of lenses above the threshold that a rate of the others pass at most, and the threshold.

    Args:
        scores: of images (N,), higher for lenses.
        lens: which are lenses (N,).
        rate: of false positives.
    """
    others = np.sort(scores[~lens])[::-1]
    threshold = float(others[min(int(rate * len(others) + 1e-9), len(others) - 1)])
    return float((scores[lens] > threshold).mean()), threshold


def pseudo_auroc(scores: _Floats, lens: NDArray[np.bool_]) -> _Floats:
    """Return a number for each image (N,) whose mean is the area under the ROC curve (DeLong et al. 1988, eq. 4-5)."""
    yes, no = np.sort(scores[lens]), np.sort(scores[~lens])
    below = _placed(no, scores[lens])
    placed = np.empty(len(scores))
    placed[lens], placed[~lens] = below, 1 - _placed(yes, scores[~lens])
    area, count = below.mean(), len(scores)
    return area + np.where(lens, count / len(yes), count / len(no)) * (placed - area)


def _placed(sorted_scores: _Floats, scores: _Floats) -> _Floats:
    """Return the share of sorted scores that lie below each score, equal ones as a half."""
    left, right = (np.searchsorted(sorted_scores, scores, side) for side in ("left", "right"))
    return (left + right) / 2 / len(sorted_scores)


def pseudo_completeness(scores: _Floats, lens: NDArray[np.bool_], rate: float) -> _Floats:
    """Return a number for each image (N,) whose mean is the completeness at a rate of false positives.

    A lens tells whether it is found. Another galaxy tells by how much its own place moves the threshold, and with it
    the completeness, along the slope of the ROC curve about that rate.
    """
    share, threshold = completeness(scores, lens, rate)
    over, count = scores > threshold, len(scores)
    ends = rate / _REACH, min(1.0, rate * _REACH)
    rise = completeness(scores, lens, ends[1])[0] - completeness(scores, lens, ends[0])[0]
    slope, passed = rise / (ends[1] - ends[0]), over[~lens].mean()
    found = np.empty(count)
    found[lens] = share + count / lens.sum() * (over[lens] - share)
    found[~lens] = share - count / (~lens).sum() * slope * (over[~lens] - passed)
    return found


def intervals(scores: _Floats, lens: NDArray[np.bool_], draws: int = _DRAWS) -> dict[str, tuple[float, float]]:
    """Return 95 % intervals of every score, by the percentiles of a bootstrap over lenses and over others."""
    rng, yes, no = np.random.default_rng(0), scores[lens], scores[~lens]
    found: dict[str, list[float]] = {name: [] for name in (_AUROC, *RATES)}
    for _ in range(draws):
        some, others = rng.choice(yes, len(yes)), np.sort(rng.choice(no, len(no)))
        found[_AUROC].append(float(_placed(others, some).mean()))
        for name, rate in RATES.items():
            threshold = others[max(0, len(others) - 1 - int(rate * len(others) + 1e-9))]
            found[name].append(float((some > threshold).mean()))
    quantiles = {name: np.quantile(values, [0.025, 0.975]) for name, values in found.items()}
    return {name: (float(low), float(high)) for name, (low, high) in quantiles.items()}


def evaluate_finding(predict: Callable[[Batch], Tensor], batches: Iterable[Batch], count: int) -> FindingEvaluation:
    """Score a network that finds lenses.

    Args:
        predict: maps a batch to logits (B,).
        batches: the split, with 1 as ``label`` of a lens and 0 of another galaxy.
        count: images in it, for the progress bar.
    """

    def right(told: Tensor, batch: Batch) -> Tensor:
        return batch["label"][:, 0].double()

    def surprise(told: Tensor, batch: Batch) -> Tensor:
        import torch.nn.functional as F

        return F.binary_cross_entropy_with_logits(told.double(), right(told, batch), reduction="none")

    told: Any = {
        "prediction/finding/nll": surprise,
        "prediction/probability/value": lambda told, batch: told.double().sigmoid(),
        "prediction/logit/value": lambda told, batch: told.double(),
        "prediction/right/value": right,
    }
    scores = collection(told)
    seconds = seen(predict, batches, count, scores)
    frame = table({"": scores})
    return scored(frame, seconds)


def scored(frame: pd.DataFrame, seconds: float) -> FindingEvaluation:
    """Return the scores of a table that has ``prediction/logit/value`` and ``prediction/right/value``."""
    logit, lens = frame["prediction/logit/value"].to_numpy(float), frame["prediction/right/value"].to_numpy() > 0.5
    chance = {"class/accuracy": float(max(lens.mean(), 1 - lens.mean())), _AUROC: 0.5}
    if lens.all() or not lens.any():  # of one class alone there is nothing to rank
        return FindingEvaluation(frame, {"chance": chance}, _DEFINITIONS, seconds)
    added = {f"prediction/{_AUROC}": pseudo_auroc(logit, lens)}
    added |= {f"prediction/{name}": pseudo_completeness(logit, lens, rate) for name, rate in RATES.items()}
    extra = {"chance": chance | RATES}
    return FindingEvaluation(frame.assign(**added), extra, _DEFINITIONS, seconds, intervals=intervals(logit, lens))
