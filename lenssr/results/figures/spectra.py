"""What a table's images hold of the truth, against spatial frequency: transfer and coherence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lenssr.results.figures.canvas import colour, mark_decades, pyplot, save
from lenssr.results.tables.table import Row

__all__ = ["spectra"]

_PANELS = {
    "transfer": "transfer: the truth's structure in the image / in the truth",
    "coherence": "coherence with the truth",
}


def spectra(rows: list[Row], path: Path) -> Path:
    """Draw both of every row, means over seeds; they end where the truth has no power above the numerical floor.

    Rows whose spectra hold neither, as those of earlier versions, are left out.
    """
    figure, axes = pyplot().subplots(1, 2, figsize=(12.5, 4.8), layout="constrained", sharex=True)
    known = [(i, row, tables) for i, row in enumerate(rows) if (tables := _tables(row))]
    handles: dict[str, Any] = {}
    for i, row, tables in known:
        style = "--" if not row.parameters else ("-", "-.")[i // 10 % 2]
        for axis, kind in zip(axes, _PANELS, strict=True):
            curve = np.mean([found[f"{kind}/prediction"] for found in tables], axis=0)
            (handles[row.label],) = axis.plot(_frequency(tables), curve, style, color=colour(i), lw=1.5)
    if known:
        _, row, tables = known[0]
        for axis, kind in zip(axes, _PANELS, strict=True):
            noisy = np.mean([found[f"{kind}/hr"] for found in tables], axis=0)
            (handles["HR, noisy"],) = axis.plot(_frequency(tables), noisy, color="0.6", lw=1)
            nyquist = float(tables[0]["cycles_per_arcsec"].max()) / row.scale
            axis.axvline(nyquist, color="0.4", ls=":", lw=1)
            where = ((nyquist, 0.97), ("data", "axes fraction"))
            axis.annotate(" LR Nyquist", where[0], xycoords=where[1], fontsize=8, va="top")
    for axis, (kind, label) in zip(axes, _PANELS.items(), strict=True):
        axis.axhline(0.5 if kind == "coherence" else 1.0, color="k", lw=0.8, ls="--" if kind == "coherence" else "-")
        axis.set(xscale="log", ylim=(-0.05, 1.05) if kind == "coherence" else (-0.1, 1.6), ylabel=label)
        axis.set_xlabel("spatial frequency / cycles per arcsec")
        mark_decades(axis.xaxis)
        axis.grid(alpha=0.3, which="both")
    figure.legend(handles.values(), handles.keys(), loc="outside right center", fontsize=9, frameon=False)
    return save(figure, path)


def _frequency(tables: list[pd.DataFrame]) -> pd.Series:
    return tables[0]["cycles_per_arcsec"]


def _tables(row: Row) -> list[pd.DataFrame]:
    """Return the spectra of a row's runs; none where they lack what is drawn."""
    tables = [pd.read_parquet(result.folder / "spectrum.parquet") for result in row.results]
    wanted = {f"{kind}/{who}" for kind in _PANELS for who in ("prediction", "hr")}
    return tables if all(wanted <= set(found.columns) for found in tables) else []
