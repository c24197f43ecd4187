"""Pictures of what a network told: numbers against the true ones, classes against the true ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lenssr.metrics.labels import LabelEvaluation
from lenssr.results.figures.canvas import pyplot, save
from lenssr.runs.folder import Run

if TYPE_CHECKING:
    from lenssr.data import LensDataModule

__all__ = ["classes", "regression"]

_BINS = 8
_UNITS = {"log10_axion_mass": "log10(m / eV)", "theta_E": "θ_E / arcsec", "source_x": "x / arcsec"}


def regression(found: LabelEvaluation, run: Run, data: LensDataModule) -> Path:
    """Draw each target as told over its true value: images, and the mean and spread of equally filled bins."""
    right = data.label("test").numpy()[found.per_image["index"]]
    names = [name for name in data.labels if f"prediction/{name}/value" in found.per_image]  # hints are not told
    figure, axes = pyplot().subplots(2, len(names), figsize=(5 * len(names), 7), squeeze=False, layout="constrained")
    for column, name in enumerate(names):
        told = found.per_image[[f"prediction/{name}/value"]].set_axis(["told"], axis=1)
        told["true"], told["error"] = right[:, column], told["told"] - right[:, column]
        sigma = found.per_image.get(f"prediction/{name}/sigma")
        _target(axes[:, column], told if sigma is None else told.assign(sigma=sigma), name)
        scores = found.summary()["prediction"]
        mse, r2 = scores[f"{name}/mse"]["mean"], scores[f"{name}/r2"]["mean"]
        axes[0, column].set_title(f"{name}: MSE {mse:.4g}, R² {r2:.3f}", fontsize=10)
    figure.suptitle(f"{run.config['model']['name']}, sees: {data.inputs}", fontsize=11)
    return save(figure, run.file("figures") / "labels.png")


def _target(axes: Any, told: pd.DataFrame, name: str) -> None:
    above, below = axes
    unit = _UNITS.get(name, name)
    bins = told.groupby(pd.qcut(told["true"], min(_BINS, len(told)), duplicates="drop"), observed=True)
    middle, mean = bins["true"].mean(), bins["told"].mean()
    above.plot(told["true"], told["told"], ".", ms=3, alpha=0.35, color="C0", label="test images")
    above.errorbar(middle, mean, bins["told"].std(), fmt="o", color="C1", capsize=3, label="bins: mean, spread")
    ends = [told["true"].min(), told["true"].max()]
    above.plot(ends, ends, "k--", lw=1, label="true value")
    above.set(xlabel=f"true {unit}", ylabel=f"told {unit}")
    below.plot(middle, _rms(bins["error"]), "o-", color="C1", label="root mean square error")
    below.plot(middle, bins["error"].mean(), "s--", color="C2", label="bias")
    if "sigma" in told:
        below.plot(middle, _rms(bins["sigma"]), "^:", color="C0", label="told standard deviation")
    below.axhline(0, color="k", lw=0.8)
    below.set(xlabel=f"true {unit}", ylabel="error, the same unit")
    for axis in axes:
        axis.legend(fontsize=8)


def _rms(groups: Any) -> pd.Series:
    return groups.apply(lambda values: np.sqrt((values**2).mean()))


def classes(found: LabelEvaluation, run: Run, data: LensDataModule) -> Path:
    """Draw the ROC curve of each class and the confusion of the likeliest ones."""
    names = list(data.source.classes)
    right = data.label("test").numpy()[found.per_image["index"], 0].astype(int)
    told = np.stack([found.per_image[f"prediction/probability_{name}/value"] for name in names], axis=1)
    figure, (left, middle) = pyplot().subplots(1, 2, figsize=(10, 4.4), layout="constrained")
    for i, name in enumerate(names):
        hits = (right == i)[np.argsort(-told[:, i])]
        area = found.extra["prediction"][f"class/auc_{name}"]
        rates = [np.concatenate([[0], np.cumsum(x) / max(1, x.sum())]) for x in (~hits, hits)]
        left.plot(*rates, label=f"{name}, area {area:.3f}")
    left.plot([0, 1], [0, 1], "k--", lw=1)
    left.set(xlabel="false positive rate", ylabel="true positive rate", aspect="equal")
    left.legend(fontsize=9)
    confusion = np.zeros((len(names), len(names)))
    np.add.at(confusion, (right, told.argmax(1)), 1)
    confusion /= confusion.sum(1, keepdims=True).clip(min=1)
    drawn = middle.imshow(confusion, vmin=0, vmax=1, cmap="Blues")
    for (row, column), value in np.ndenumerate(confusion):
        middle.text(column, row, f"{value:.2f}", ha="center", va="center", color="w" if value > 0.6 else "k")
    middle.set(xlabel="told", ylabel="true", xticks=range(len(names)), yticks=range(len(names)))
    middle.set_xticklabels(names)
    middle.set_yticklabels(names)
    figure.colorbar(drawn, ax=middle).set_label("fraction of the true class")
    figure.suptitle(f"{run.config['model']['name']}, sees: {data.inputs}", fontsize=11)
    return save(figure, run.file("figures") / "labels.png")
