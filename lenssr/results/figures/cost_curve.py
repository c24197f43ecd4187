"""What more evaluations of a diffusion model's network buy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lenssr.metrics.calibration import LEVELS
from lenssr.results.figures.canvas import mark_decades, pyplot, save
from lenssr.results.tables.table import Row
from lenssr.runs.folder import RunResult
from lenssr.runs.load import read_config

__all__ = ["cost_curve"]

_QUALITIES = {
    "truth/psnr": "PSNR of the draws' mean\nvs truth / dB",
    "ensemble/crps": "CRPS",
    "coverage": "coverage error, mean of\n50, 68, 95 % intervals / %",
}
_REFERENCES = {"guess": ("regression alone", "--"), "bilinear": ("bilinear", ":")}


def cost_curve(rows: list[Row], path: Path) -> Path:
    """Draw three qualities over network evaluations and over time, a line a solver; bars are spreads over seeds."""
    shape = {"figsize": (11, 8), "layout": "constrained", "sharey": "row", "sharex": "col"}
    figure, axes = pyplot().subplots(len(_QUALITIES), 2, **shape)
    handles: dict[str, Any] = {}
    for i, (solver, points) in enumerate(_by_solver(rows).items()):
        points.sort(key=lambda point: point[0])
        evaluations = [count for count, _ in points]
        times = [float(np.median([r.metrics["seconds_per_image"] for r in results])) for _, results in points]
        style = {"marker": "osD^vP"[i % 6], "ms": 5, "capsize": 3, "color": f"C{i}", "lw": 1.2}
        for line, key in zip(axes, _QUALITIES, strict=True):
            values = [[_quality(result, "prediction", key) for result in results] for _, results in points]
            mean, spread = [np.mean(v) for v in values], [np.std(v, ddof=1) if len(v) > 1 else 0.0 for v in values]
            for axis, x in zip(line, (evaluations, times), strict=True):
                handles[solver] = axis.errorbar(x, mean, spread, **style)
    every = [result for row in rows for result in row.results]
    for line, (key, label) in zip(axes, _QUALITIES.items(), strict=True):
        line[0].set_ylabel(label, fontsize=9)
        for axis in line:
            axis.grid(alpha=0.3, which="both")
            if key == "ensemble/crps":
                axis.set_yscale("log")
                mark_decades(axis.yaxis)
            if key != "coverage":
                handles |= _lines(axis, every, key)
    for axis, label in zip(
        axes[-1], ("evaluations of the network for a draw", "seconds for an image's draws"), strict=True
    ):
        axis.set(xscale="log", xlabel=label)
        mark_decades(axis.xaxis)
    axes[-1, 0].set_ylim(bottom=0)
    figure.legend(handles.values(), handles.keys(), loc="outside right center", fontsize=9, frameon=False)
    return save(figure, path)


def _by_solver(rows: list[Row]) -> dict[str, list[tuple[int, list[RunResult]]]]:
    found: dict[str, list[tuple[int, list[RunResult]]]] = {}
    labels: dict[str, str] = {}
    for row in rows:
        if row.results and not row.limit and "ensemble/crps" in row.results[0].metrics["scores"]["prediction"]:
            config = read_config(row.results[0].folder)
            task, solver = config["task"], str(config["model"]["name"])  # which draws at once, without a solver
            if "sampler" in task:
                solver = task["sampler"].replace("_", ", ") + ("" if task["residual"] else ", no residual")
            found.setdefault(solver, []).append((task.get("evaluations", 1), row.results))
            labels[solver] = row.label
    # a solver that has one row goes by its name
    return {labels[solver] if len(points) == 1 else solver: points for solver, points in found.items()}


def _quality(result: RunResult, who: str, key: str) -> float:
    scores = result.metrics["scores"][who]
    if key == "coverage":
        return 100 * float(np.mean([abs(scores[f"ensemble/coverage{100 * p:.0f}"]["mean"] - p) for p in LEVELS]))
    return float(scores[key]["mean"])


def _lines(axis: Any, results: list[RunResult], key: str) -> dict[str, Any]:
    """Draw what needs no evaluation as horizontal lines."""
    drawn = {}
    for who, (label, style) in _REFERENCES.items():
        known = [_quality(r, who, key) for r in results if key in r.metrics["scores"].get(who, {})]
        if known:
            drawn[label] = axis.axhline(float(np.mean(known)), color="0.4", ls=style, lw=1)
    return drawn
