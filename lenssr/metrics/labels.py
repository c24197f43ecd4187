"""Scores of a network that tells labels: one row an image, as for images, so that the same paired tests apply."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lenssr.data.batches import Batch
from lenssr.metrics.evaluation import Stopwatch, spread_of
from lenssr.system.progress import track

__all__ = ["LabelEvaluation", "evaluate_classes", "evaluate_regression"]

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

    def summary(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return who -> ``label/score`` -> mean and standard deviation over the images."""
        told = [c for c in self.per_image.columns if c.rpartition("/")[2] in ("value", "sigma")]
        table = spread_of(self.per_image.drop(columns=told))
        for who, scores in self.extra.items():
            for name, value in scores.items():
                table.setdefault(who, {})[name] = {"mean": value, "std": 0.0}
        return table


def _told(predict: Callable[[Batch], Any], batches: Iterable[Batch], count: int) -> tuple[Any, np.ndarray, float]:
    """Return the predictions of all batches, the images' indices and the seconds an image."""
    watch, found, index = Stopwatch(), [], []
    with track("testing", count, "images") as advance, torch.inference_mode():
        for batch in batches:
            found.append(watch(predict, batch))
            index.append(batch["index"].cpu().numpy())
            advance(len(batch["index"]))
    return found, np.concatenate(index), watch.seconds_per_image()


def evaluate_regression(
    predict: Callable[[Batch], tuple[Tensor, Tensor | None]],
    batches: Iterable[Batch],
    labels: Tensor,
    means: Tensor,
    names: list[str],
) -> LabelEvaluation:
    """Score predicted numbers.

    Args:
        predict: maps a batch to the numbers (B, T) and their standard deviations, or None.
        batches: the split.
        labels: the right numbers (N, T), by index.
        means: of the training labels (T,): the prediction to beat.
        names: of the numbers.
    """
    from scipy.stats import norm

    found, index, seconds = _told(predict, batches, len(labels))
    values = torch.cat([mean for mean, _ in found]).cpu().double().numpy()
    sigmas = None if found[0][1] is None else torch.cat([sigma for _, sigma in found]).cpu().double().numpy()
    right = labels.double().numpy()[index]
    columns: dict[str, Any] = {"index": index}
    extra: dict[str, dict[str, float]] = {"prediction": {}}
    for i, name in enumerate(names):
        for who, told in {"prediction": values[:, i], "mean": np.full(len(index), float(means[i]))}.items():
            error = told - right[:, i]
            columns |= {f"{who}/{name}/mse": error**2, f"{who}/{name}/mae": np.abs(error)}
        columns[f"prediction/{name}/value"] = values[:, i]
        total = ((right[:, i] - right[:, i].mean()) ** 2).mean()
        extra["prediction"][f"{name}/r2"] = float(1 - columns[f"prediction/{name}/mse"].mean() / total)
        if sigmas is not None:
            z = (values[:, i] - right[:, i]) / sigmas[:, i]
            columns[f"prediction/{name}/sigma"] = sigmas[:, i]
            columns[f"prediction/{name}/nll"] = 0.5 * z**2 + np.log(sigmas[:, i] * np.sqrt(2 * np.pi))
            for key, level in _INTERVALS.items():
                columns[f"prediction/{name}/{key}"] = (np.abs(z) < norm.ppf(0.5 + level / 2)).astype(float)
    definitions = (
        "mse, mae: of each target in its own unit (log10_axion_mass: dex); r2: fraction of its variance explained; "
        "within68, within95: how often the central interval of the predicted Gaussian holds the true value; mean: "
        "the mean training label told for every image"
    )
    return LabelEvaluation(pd.DataFrame(columns), extra, definitions, seconds)


def evaluate_classes(
    predict: Callable[[Batch], Tensor], batches: Iterable[Batch], labels: Tensor, classes: list[str]
) -> LabelEvaluation:
    """Score predicted classes.

    Args:
        predict: maps a batch to probabilities (B, classes).
        batches: the split.
        labels: numbers of the right classes (N,), by index.
        classes: their names.
    """
    from torchmetrics.functional.classification import binary_auroc

    found, index, seconds = _told(predict, batches, len(labels))
    told, right = torch.cat(found).cpu().double(), labels.long()[torch.from_numpy(index)]
    hit = (told.argmax(1) == right).double().numpy()
    surprise = -told.gather(1, right.unsqueeze(1))[:, 0].clamp(min=1e-12).log().numpy()
    columns: dict[str, Any] = {"index": index, "prediction/class/accuracy": hit, "prediction/class/nll": surprise}
    extra: dict[str, dict[str, float]] = {"prediction": {}, "chance": {"class/accuracy": 1 / len(classes)}}
    for i, name in enumerate(classes):
        columns[f"prediction/probability_{name}/value"] = told[:, i].numpy()
        extra["prediction"][f"class/auc_{name}"] = float(binary_auroc(told[:, i], (right == i).long()))
        extra["chance"][f"class/auc_{name}"] = 0.5
    definitions = (
        "accuracy: fraction of images whose likeliest class is the right one; nll: minus the logarithm of the "
        "probability given to it; auc_<class>: area under the ROC curve of that class against the others; chance: "
        "guessing"
    )
    return LabelEvaluation(pd.DataFrame(columns), extra, definitions, seconds)
