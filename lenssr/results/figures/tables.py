"""Pictures of a table: one lens through every model, quality against cost, power against frequency."""

from __future__ import annotations

import shutil
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import torch

from lenssr.results.figures.canvas import colour, mark, mark_decades, pyplot, save, stretch
from lenssr.results.figures.cost_curve import cost_curve
from lenssr.results.figures.draws import coverage, draws, has_exact
from lenssr.results.figures.finding import table_pictures
from lenssr.results.figures.intervals import has_intervals, intervals
from lenssr.results.figures.labels_curve import labels_curve
from lenssr.results.figures.sample import sample_of
from lenssr.results.figures.shots_curve import shots_curve
from lenssr.results.figures.spectra import spectra
from lenssr.results.tables.table import Row, Table
from lenssr.results.tables.times import read_times
from lenssr.runs.folder import RunResult
from lenssr.runs.load import read_config
from lenssr.runs.records import has_weights
from lenssr.system.files import whole_file

__all__ = ["draw"]

_COLUMNS = (6, 5, 4)  # of a grid of pictures: the first that leaves the fewest places empty
_MARKERS = "osD^vP*X<>hdp"


def draw(table: Table, folder: Path) -> list[Path]:
    """Write ``<table>_{grid,cost,spectrum}.png`` of a table of images, ``<table>_scores.png`` of one of labels.

    One of lens finders gets ``<table>_{roc,errors}.png``, one whose scores have intervals over images
    ``<table>_intervals.png``, one over the number of training images ``<table>_curve.png``. Where all rows are one
    network there is no cost to compare. Rows without a finished run are left out; where there is none, nothing is
    written.
    """
    rows = [row for row in table.rows if row.results]
    if not rows:
        return []
    if any(column.key == "finding/auroc" for column in table.columns):
        return table_pictures(table, folder)
    if has_intervals(table):
        return [intervals(table, folder / f"{table.name}_intervals.png")]
    if any(row.curve for row in rows) and not any(_has(result, "report/psnr") for result in rows[0].results):
        return [labels_curve(table, folder / f"{table.name}_curve.png")]
    if not any(_has(result, "report/psnr") for row in rows for result in row.results):
        return [_labels(table, folder / f"{table.name}_scores.png")]
    if any(row.curve for row in rows):
        return [shots_curve(table, folder / f"{table.name}_curve.png")]
    drawn = any(_has(result, "ensemble/crps") for row in rows if not row.limit for result in row.results)
    costs = folder / f"{table.name}_cost.png"
    # one network costs the same whatever its loss, and what was measured would only show the machine's other work
    compared = drawn or len({row.parameters for row in rows if row.parameters}) > 1
    grid = folder / f"{table.name}_grid.png"
    if any(has_weights(result) for row in rows for result in row.results):
        _grid(rows, grid)
    return [
        *([grid] if grid.is_file() else []),  # of records alone, one that was drawn before stays
        *([cost_curve(rows, costs) if drawn else _cost(table, rows, costs)] if compared else []),
        spectra(rows, folder / f"{table.name}_spectrum.png"),
        *(_of_exact(table, rows, folder) if drawn and has_exact(rows) else []),
        *(_of_the_baseline(table, folder) if drawn else []),
    ]


def _of_exact(table: Table, rows: list[Row], folder: Path) -> list[Path]:
    """Draw what is known where exact draws are: every row's beside them, and its coverage by brightness."""
    drawing = [row for row in rows if _has(row.results[0], "ensemble/crps")]
    beside = folder / f"{table.name}_draws.png"
    if any(has_weights(result) for row in drawing for result in row.results):
        draws(drawing, beside)
    return [
        *([beside] if beside.is_file() else []),
        coverage(drawing, folder / f"{table.name}_coverage.png"),
    ]


def _of_the_baseline(table: Table, folder: Path) -> list[Path]:
    """Copy what the baseline's first run drew of its posteriors."""
    results = next((row.results for row in table.rows if row.label == table.baseline), [])
    pictures = []
    for name in ("calibration", "samples"):
        drawn = results[0].run / "figures" / f"{name}.png" if results else None
        if drawn and drawn.is_file():
            with whole_file(folder / f"{table.name}_{name}.png") as temporary:
                shutil.copyfile(drawn, temporary)
            pictures.append(folder / f"{table.name}_{name}.png")
    return pictures


