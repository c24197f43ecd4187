"""Scores of a network that tells labels: one row an image, as for images, so that the same paired tests apply."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.functional import r2_score
from torchmetrics.functional.classification import binary_auroc

from lenssr.data.batches import Batch
from lenssr.metrics.evaluation import Stopwatch, spread_of
from lenssr.metrics.per_image import Score, collection, table
from lenssr.system.progress import track

__all__ = ["LabelEvaluation", "evaluate_classes", "evaluate_regression", "seen"]

_INTERVALS = {"within68": 0.6826894921370859, "within95": 0.95}


@dataclass(frozen=True)
class LabelEvaluation:
    """What was found on one split.

    Attributes:
        per_image: a row an image: ``index`` and ``<who>/<label>/<score>``; ``value`` and ``sigma`` are no scores.
        extra: scores of the whole split, who -> ``<label>/<score>`` -> number.
        definitions: what the scores mean.
        seconds_per_image: that the network takes.
    """

    per_image: pd.DataFrame
    extra: dict[str, dict[str, float]]
    definitions: str
    seconds_per_image: float
    spectrum: None = field(default=None)
    calibration: None = field(default=None)

    def summary(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return who -> ``label/score`` -> mean and standard deviation over the images."""
        told = [c for c in self.per_image.columns if c.rpartition("/")[2] in ("value", "sigma")]
        table = spread_of(self.per_image.drop(columns=told))
        for who, scores in self.extra.items():
            for name, value in scores.items():
                table.setdefault(who, {})[name] = {"mean": value, "std": 0.0}
        return table


def seen(predict: Callable[[Batch], Any], batches: Iterable[Batch], count: int, scores: MetricCollection) -> float:
    """Score all batches; return the seconds an image."""
    watch = Stopwatch()
    with track("testing", count, "images") as advance, torch.inference_mode():
        for batch in batches:
            scores.update(watch(predict, batch), batch)
            advance(len(batch["index"]))
    return watch.seconds_per_image()


def evaluate_regression(
    predict: Callable[[Batch], tuple[Tensor, Tensor | None]],
    batches: Iterable[Batch],
    count: int,
    means: Tensor,
    names: list[str],
) -> LabelEvaluation:
    """Score predicted numbers.

    Args:
        predict: maps a batch to the numbers (B, T) and their standard deviations, or None.
        batches: the split, with the right numbers as ``label``.
        count: images in it, for the progress bar.
        means: of the training labels (T,): the prediction to beat.
        names: of the numbers.
    """
    scores = collection({key: score for i, name in enumerate(names) for key, score in _number(i, name, means[i])})
    seconds = seen(predict, batches, count, scores)
    found = table({"": scores})
    extra = {
        f"{name}/r2": float(r2_score(_tensor(found, f"prediction/{name}/value"), _tensor(found, f"right/{name}")))
        for name in names
    }
    definitions = (
        "mse, mae: of each target in its own unit (log10_axion_mass: dex); r2: fraction of its variance explained; "
        "within68, within95: how often the central interval of the predicted Gaussian holds the true value; mean: "
        "the mean training label told for every image"
    )
    shown = found.drop(columns=[f"right/{name}" for name in names])
    return LabelEvaluation(shown, {"prediction": extra}, definitions, seconds)


def _tensor(frame: pd.DataFrame, column: str) -> Tensor:
    return torch.from_numpy(frame[column].to_numpy(copy=True))


def _number(i: int, name: str, mean: Tensor) -> Iterator[tuple[str, Score]]:
    """Yield the scores of the i-th number that a network tells, as (mean (B, T), sigma (B, T) or None)."""
    from scipy.stats import norm

    def right(batch: Batch) -> Tensor:
        return batch["label"][:, i].double()

    def error(told: Any, batch: Batch) -> Tensor:
        return told[0][:, i].double() - right(batch)

    def sigma(told: Any, batch: Batch) -> Tensor | None:
        return None if told[1] is None else told[1][:, i].double()

    def given(score: Callable[[Tensor, Tensor], Tensor]) -> Score:
        """Return a score of error and sigma, where a sigma is told."""
        return lambda told, batch: None if told[1] is None else score(error(told, batch), told[1][:, i].double())

    def within(reach: float) -> Score:
        return given(lambda e, s: ((e / s).abs() < reach).double())

    yield f"prediction/{name}/mse", lambda told, batch: error(told, batch).square()
    yield f"prediction/{name}/mae", lambda told, batch: error(told, batch).abs()
    yield f"mean/{name}/mse", lambda told, batch: (float(mean) - right(batch)).square()
    yield f"mean/{name}/mae", lambda told, batch: (float(mean) - right(batch)).abs()
    yield f"prediction/{name}/value", lambda told, batch: told[0][:, i]
    yield f"prediction/{name}/sigma", sigma
    yield f"prediction/{name}/nll", given(lambda e, s: 0.5 * (e / s).square() + (s * (2 * torch.pi) ** 0.5).log())
    for key, level in _INTERVALS.items():
        yield f"prediction/{name}/{key}", within(float(norm.ppf(0.5 + level / 2)))
    yield f"right/{name}", lambda told, batch: right(batch)


def evaluate_classes(
    predict: Callable[[Batch], Tensor], batches: Iterable[Batch], count: int, classes: list[str]
) -> LabelEvaluation:
    """Score predicted classes.

    Args:
        predict: maps a batch to probabilities (B, classes).
        batches: the split, with the number of the right class as ``label``.
        count: images in it, for the progress bar.
        classes: their names.
    """
    scores = collection(dict(_class_scores(classes)))
    seconds = seen(predict, batches, count, scores)
    found = table({"": scores})
    right = _tensor(found, "right/class").long()
    extra: dict[str, dict[str, float]] = {"prediction": {}, "chance": {"class/accuracy": 1 / len(classes)}}
    for i, name in enumerate(classes):
        told = _tensor(found, f"prediction/probability_{name}/value")
        extra["prediction"][f"class/auc_{name}"] = float(binary_auroc(told, (right == i).long()))
        extra["chance"][f"class/auc_{name}"] = 0.5
    definitions = (
        "accuracy: fraction of images whose likeliest class is the right one; nll: minus the logarithm of the "
        "probability given to it; auc_<class>: area under the ROC curve of that class against the others; chance: "
        "guessing"
    )
    return LabelEvaluation(found.drop(columns="right/class"), extra, definitions, seconds)


def _class_scores(classes: list[str]) -> Iterator[tuple[str, Score]]:
    def right(batch: Batch) -> Tensor:
        return batch["label"][:, 0].long()

    def surprise(told: Tensor, batch: Batch) -> Tensor:
        return -told.double().gather(1, right(batch).unsqueeze(1))[:, 0].clamp(min=1e-12).log()

    def probability(i: int) -> Score:
        return lambda told, batch: told[:, i]

    yield "prediction/class/accuracy", lambda told, batch: (told.argmax(1) == right(batch)).double()
    yield "prediction/class/nll", surprise
    for i, name in enumerate(classes):
        yield f"prediction/probability_{name}/value", probability(i)
    yield "right/class", lambda told, batch: right(batch)
