"""Pictures of networks that find lenses: ROC curves, which lenses are found, and both kinds of error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lenssr.data.camera.noise import sky
from lenssr.metrics.finding import RATES, FindingEvaluation, completeness
from lenssr.metrics.rates import clopper_pearson
from lenssr.results.figures.canvas import pyplot, save
from lenssr.results.tables.statistics import compare
from lenssr.runs.folder import Run

if TYPE_CHECKING:
    from lenssr.data import LensDataModule
    from lenssr.results.tables.table import Row, Table

__all__ = ["finding", "table_pictures"]

_SHOWN = 6  # errors of each kind
_WITHIN = {"theta_E": "Einstein radius / arcsec", "arcs_magnitude": "arcs / AB mag"}
_BINS = 6
_ONE_PERCENT = 0.01


def finding(found: FindingEvaluation, run: Run, data: LensDataModule) -> list[Path]:
    """Draw what a test of a lens finder found: ROC curve, scores of each kind of galaxy, and the worst errors."""
    frame = found.per_image.merge(_facts(data), on="index")
    if "prediction/finding/auroc" not in frame:
        return []
    folder = run.file("figures")
    figure, (left, right) = pyplot().subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    _roc(left, [frame], "C0", "")
    _decades(left, [frame])
    ends = np.quantile(frame["prediction/logit/value"], [0.002, 0.998])
    for i, (kind, own) in enumerate(frame.groupby("kind")):
        right.hist(
            own["prediction/logit/value"].clip(*ends), bins=40, range=ends, histtype="step", label=kind, color=f"C{i}"
        )
    right.set(xlabel="score (logit)", ylabel="test images", yscale="log")
    right.legend(fontsize=8)
    scores = found.summary()["prediction"]
    figure.suptitle(f"sees: {data.inputs}; area {scores['finding/auroc']['mean']:.4f}", fontsize=11)
    drawn = [save(figure, folder / "labels.png")]
    figure, axes = pyplot().subplots(2, _SHOWN, figsize=(2.1 * _SHOWN, 4.9), layout="constrained", squeeze=False)
    _show(figure, _errors(axes, frame, data))
    return [*drawn, save(figure, folder / "errors.png")]


def table_pictures(table: Table, folder: Path) -> list[Path]:
    """Write ``<table>_roc.png`` and, where the images are here, ``<table>_errors.png``."""
    rows = [row for row in table.rows if row.results]
    return [
        _table_roc(rows, folder / f"{table.name}_roc.png"),
        *_table_errors(rows, folder / f"{table.name}_errors.png"),
    ]


def _facts(data: LensDataModule) -> pd.DataFrame:
    """Return what is known of each test image: its kind, and of a lens its numbers."""
    parameters = data.sets["test"].parameters
    found = parameters[["index", *(name for name in _WITHIN if name in parameters)]].copy()
    found["kind"] = parameters["kind" if "kind" in parameters else "class"]
    return found


def _curve(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the rates of false positives and the completeness at each threshold between two others."""
    logit, lens = frame["prediction/logit/value"].to_numpy(float), frame["prediction/right/value"].to_numpy() > 0.5
    others = np.sort(logit[~lens])[::-1]
    share = 1 - np.searchsorted(np.sort(logit[lens]), others, "right") / lens.sum()
    return np.arange(len(others)) / len(others), share


def _roc(axis: Any, frames: Sequence[pd.DataFrame], colour: Any, label: str) -> None:
    """Draw the mean ROC curve of trainings, and their range."""
    rates = _curve(frames[0])[0]
    shares = np.stack([_curve(frame)[1] for frame in frames])
    axis.step(rates[1:], shares.mean(0)[1:], where="post", color=colour, label=label or None)
    if len(frames) > 1:
        axis.fill_between(rates[1:], shares.min(0)[1:], shares.max(0)[1:], color=colour, alpha=0.2, lw=0, step="post")


def _decades(axis: Any, frames: Sequence[pd.DataFrame]) -> None:
    count = int((frames[0]["prediction/right/value"] < 0.5).sum())
    for rate in RATES.values():
        axis.axvline(rate, color="k", lw=0.7, ls=":")
    axis.set(xscale="log", xlim=(1 / count, 1), ylim=(0, 1.01))
    axis.set(xlabel="false positive rate", ylabel="completeness (true positive rate)")
    axis.grid(alpha=0.3, which="major")


def _errors(axes: Any, frame: pd.DataFrame, data: LensDataModule) -> list[tuple[Any, np.ndarray, float]]:
    """Name the most lens-like of the others above, the least lens-like lenses below.

    Returns:
        Axes, what to show in each, flux per HR pixel, and half its width in arcsec.
    """
    shown = []
    frame = frame.sort_values("prediction/logit/value")
    right = frame["prediction/right/value"] > 0.5
    images, half = data.rendered["test"].images, data.image_size * data.sets["test"].pixel_scale / 2
    for line, (own, what) in enumerate(((frame[~right][::-1], "not a lens"), (frame[right], "a lens"))):
        for axis, (_, row) in zip(axes[line], own.iterrows(), strict=False):
            shown.append((axis, np.array(images[int(row["index"])]), half))
            axis.set_title(f"{_named(row)}\np = {row['prediction/probability/value']:.2g}", fontsize=8)
        axes[line][0].set_ylabel(f"{what}, told {'' if line == 0 else 'not '}to be one\narcsec", fontsize=8)
    return shown


def _named(row: pd.Series) -> str:
    radius = row.get("theta_E", np.nan)
    return f"lens, θ_E {radius:.2f}″" if row["kind"] == "lens" and radius == radius else str(row["kind"])


