"""What a few real images buy: a score over the number of them, with the spread over seeds and draws of shots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lenssr.results.figures.canvas import pyplot, save
from lenssr.results.tables.table import Column, Row, Table
from lenssr.runs.folder import RunResult

__all__ = ["shots_curve"]

_MARKERS = "osD^"
_APART = 0.16  # of two series, in steps of the axis


def shots_curve(table: Table, path: Path) -> Path:
    """Draw the first and the last column over the shots, evenly spaced: dots are runs, bars their mean and spread."""
    columns = [table.columns[0], table.columns[-1]]
    figure, axes = pyplot().subplots(1, len(columns), figsize=(11, 4.6), layout="constrained")
    lines: dict[str, list[Row]] = {}
    for row in table.rows:
        if row.curve and row.results:
            lines.setdefault(row.curve["line"], []).append(row)
    handles: dict[str, Any] = {}
    ticks = sorted({at for rows in lines.values() for at in map(_at, rows) if at is not None})
    for axis, column in zip(axes, columns, strict=True):
        for i, (name, rows) in enumerate(lines.items()):
            handles[name] = _line(axis, column, rows, ticks, i)
        axis.set_xticks(range(len(ticks)), labels=[str(tick) for tick in ticks])
        axis.set(xlim=(-0.4, len(ticks) - 0.6), xlabel="K, real training images")
        axis.set_ylabel(f"{column.label} {column.group}")
        axis.grid(alpha=0.3)
    images = {result.metrics["images"] for rows in lines.values() for row in rows for result in row.results}
    count = ", ".join(map(str, sorted(images)))
    runs = sorted({len(row.results) for rows in lines.values() for row in rows if _at(row)})
    told = "-".join(map(str, sorted({runs[0], runs[-1]}))) if runs else "1"
    heading = f"{count} real test images; bars: standard deviation over {told} seeds: first network, draw of shots"
    figure.suptitle(heading, fontsize=9)
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), frameon=False)
    return save(figure, path)


def _values(column: Column, results: list[RunResult]) -> list[float]:
    return [column.factor * result.metrics["scores"]["prediction"][column.key]["mean"] for result in results]


def _at(row: Row) -> int | None:
    return row.curve["at"] if row.curve else None


def _line(axis: Any, column: Column, rows: list[Row], ticks: list[int], number: int) -> Any:
    """Draw one line of a curve; a row without a place on it as a horizontal line."""
    flat = [row for row in rows if _at(row) is None]
    if flat:
        return axis.axhline(float(np.mean(_values(column, flat[0].results))), color="0.4", ls="--", lw=1)
    rows = sorted(rows, key=lambda row: ticks.index(row.curve["at"]) if row.curve else 0)
    x = [ticks.index(row.curve["at"]) + _APART * (number - 0.5) for row in rows if row.curve]  # apart, to hide no other
    values = [_values(column, row.results) for row in rows]
    for at, found in zip(x, values, strict=True):
        axis.plot([at - _APART / 4] * len(found), found, ".", color=f"C{number}", alpha=0.5, ms=6)
    spread = [float(np.std(found, ddof=1)) if len(found) > 1 else 0.0 for found in values]
    # no line: between two numbers of images nothing was measured
    style = {"fmt": _MARKERS[number % 4], "ms": 5, "capsize": 4, "elinewidth": 1.2, "color": f"C{number}"}
    return axis.errorbar(x, [float(np.mean(found)) for found in values], spread, **style)