def _labels(table: Table, path: Path) -> Path:
    """Draw the first column's scores: a dot a seed, their mean and spread, the report's number as a cross."""
    column = table.columns[0]
    rows = [row for row in table.rows if row.cells.get(column.key)]
    rows = [row for row in rows if not row.results] + [row for row in rows if row.results][::-1]
    first = sum(not row.results for row in rows)
    figure, axis = pyplot().subplots(figsize=(8, 1 + 0.42 * len(rows)), layout="constrained")
    for height, row in enumerate(rows):
        cell = row.cells[column.key]
        assert cell is not None
        if not row.results:
            axis.axvline(cell.mean, color="0.5", ls="--", lw=1)
            axis.annotate(
                row.label, (cell.mean, 1.01), xycoords=("data", "axes fraction"), ha="center", fontsize=8, color="0.3"
            )
            continue
        seeds = [column.factor * r.metrics["scores"]["prediction"][column.key]["mean"] for r in row.results]
        axis.plot(seeds, [height] * len(seeds), "o", ms=4, color="C0", alpha=0.5)
        axis.errorbar(cell.mean, height, xerr=cell.std, fmt="s", ms=5, color="C0", capsize=4)
        if cell.published is not None:
            axis.plot(cell.published, height, "x", color="C3")
    axis.set_yticks(range(first, len(rows)), labels=[row.label for row in rows[first:]])
    axis.set(xscale="log", ylim=(first - 0.6, len(rows) - 0.4))
    mark_decades(axis.xaxis)
    axis.set_xlabel(f"{column.group}: {column.label}\nsquare: mean ± spread over seeds; cross: the 2023 report")
    axis.grid(alpha=0.3, axis="x", which="both")
    return save(figure, path)


def _prediction(result: RunResult, index: int) -> tuple[np.ndarray, dict[str, np.ndarray], float]:
    """Return a run's image of one test sample, the sample, both in flux units, and the pixel scale in arcsec."""
    task, data, one = sample_of(result, index)
    with torch.inference_mode():
        image = task.predict_test(one)
    images = {name: one[name][0, 0].numpy() * data.unit for name in ("lr", "hr", "truth") if name in one}
    if "truth" in one and "variance" in one and bool((one["variance"] > 0).all()):
        images["sigma"] = one["variance"][0, 0].sqrt().numpy() * data.unit
    return image[0, 0].numpy() * data.unit, images, data.sets["test"].pixel_scale


