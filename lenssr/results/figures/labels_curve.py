"""What more training images buy a network that tells labels: a score over their number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lenssr.results.figures.canvas import mark_decades, pyplot, save
from lenssr.results.tables.table import Column, Row, Table
from lenssr.runs.folder import RunResult

__all__ = ["labels_curve"]

_STYLES = ("--", ":", "-.")


def labels_curve(table: Table, path: Path) -> Path:
    """Draw the first column over the number of training images: dots are runs, bars their mean and spread over seeds.

    A row without a number of images, as a limit, is a horizontal line, in the colour of the line that it bounds.
    """
    from matplotlib.ticker import StrMethodFormatter

    figure, axis = pyplot().subplots(figsize=(7.4, 4.8), layout="constrained")
    column, shown = table.columns[0], [row for row in table.rows if row.curve and row.results]
    lines = list(dict.fromkeys(row.curve["line"] for row in shown if row.curve))
    for i, name in enumerate(lines):
        rows = [row for row in shown if row.curve and row.curve["line"] == name]
        _points(axis, column, [row for row in rows if _at(row) is not None], f"C{i}", "osD^vP"[i % 6], name)
        for row, style in zip([row for row in rows if _at(row) is None], _STYLES, strict=False):
            value = float(np.mean(_values(column, row.results)))
            axis.axhline(value, color=f"C{i}", ls=style, lw=1.2, label=row.label)
    axis.set(xscale="log", yscale="log", xlabel="different training images", ylabel=f"{column.group}: {column.label}")
    mark_decades(axis.yaxis)
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))  # decades alone: there are four and more
    axis.grid(alpha=0.3, which="both")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside right upper", fontsize=8, frameon=False)
    return save(figure, path)


def _at(row: Row) -> int | None:
    return row.curve["at"] if row.curve else None


def _values(column: Column, results: list[RunResult]) -> list[float]:
    return [column.factor * result.metrics["scores"]["prediction"][column.key]["mean"] for result in results]


def _points(axis: Any, column: Column, rows: list[Row], colour: str, marker: str, name: str) -> None:
    rows = sorted(rows, key=lambda row: _at(row) or 0)
    found = [_values(column, row.results) for row in rows]
    for row, values in zip(rows, found, strict=True):
        axis.plot([_at(row)] * len(values), values, ".", color=colour, alpha=0.5, ms=5)
    spread = [float(np.std(values, ddof=1)) if len(values) > 1 else 0.0 for values in found]
    style = {"fmt": marker + "-", "ms": 5, "lw": 1, "capsize": 3, "color": colour, "label": name}
    axis.errorbar([_at(row) for row in rows], [float(np.mean(values)) for values in found], spread, **style)
