"""Pictures of fitted lenses: what was measured against the truth, with the errors that the fits tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lenssr.modelling.scores import GROUPS, ModellingEvaluation
from lenssr.results.figures.canvas import pyplot, save
from lenssr.runs.folder import Run

if TYPE_CHECKING:
    from lenssr.data import LensDataModule

__all__ = ["measurements"]

_TITLES = {
    "theta_E": "Einstein radius / arcsec",
    "ellipticity": "ellipticity of the mass",
    "shear": "external shear",
    "source": "source position from the lens / arcsec",
}


def measurements(found: ModellingEvaluation, run: Run, data: LensDataModule) -> Path:
    """Draw each quantity as fitted over its true value, with told standard deviations; failed fits in red."""
    table = found.per_image
    failed = table["prediction/fit/failed"].to_numpy(bool)
    scores = found.summary()["prediction"]
    figure, axes = pyplot().subplots(1, len(GROUPS), figsize=(4.2 * len(GROUPS), 4.4), layout="constrained")
    for axis, (group, names) in zip(axes, GROUPS.items(), strict=True):
        right = np.concatenate([table[f"right/{name}"] for name in names])
        for some, colour, label in ((~failed, "C0", "fits"), (failed, "C3", "failed fits")):
            chosen = np.tile(some, len(names))
            told, sigma = (
                np.concatenate([table[f"prediction/{name}/{key}"] for name in names]) for key in ("value", "sigma")
            )
            if chosen.any():
                axis.errorbar(
                    right[chosen], told[chosen], sigma[chosen], fmt="o", ms=3, lw=0.8, color=colour, label=label
                )
        room = 0.25 * np.ptp(right) + 1e-3
        ends = [right.min() - room, right.max() + room]
        axis.plot(ends, ends, "k--", lw=1, label="true value")
        axis.set(xlim=ends, ylim=ends, xlabel="true", ylabel="fitted", aspect="equal")
        axis.set_title(f"{_TITLES[group]}\npull {scores[f'{group}/pull']['mean']:.2f}", fontsize=10)
    axes[0].legend(fontsize=8)
    figure.suptitle(f"fits of: {run.config['model']['image'].replace('_', '-')} images", fontsize=11)
    return save(figure, run.file("figures") / "measurements.png")
