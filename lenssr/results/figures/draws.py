"""Pictures of a table of posteriors: draws of every row beside exact ones, and whether intervals hold what they say."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
import torch

from lenssr.metrics.calibration import BINS, LEVELS
from lenssr.results.figures.canvas import pyplot, save, stretch
from lenssr.results.figures.sample import sample_of
from lenssr.results.tables.table import Row
from lenssr.runs.records import has_weights

__all__ = ["coverage", "draws", "has_exact"]

_TOLERANCE = 3  # per cent by which coverage may miss
_WORDS = {
    "sky": "sky: below 1 σ of the HR noise",
    "faint": "faint: 1 to 5 σ",
    "arc": "arc: above 5 σ",
    "peak": "peak: above half of the maximum",
}


def has_exact(rows: list[Row]) -> bool:
    """Whether a limit among the rows draws from the exact posterior."""
    return any(row.limit and "ensemble/crps" in row.results[0].metrics["scores"]["prediction"] for row in rows)


def coverage(rows: list[Row], path: Path) -> Path:
    """Draw by brightness how far coverage misses its level: a line a row, bars its spread over seeds.

    Of a single run the bars are standard errors over images.
    """
    figure, axes = pyplot().subplots(1, len(BINS), figsize=(13, 4.2), layout="constrained", sharey=True)
    levels = 100 * np.array(LEVELS)
    for i, row in enumerate(rows):
        tables = [pd.read_parquet(result.folder / "calibration.parquet") for result in row.results]
        for axis, name in zip(axes, BINS, strict=True):
            found = [table[table["brightness"] == name].iloc[0] for table in tables]
            misses = np.array([[100 * one[f"coverage{level:.0f}"] - level for level in levels] for one in found])
            error = np.array([100 * found[0][f"coverage{level:.0f}_error"] for level in levels])
            bars = misses.std(0, ddof=1) if len(misses) > 1 else error
            style = {"fmt": "osD^vP"[i % 6] + "-", "ms": 5, "capsize": 3, "lw": 1, "color": f"C{i}"}
            axis.errorbar(levels + 1.5 * (i - (len(rows) - 1) / 2), misses.mean(0), bars, label=row.label, **style)
    for axis, name in zip(axes, BINS, strict=True):
        axis.axhspan(-_TOLERANCE, _TOLERANCE, color="0.9", lw=0)
        axis.axhline(0, color="0.5", ls="--", lw=1)
        axis.set(xlabel="nominal coverage / %", xticks=levels)
        axis.set_title(_WORDS[name], fontsize=10)
    axes[0].set_ylabel("coverage − nominal / %")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(rows), frameon=False)
    return save(figure, path)


def draws(rows: list[Row], path: Path, index: int = 1) -> Path:
    """Draw two draws of every row for one lens, what they differ by from their mean, its error, and their spread."""
    from matplotlib.colors import Normalize
    from matplotlib.ticker import MaxNLocator

    shown = [(row.label, result) for row in rows if (result := next(filter(has_weights, row.results), None))]
    found = [(label, *_drawn(result, index)) for label, result in shown]
    _, _, seen, pixel = found[0]
    brightness, half = stretch(seen["hr"], seen["truth"]), seen["truth"].shape[-1] * pixel / 2
    # of the row in the middle: the widest one's colours would show nothing of the others
    widest = float(np.median([np.quantile(images.std(0), 0.999) for _, images, _, _ in found]))
    differ, spread = Normalize(-3 * widest, 3 * widest), Normalize(0, widest)
    headings = ("draw 1", "draw 2", "draw 1 − mean", "draw 2 − mean", "mean − truth", "standard deviation")
    lines = len(found)
    figure, axes = pyplot().subplots(
        lines, 6, figsize=(13.5, 2.2 * lines + 0.6), layout="constrained", squeeze=False, sharex=True, sharey=True
    )
    bars: dict[str, Any] = {}
    for line, (label, images, _, _) in zip(axes, found, strict=True):
        mean = images.mean(0)
        panels = [
            *((image, brightness, "inferno") for image in images[:2]),
            *((image - mean, differ, "RdBu_r") for image in images[:2]),
            (mean - seen["truth"], differ, "RdBu_r"),
            (images.std(0), spread, "viridis"),
        ]
        for axis, heading, (image, norm, colours) in zip(line, headings, panels, strict=True):
            extent = (-half, half, -half, half)
            bars[colours] = axis.imshow(image, norm=norm, cmap=colours, origin="lower", extent=extent)
            axis.tick_params(labelsize=7)
            if axis in axes[0]:
                axis.set_title(heading, fontsize=10)
        line[0].set_ylabel(fill(label, 22), fontsize=9)
    for colours, span, aspect, label, beyond in (
        ("inferno", axes[:, :2], 30, "flux / HR pixel / unit time (asinh)", "neither"),
        ("RdBu_r", axes[:, 2:5], 45, "difference of flux", "both"),
        ("viridis", axes[:, 5:], 15, "flux", "max"),
    ):
        bar = figure.colorbar(bars[colours], ax=span, location="bottom", aspect=aspect, shrink=0.9, extend=beyond)
        bar.set_label(label, fontsize=8)
        bar.ax.tick_params(labelsize=7)
        if colours == "viridis":
            bar.locator = MaxNLocator(3)
        if colours == "inferno":
            bar.set_ticks([0, 0.01, 0.03, 0.1], labels=["0", "0.01", "0.03", "0.1"])
    figure.supxlabel("arcsec", fontsize=9)
    return save(figure, path, dpi=110)


def _drawn(result: Any, index: int) -> tuple[np.ndarray, dict[str, np.ndarray], float]:
    """Return a run's draws of one test sample (K, H, W) and the sample, both as fluxes, and the pixel scale, arcsec."""
    task, data, one = sample_of(result, index)
    asked: Any = task  # a Posterior, or the limit
    with torch.inference_mode():
        images = asked.posterior(one)[0].numpy() * data.unit
    seen = {name: one[name][0, 0].numpy() * data.unit for name in ("hr", "truth")}
    return images, seen, data.sets["test"].pixel_scale
