"""What a few real images buy: a score over the number of them, with the spread over seeds and draws of shots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lenssr.results.figures import pyplot, save
from lenssr.results.tables import Column, Row, Table
from lenssr.runs import RunResult

__all__ = ["shots_curve"]

_MARKERS = "osD^"


def shots_curve(table: Table, path: Path) -> Path:
    """Draw the first and the last column over the shots: dots are runs, bars mean and spread; the rest horizontal."""
    columns = [table.columns[0], table.columns[-1]]
    figure, axes = pyplot().subplots(1, len(columns), figsize=(11, 4.6), layout="constrained")
    lines: dict[str, list[Row]] = {}
    for row in table.rows:
        if row.curve and row.results:
            lines.setdefault(row.curve["line"], []).append(row)
    handles: dict[str, Any] = {}
    for axis, column in zip(axes, columns, strict=True):
        for i, (name, rows) in enumerate(lines.items()):
            handles[name] = _line(axis, column, rows, i)
        ticks = sorted({row.curve["at"] for rows in lines.values() for row in rows if row.curve and row.curve["at"]})
        axis.set_xscale("symlog", linthresh=1)
        axis.set_xticks([0, *ticks], labels=[str(t) for t in (0, *ticks)])
        axis.minorticks_off()
        axis.set(xlabel="K, real training images", ylabel=f"{column.label} {column.group}")
        axis.grid(alpha=0.3)
    images = {result.metrics["images"] for rows in lines.values() for row in rows for result in row.results}
    count = ", ".join(map(str, sorted(images)))
    axes[0].set_title(f"{count} real test images; bars: spread over seeds and draws of shots", fontsize=9, loc="left")
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), frameon=False)
    return save(figure, path)


def _values(column: Column, results: list[RunResult]) -> list[float]:
    return [column.factor * result.metrics["scores"]["prediction"][column.key]["mean"] for result in results]


def _line(axis: Any, column: Column, rows: list[Row], number: int) -> Any:
    """Draw one line of a curve; a row without a place on it as a horizontal line."""
    colour = f"C{number}"
    flat = [row for row in rows if row.curve and row.curve["at"] is None]
    if flat:
        return axis.axhline(float(np.mean(_values(column, flat[0].results))), color="0.4", ls="--", lw=1)
    rows = sorted(rows, key=lambda row: row.curve["at"] if row.curve else 0)
    shift = 1 + 0.03 * number  # lines of one K shall not hide each other
    x = [shift * row.curve["at"] for row in rows if row.curve]
    values = [_values(column, row.results) for row in rows]
    for at, found in zip(x, values, strict=True):
        axis.plot([at] * len(found), found, ".", color=colour, alpha=0.4, ms=6)
    spread = [float(np.std(found, ddof=1)) if len(found) > 1 else 0.0 for found in values]
    style = {"marker": _MARKERS[number % 4], "ms": 5, "capsize": 4, "lw": 1.2, "color": colour}
    return axis.errorbar(x, [float(np.mean(found)) for found in values], spread, **style)
