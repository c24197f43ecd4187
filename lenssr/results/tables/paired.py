"""Two images of one lens, lens by lens: from which of them its numbers come out nearer, and a subhalo is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lenssr.results.tables.statistics import holm
from lenssr.results.tables.table import Row, Table

__all__ = ["lens_by_lens"]

_Verdict = tuple[str, float]


def lens_by_lens(table: Table, asked: Mapping[str, Any]) -> list[list[str]]:
    """Return each row against the baseline: a heading line, and a line a row; nothing where there are no runs.

    Of ``errors`` (name -> numbers of the fit), of how many lenses the row's error is the smaller, with Wilcoxon's
    signed-rank test; of ``finds`` (name -> subhalo), in how many the row alone and the baseline alone finds it, with
    McNemar's exact test. All tests of a table are one family, Holm-corrected.

    Raises:
        ValueError: rows are of other lenses, have several runs, or errors that are no numbers.
    """
    known = {row.label: _images(row) for row in table.rows if row.results}
    base = known.pop(table.baseline, None)
    if base is None or not known:
        return []
    names = [*asked.get("errors", {}), *asked.get("finds", {})]
    verdicts: list[list[_Verdict]] = []
    for images in known.values():
        if not images["index"].equals(base["index"]):
            raise ValueError("rows of other lenses cannot be paired")
        errors = [_nearer(images, base, numbers) for numbers in asked.get("errors", {}).values()]
        verdicts.append(errors + [_finds(images, base, subhalo) for subhalo in asked.get("finds", {}).values()])
    adjusted = iter(holm([p for line in verdicts for _, p in line]))
    lines = [["", *names]]
    for label, line in zip(known, verdicts, strict=True):
        lines.append([label, *(f"{text} (p = {next(adjusted):.2g})" for text, _ in line)])
    return lines


def _images(row: Row) -> pd.DataFrame:
    if len(row.results) > 1:
        raise ValueError(f"{row.label} has {len(row.results)} runs; a table lens by lens has a row for each")
    path = row.results[0].folder / "per_image.parquet"
    return pd.read_parquet(path).sort_values("index", ignore_index=True)


def _nearer(one: pd.DataFrame, other: pd.DataFrame, numbers: Sequence[str]) -> _Verdict:
    from scipy.stats import wilcoxon

    columns = [f"prediction/{number}/error" for number in numbers]
    difference = np.linalg.norm(one[columns], axis=1) - np.linalg.norm(other[columns], axis=1)
    if not np.isfinite(difference).all():
        raise ValueError(f"some errors of {', '.join(numbers)} are no numbers")
    p = float(wilcoxon(difference).pvalue) if difference.any() else 1.0
    return f"{(difference < 0).sum()} of {len(difference)}", p


def _finds(one: pd.DataFrame, other: pd.DataFrame, subhalo: str) -> _Verdict:
    from scipy.stats import binomtest

    mine, theirs = (_found(images, subhalo) for images in (one, other))
    alone, without = int((mine & ~theirs).sum()), int((theirs & ~mine).sum())
    p = float(binomtest(alone, alone + without).pvalue) if alone + without else 1.0
    return f"{alone} and {without}", p


def _found(images: pd.DataFrame, subhalo: str) -> np.ndarray:
    from lenssr.modelling.hunt import recovered

    return recovered(images, subhalo)