def _grid(rows: list[Row], path: Path, index: int = 1) -> Path:
    """Draw one lens (the second test image, a vortex) through every model, each above its residual, in sigma if known.

    A row of which records alone are left has no image.
    """
    from matplotlib.colors import Normalize

    found = [(row.label, result) for row in rows if (result := next(filter(has_weights, row.results), None))]
    drawn = [(label, *_prediction(result, index)) for label, result in found]
    _, _, seen, pixel = drawn[0]
    name = "truth" if "truth" in seen else "hr"
    sigma = seen.get("sigma", np.ones(()))  # of the HR noise
    panels: list[tuple[str, np.ndarray, np.ndarray | None]] = [("LR", seen["lr"], None)]
    if name == "truth":
        panels.append(("HR, noise-free", seen["truth"], None))
    panels.append(("HR, noisy", seen["hr"], (seen["hr"] - seen[name]) / sigma))
    missed = [(image - seen[name]) / sigma for _, image, _, _ in drawn]
    panels += [(label, image, residual) for (label, image, _, _), residual in zip(drawn, missed, strict=True)]
    brightness = stretch(seen["hr"], seen[name])
    # the typical model's residuals set the scale: one that failed shall not pale the others
    limit = float(np.median([np.quantile(np.abs(residual), 0.999) for residual in missed]))
    half = seen["hr"].shape[-1] * pixel / 2

    columns = min(*_COLUMNS, key=lambda count: -len(panels) % count) if len(panels) > max(_COLUMNS) else len(panels)
    lines = -(-len(panels) // columns)
    figure, axes = pyplot().subplots(
        2 * lines, columns, figsize=(2.3 * columns + 1.2, 4.7 * lines), layout="constrained", squeeze=False
    )
    for axis in axes.flat:
        axis.set_axis_off()
    shown: dict[bool, Any] = {}
    for i, (title, image, residual) in enumerate(panels):
        line, column = divmod(i, columns)
        top, below = axes[2 * line, column], axes[2 * line + 1, column]
        for axis, what, norm, colours in (
            (top, image, brightness, "inferno"),
            (below, residual, Normalize(-limit, limit), "RdBu_r"),
        ):
            if what is not None:
                axis.set_axis_on()
                axis.set(xticks=[-2, 0, 2], yticks=[-2, 0, 2])
                axis.tick_params(
                    labelsize=7, labelleft=column == 0 or panels[i - 1][2] is None, labelbottom=axis is below
                )
                extent = (-half, half, -half, half)
                shown[what is image] = axis.imshow(what, norm=norm, cmap=colours, origin="lower", extent=extent)
        top.set_title(fill(title, 24), fontsize=9)
    bar = figure.colorbar(shown[True], ax=axes[: len(axes) // 2], aspect=30, pad=0.02)
    bar.set_label("flux / HR pixel / unit time (asinh)", fontsize=7)
    mark(bar, float(seen["hr"].max()))
    reference = "noise-free HR" if name == "truth" else "noisy HR"
    other = figure.colorbar(shown[False], ax=axes[len(axes) // 2 :], aspect=30, pad=0.02)
    told = f"(image − {reference}) / HR noise" if "sigma" in seen else f"image − {reference} (linear)"
    other.set_label(told, fontsize=7)
    seeds = sorted({int(read_config(result.run)["seed"]) for _, result in found})
    figure.suptitle(f"test image {index + 1}; seed {', '.join(map(str, seeds))} of each network", fontsize=9)
    figure.supxlabel("arcsec", fontsize=9)
    return save(figure, path, dpi=90)


def _scores(row: Row) -> tuple[float, float] | None:
    """Return mean and spread over seeds of the PSNR against the truth (of the noisy image where none is known)."""
    for key in ("truth/psnr", "report/psnr"):
        values = [r.metrics["scores"]["prediction"][key]["mean"] for r in row.results if _has(r, key)]
        if values:
            return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return None


def _has(result: RunResult, key: str) -> bool:
    return key in result.metrics["scores"]["prediction"]


def _cost(table: Table, rows: list[Row], path: Path) -> Path:
    """Draw PSNR against the truth over parameters, and over time where it was measured; bars are spreads over seeds."""
    times = read_times(table, path.parent)
    count = 2 if times else 1
    figure, axes = pyplot().subplots(
        1, count, figsize=(5 + 4 * count, 4.6), layout="constrained", sharey=True, squeeze=False
    )
    handles: dict[str, Any] = {}
    for i, row in enumerate(rows):
        score = _scores(row)
        if score is None:
            continue
        style = {"marker": _MARKERS[i % len(_MARKERS)], "color": colour(i), "capsize": 3, "ls": "none"}
        for axis, x in zip(axes[0], (row.parameters, times.get(row.label)), strict=False):
            if row.parameters and x:
                handles[row.label] = axis.errorbar(x / 1000 if axis is axes[0, 0] else 1e3 * x, *score, **style)
            elif not row.parameters:  # what has nothing to train is a line
                handles[row.label] = axis.axhline(score[0], color=colour(i), ls="--", lw=1)
    axes[0, 0].set(xlabel="trained parameters / 1000", ylabel="PSNR vs truth / dB")
    if times:
        axes[0, 1].set(xlabel="time for one image on one thread / ms")
    for axis in axes[0]:
        axis.set_xscale("log")
        mark_decades(axis.xaxis)
        axis.grid(alpha=0.3, which="both")
    figure.legend(handles.values(), handles.keys(), loc="outside right center", fontsize=9, frameon=False)
    return save(figure, path)
