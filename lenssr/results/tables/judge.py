"""Which rows of a table differ; :mod:`lenssr.results.tables.statistics` defines the tests."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from lenssr.results.tables.statistics import Comparison, compare, holm, recovered, verdict
from lenssr.results.tables.table import Cell, Column, Row, Table

__all__ = ["judge"]

# scores are turned so that more is better, hence "improvement"
_COMPARED = ["score", "row", "verdict", "improvement", "low", "high", "p", "p_holm", "spread"]


def judge(table: Table, gap: dict[str, str] | None, order: list[str]) -> None:
    """Mark the cells, and fill ``comparisons``, ``order`` and the column of the gap.

    Args:
        table: with its cells.
        gap: ``score``, and the keys of the rows ``from`` and ``to`` which it is between; None for no such column.
        order: keys of rows, of which each is compared with the next.
    """
    records = []
    for column in table.columns:
        if column.best is None:
            continue
        scores = _scores(table, column)
        if len(scores) < 2:
            continue
        if table.baseline in scores:
            for label, (comparison, p, word) in _against(scores, table.baseline).items():
                cell = table.row(label).cells[column.key]
                assert cell is not None
                cell.against_baseline = word
                found = {**vars(comparison), "improvement": comparison.difference, "p_holm": p}
                records.append({"score": column.key, "row": label, "verdict": word, **found})
        _mark_best(table, column, scores)
    table.comparisons = pd.DataFrame(records, columns=_COMPARED)
    if gap:
        _close(table, gap)
        table.order = _ordered(table, gap["score"], order)


def _scores(table: Table, column: Column) -> dict[str, np.ndarray]:
    """Return the comparable rows' scores (seeds, images) by label, so that higher is better."""
    return {row.label: s for row in table.rows if row.comparable and (s := _per_image(row, column)) is not None}


def _per_image(row: Row, column: Column) -> np.ndarray | None:
    """Return (seeds, images), so that higher is better; None where there are no per-image scores."""
    name = f"prediction/{column.key}"
    frames = [pd.read_parquet(result.folder / "per_image.parquet") for result in row.results]
    if not frames or any(name not in frame for frame in frames):
        return None
    values = np.stack([frame.sort_values("index")[name].to_numpy(float) for frame in frames]) * column.factor
    if not np.isfinite(values).all():
        return None  # a score that an image has not, as the ring of a black one, ranks nobody
    if column.best == "high":
        return values
    if column.best == "low":
        return -values
    assert column.best is not None  # such a column is not compared
    return -np.abs(values - float(column.best))


def _against(scores: dict[str, np.ndarray], one: str) -> dict[str, tuple[Comparison, float, str]]:
    """Compare every other row with one; return also the p-values adjusted for all of them together, and verdicts."""
    others = [label for label in scores if label != one]
    comparisons = [compare(scores[label], scores[one]) for label in others]
    adjusted = holm([c.p for c in comparisons])
    words = [verdict(c, p, higher_is_better=True) for c, p in zip(comparisons, adjusted, strict=True)]
    return dict(zip(others, zip(comparisons, map(float, adjusted), words, strict=True), strict=True))


def _mark_best(table: Table, column: Column, scores: dict[str, np.ndarray]) -> None:
    best = max(scores, key=lambda label: scores[label].mean())
    ties = [label for label, (_, _, word) in _against(scores, best).items() if word != "worse"]
    for label in [best, *ties]:
        cell = table.row(label).cells[column.key]
        assert cell is not None
        cell.mark = "tie" if ties else "best"


def _close(table: Table, gap: dict[str, str]) -> None:
    """Add the column that says how much of the gap between two rows each other row closes."""
    scored = next(column for column in table.columns if column.key == gap["score"])
    scores = _scores(table, scored)
    start, end = (next((r.label for r in table.rows if r.key == gap[side]), "") for side in ("from", "to"))
    table.columns.append(Column("gap", f"of the gap {start} to {end} closed / %", scored.group, 0, None))
    for row in table.rows:
        known = {row.label, start, end} <= set(scores) and row.label not in (start, end)
        row.cells["gap"] = None
        if known:
            share, low, high = (100 * x for x in recovered(scores[row.label], scores[start], scores[end]))
            row.cells["gap"] = Cell(share, None, interval=(low, high))


def _ordered(table: Table, key: str, order: list[str]) -> list[dict[str, Any]]:
    """Compare each named row with the next; one dictionary a pair."""
    column = next(column for column in table.columns if column.key == key)
    scores = _scores(table, column)
    labels = [row.label for wanted in order for row in table.rows if row.key == wanted and row.label in scores]
    pairs = list(pairwise(labels))
    comparisons = [compare(scores[one], scores[other]) for one, other in pairs]
    adjusted = holm([c.p for c in comparisons])
    return [
        {"one": one, "other": other, "p": float(p), "verdict": verdict(c, p, True), **_shown(c, column)}
        for (one, other), c, p in zip(pairs, comparisons, adjusted, strict=True)
    ]


def _shown(comparison: Comparison, column: Column) -> dict[str, Any]:
    """Return a difference of the score itself, whichever way is better."""
    sign = -1.0 if column.best == "low" else 1.0
    ends = sorted((sign * comparison.low, sign * comparison.high))
    told = {"score": column.label, "difference": sign * comparison.difference, "low": ends[0], "high": ends[1]}
    return {**told, "spread": comparison.spread}
