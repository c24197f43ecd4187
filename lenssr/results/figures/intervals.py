"""A picture of a table whose scores have intervals: a panel a score, a line a row."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from lenssr.results.figures.canvas import mark_decades, pyplot, save
from lenssr.results.tables.table import Cell, Column, Row, Table

__all__ = ["has_intervals", "intervals"]

_ACROSS = 5
_WIDE, _FAR = 15.0, 150.0  # ratios of largest to smallest: above, an axis is logarithmic; its ticks are decades


def has_intervals(table: Table) -> bool:
    """Whether the scores of a table's runs were stored with intervals."""
    cells = [row.cells.get(column.key) for column in table.columns[:1] for row in table.rows]
    return any(cell is not None and cell.interval is not None for cell in cells)


def intervals(table: Table, path: Path) -> Path:
    """Draw every column's scores with their 95 % intervals."""
    rows = [row for row in table.rows if row.results][::-1]
    across = min(_ACROSS, len(table.columns))
    down = math.ceil(len(table.columns) / across)
    height = 0.9 + 0.34 * len(rows)
    figure, axes = pyplot().subplots(
        down, across, figsize=(3.0 * across + 1.2, height * down), layout="constrained", squeeze=False, sharey=True
    )
    for axis in axes.flat[len(table.columns) :]:
        axis.axis("off")
    for axis, column in zip(axes.flat, table.columns, strict=False):
        found = [(place, cell) for place, row in enumerate(rows) if (cell := _cell(row, column)) is not None]
        for place, cell in found:
            assert cell.interval is not None
            low, high = cell.interval
            axis.errorbar(
                cell.mean, place, xerr=[[max(0.0, cell.mean - low)], [max(0.0, high - cell.mean)]], fmt="o", ms=4,
                color="C0", capsize=3,
            )  # fmt: skip
        ends = np.array([end for _, cell in found for end in (cell.interval or ())])
        if len(ends) and ends.min() > 0 and ends.max() > _WIDE * ends.min() and not column.label.endswith("%"):
            axis.set_xscale("log")
            if ends.max() < _FAR * ends.min():
                mark_decades(axis.xaxis)
        if column.label.startswith("bias"):
            axis.axvline(0, color="k", ls="--", lw=0.8)
        if column.label.startswith("pull") or column.key.endswith("chi2"):
            axis.axvline(1, color="k", ls="--", lw=0.8)
        axis.set_title(f"{column.group}\n{column.label}", fontsize=9)
        axis.set_yticks(range(len(rows)), labels=[row.label for row in rows])
        axis.set_ylim(-0.6, len(rows) - 0.4)
        axis.tick_params(labelsize=8)
        axis.grid(alpha=0.3, axis="x")
    return save(figure, path)


def _cell(row: Row, column: Column) -> Cell | None:
    cell = row.cells.get(column.key)
    return cell if cell is not None and cell.interval is not None else None
