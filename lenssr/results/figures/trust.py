"""One picture of what of a network's images may be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lenssr.results.figures.canvas import mark, mark_decades, pyplot, save

__all__ = ["picture"]

_DEPARTURES = {
    "hallucination": "too bright, and worse than bilinear",
    "omission": "too faint, and worse than bilinear",
}


def picture(
    path: Path,
    clumps: pd.DataFrame,
    example: dict[str, np.ndarray],
    weights: np.ndarray,
    place: tuple[int, int],
    most: float,
    pixel_scale: float,
) -> Path:
    """Draw returned contrast over size, one lens with its departures, and where a bright pixel comes from.

    Args:
        path: of the picture.
        clumps: see :func:`lenssr.results.trust.clumps.contrasts`.
        example: ``LR``, ``network``, ``truth`` and the departures of :func:`lenssr.results.trust.maps.departures`.
        weights: of LR pixels in one pixel of the network's image, (h, w).
        place: its row and column.
        most: LR pixels within which nine tenths of the weights lie.
        pixel_scale: of the network's image, arcsec.
    """
    from matplotlib.colors import AsinhNorm

    figure, axes = pyplot().subplots(2, 4, figsize=(15, 7.2), layout="constrained")
    _contrast(axes[0, 0], clumps)
    peak = float(example["truth"].max())
    half = len(example["truth"]) * pixel_scale / 2
    field = (-half, half, -half, half)
    width = max(3 * float(np.std(example["LR"][:4])), 1e-3 * peak)
    for axis, name in zip(axes[0, 1:], ("LR", "network", "truth"), strict=True):
        norm = AsinhNorm(width, 0, peak)
        shown = axis.imshow(example[name], origin="lower", cmap="inferno", norm=norm, extent=field)
        axis.set_title(name if name == "LR" else f"HR, {name}")
    mark(figure.colorbar(shown, ax=axes[0, 1:], shrink=0.8, label="flux, in the set's unit"), peak)
    for axis, name in zip(axes[1], (*_DEPARTURES, "improvement"), strict=False):
        values = example[name]
        end = max(1.0, float(np.quantile(np.abs(values), 0.999)))
        least, colours = (-end, "RdBu_r") if name == "improvement" else (0.0, "magma_r")
        shown = axis.imshow(values, origin="lower", cmap=colours, vmin=least, vmax=end, extent=field)
        axis.set_title(_DEPARTURES.get(name, "nearer to the truth than bilinear by"))
        figure.colorbar(shown, ax=axis, location="bottom", shrink=0.8, label="units of the HR noise")
    scale = len(example["truth"]) // len(weights)
    _attribution(axes[1, 3], weights, ((place[0] + 0.5) / scale - 0.5, (place[1] + 0.5) / scale - 0.5), most)
    for axis in axes.flat[1:-1]:
        axis.set(xlabel="arcsec")
    return save(figure, path)


def _contrast(axis: Any, clumps: pd.DataFrame) -> None:
    for k, (signal, some) in enumerate(clumps.groupby("signal")):
        means = some.groupby("size")[["returned", "bilinear"]].agg(["mean", "sem"])
        sizes = means.index.to_numpy(float) * (1 + 0.04 * (k - 1))
        axis.errorbar(sizes, 100 * means["returned", "mean"], 100 * means["returned", "sem"], fmt="o-", color=f"C{k}",
                      label=f"S/N {signal:g}")  # fmt: skip
        axis.plot(sizes, 100 * means["bilinear", "mean"], ":", color=f"C{k}")
    axis.axhline(100, color="0.7", lw=1)
    axis.axhline(50, color="0.7", lw=1, ls="--")
    axis.set_xscale("log")
    mark_decades(axis.xaxis)
    axis.set(xlabel="half-light radius of the clump, LR pixels", ylabel="contrast returned / %")
    axis.set_title("clumps (dotted: bilinear)")
    axis.legend(fontsize=8)


def _attribution(axis: Any, weights: np.ndarray, at: tuple[float, float], most: float) -> None:
    largest = float(np.abs(weights).max())
    axis.imshow(weights, origin="lower", cmap="RdBu_r", vmin=-largest, vmax=largest)
    axis.plot(at[1], at[0], "k+", ms=10)
    reach = max(6.0, 1.5 * most)
    axis.set(xlim=(at[1] - reach, at[1] + reach), ylim=(at[0] - reach, at[0] + reach))
    axis.set(xlabel="LR pixels")
    axis.set_title(f"LR pixels behind the pixel +\n(90 % within {most:.1f} px)")