def _show(figure: Any, shown: Sequence[tuple[Any, np.ndarray, float]]) -> None:
    """Draw images on one stretch, that of the noisiest kind: what is as bright looks as bright."""
    from matplotlib.colors import AsinhNorm

    skies = [sky(image) for _, image, _ in shown]
    noise = max(float(np.median([rms for _, rms in skies])), 1e-6)
    tops = [float(np.quantile(image, 0.999)) - level for (_, image, _), (level, _) in zip(shown, skies, strict=True)]
    top = float(np.quantile(tops, 0.8))  # so that a star does not set the stretch of galaxies
    top = max(top, 5 * noise)
    norm = AsinhNorm(linear_width=2 * noise, vmin=-2 * noise, vmax=top)
    for (axis, image, half), (level, _) in zip(shown, skies, strict=True):
        drawn = axis.imshow(image - level, norm=norm, cmap="inferno", origin="lower", extent=(-half, half, -half, half))
        axis.set(xticks=[-1, 0, 1], yticks=[-1, 0, 1])
        axis.tick_params(labelsize=7)
    bar = figure.colorbar(drawn, ax=figure.axes, shrink=0.5, aspect=40, extend="max")
    bar.set_label("flux above the sky per HR pixel and second (asinh)")
    bar.set_ticks([0.0, *(10.0**k for k in range(-6, 7) if 5 * noise < 10.0**k < top)])
    bar.ax.yaxis.set_major_formatter("{x:g}")


def _frames(row: Row) -> list[pd.DataFrame]:
    return [pd.read_parquet(result.folder / "per_image.parquet") for result in row.results]


def _table_roc(rows: Sequence[Row], path: Path) -> Path:
    """Draw ROC curves, and at 1 % false positives the completeness by Einstein radius and by the arcs' brightness."""
    every = [(row, _frames(row)) for row in rows]
    within = [name for name in _WITHIN if all(name in frame for _, frames in every for frame in frames)]
    count = 1 + len(within)
    figure, axes = pyplot().subplots(1, count, figsize=(4.6 * count, 4.4), layout="constrained", squeeze=False)
    for i, (row, frames) in enumerate(every):
        _roc(axes[0, 0], frames, f"C{i}", row.label)
    _decades(axes[0, 0], every[0][1])
    axes[0, 0].legend(fontsize=8, loc="lower right")
    for axis, name in zip(axes[0, 1:], within, strict=True):
        for i, (row, frames) in enumerate(every):
            _by(axis, frames, name, f"C{i}", row.label, 0.006 * (i - (len(every) - 1) / 2))
        lenses = int((every[0][1][0]["prediction/right/value"] > 0.5).sum())
        axis.set(xlabel=f"{_WITHIN[name]} ({lenses // _BINS} lenses a bin)")
        axis.set(ylabel="completeness at 1 % false positives", ylim=(0, None))
        axis.grid(alpha=0.3)
    return save(figure, path)


def _by(axis: Any, frames: Sequence[pd.DataFrame], name: str, colour: Any, label: str, aside: float) -> None:
    """Draw completeness in bins of equally many lenses, with 95 % intervals over trainings and lenses.

    They are Student's, of a single training Clopper and Pearson's over the lenses.
    """
    lens = frames[0]["prediction/right/value"].to_numpy() > 0.5
    values = frames[0][name].to_numpy()[lens]
    edges = np.quantile(values, np.linspace(0, 1, _BINS + 1))
    bins = np.clip(np.searchsorted(edges, values, "right") - 1, 0, _BINS - 1)
    hits = []
    for frame in frames:
        logit = frame["prediction/logit/value"].to_numpy(float)
        hits.append(logit[lens] > completeness(logit, lens, _ONE_PERCENT)[1])
    found = [np.array(hits, float)[:, bins == i] for i in range(_BINS)]
    middle = np.array([np.median(values[bins == i]) for i in range(_BINS)]) + aside * np.ptp(edges)
    mean = np.array([part.mean() for part in found])
    ends = np.array([_ends(part) for part in found])
    bars = np.abs(ends.T - mean)
    axis.errorbar(middle, mean, bars, fmt="o-", ms=4, lw=1, capsize=2, color=colour, label=label)


def _ends(hits: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the share of hits, (trainings, lenses)."""
    if len(hits) == 1:
        return clopper_pearson(round(hits.sum()), hits.shape[1])
    mean = compare(hits, np.zeros((1, hits.shape[1])))
    return max(0.0, mean.low), min(1.0, mean.high)


def _table_errors(rows: Sequence[Row], path: Path) -> list[Path]:
    """Draw the errors that all trainings of a row make on average, of the first and the last row of networks."""
    from lenssr.runs.build import build_data
    from lenssr.runs.load import read_config
    from lenssr.runs.records import has_weights

    if not all(has_weights(result) for row in rows for result in row.results[:1]):
        return [path] if path.is_file() else []
    figure, axes = pyplot().subplots(
        2 * len(rows), _SHOWN, figsize=(1.9 * _SHOWN, 4.6 * len(rows)), layout="constrained", squeeze=False
    )
    shown = []
    for i, row in enumerate(rows):
        data = build_data(read_config(row.results[0].run))
        frames = _frames(row)
        columns = [f"prediction/{name}/value" for name in ("logit", "probability")]
        mean = pd.concat([frame[columns] for frame in frames]).groupby(level=0).mean()
        frame = frames[0][["index", "prediction/right/value"]].join(mean).merge(_facts(data), on="index")
        own = axes[2 * i : 2 * i + 2]
        shown += _errors(own, frame, data)
        for line in own:
            line[0].set_ylabel(f"{row.label}\n{line[0].get_ylabel()}", fontsize=8)
    _show(figure, shown)
    return [save(figure, path, dpi=100)]
