"""Which rows of a table differ; :mod:`lenssr.results.tables.statistics` defines the test.

Two families of tests a column, each with Holm's correction: every row against the baseline, and every row against
every other, from which follows which is the best. The best one was chosen by the data, so that tests against it alone
would not hold their level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lenssr.results.tables.statistics import Comparison, compare, detectable, holm, recovered, verdict
from lenssr.results.tables.table import Cell, Column, Row, Table

__all__ = ["judge"]

_Frames = dict[str, list[pd.DataFrame]]  # the scores of each image, a frame a training, by the row's label

# scores are turned so that more is better, hence "improvement"
_COMPARED = [
    "score", "row", "verdict", "improvement", "low", "high", "p", "p_holm", "error", "freedom", "paired", "detectable",
]  # fmt: skip


@dataclass(frozen=True)
class _Scores:
    """The scores of a row's trainings, (seeds, images), so that higher is better."""

    seeds: tuple[int, ...]
    values: np.ndarray


def judge(table: Table, gap: dict[str, str] | None, order: list[str], claims: Sequence[dict[str, str]] = ()) -> None:
    """Mark the cells, and fill ``comparisons``, ``order``, ``claims`` and the column of the gap.

    Args:
        table: with its cells.
        gap: ``score``, and the keys of the rows ``from`` and ``to`` which it is between; None for no such column.
        order: keys of rows, of which each is compared with the next.
        claims: what the report says: ``says``, of the rows ``one`` and ``other``, by ``score``, where ``expects`` is
            ``better``, ``worse`` or ``no worse``.
    """
    records = []
    frames = _frames(table)
    for column in table.columns:
        if column.best is None:
            continue
        limits = {row.label for row in table.rows if row.limit}
        scores = {label: found for label, found in _scores(table, column, frames).items() if label not in limits}
        if len(scores) < 2:
            continue
        if column.interval:
            _bracket(table, column, scores)
        if table.baseline in scores:
            records += _against_baseline(table, column, scores)
        _mark_best(table, column, scores)
    table.comparisons = pd.DataFrame(records, columns=_COMPARED)
    table.claims = _claimed(table, claims, frames)
    if gap:
        _close(table, gap, frames)
        table.order = _ordered(table, gap["score"], order, frames)


def _frames(table: Table) -> _Frames:
    """Return the comparable rows' scores of each image, a frame a training, by label; each file is read once."""
    wanted = {"index", *(f"prediction/{column.key}" for column in table.columns)}
    found: _Frames = {}
    for row in table.rows:
        if row.comparable:
            paths = [result.folder / "per_image.parquet" for result in row.results]
            found[row.label] = [_own(path, wanted).sort_values("index") for path in paths]
    return found


def _own(path: Path, wanted: set[str]) -> pd.DataFrame:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    return file.read([name for name in file.schema_arrow.names if name in wanted]).to_pandas()


def _scores(table: Table, column: Column, frames: _Frames) -> dict[str, _Scores]:
    """Return the comparable rows' scores by label."""
    found = {row.label: _per_image(row, column, frames[row.label]) for row in table.rows if row.comparable}
    return {label: scores for label, scores in found.items() if scores is not None}


def _per_image(row: Row, column: Column, frames: list[pd.DataFrame]) -> _Scores | None:
    """Return the scores of a row; None where there are no per-image scores."""
    name = f"prediction/{column.key}"
    if not frames or any(name not in frame for frame in frames):
        return None
    values = np.stack([frame[name].to_numpy(float) for frame in frames]) * column.factor
    if not np.isfinite(values).all():
        return None  # a score that an image has not, as the ring of a black one, ranks nobody
    if column.best not in ("high", "low"):
        assert column.best is not None  # such a column is not compared
        values = np.abs(values - float(column.best))
    return _Scores(tuple(row.seeds), values if column.best == "high" else -values)


def _compare(one: _Scores, other: _Scores) -> Comparison:
    """Compare two rows, paired where they were trained with the same seeds, and so on the same data and order."""
    return compare(one.values, other.values, paired=one.seeds == other.seeds)


def _judged(pairs: Sequence[tuple[_Scores, _Scores]]) -> list[tuple[Comparison, float, str]]:
    """Compare pairs as one family; return also the adjusted p-values, and verdicts."""
    comparisons = [_compare(one, other) for one, other in pairs]
    adjusted = holm([c.p for c in comparisons])
    words = [verdict(c, p, higher_is_better=True) for c, p in zip(comparisons, adjusted, strict=True)]
    return list(zip(comparisons, map(float, adjusted), words, strict=True))


def _against_baseline(table: Table, column: Column, scores: dict[str, _Scores]) -> list[dict[str, Any]]:
    """Compare every other row with the baseline; mark its cell and return a record of each."""
    others = [label for label in scores if label != table.baseline]
    judged = _judged([(scores[label], scores[table.baseline]) for label in others])
    records = []
    for label, (comparison, p, word) in zip(others, judged, strict=True):
        cell = table.row(label).cells[column.key]
        assert cell is not None
        cell.against_baseline = word
        found = {**vars(comparison), "improvement": comparison.difference, "p_holm": p}
        found["detectable"] = detectable(comparison, len(others))
        records.append({"score": column.key, "row": label, "verdict": word, **found})
    return records


def _bracket(table: Table, column: Column, scores: dict[str, _Scores]) -> None:
    """Give the cells of a column of shares the intervals of their means, by the statistics of the tests."""
    for label, found in scores.items():
        cell, sign = table.row(label).cells[column.key], 1.0 if column.best == "high" else -1.0
        assert cell is not None
        mean = compare(sign * found.values, np.zeros((1, found.values.shape[1])))
        cell.interval = (max(0.0, mean.low), min(column.factor, mean.high))


def _mark_best(table: Table, column: Column, scores: dict[str, _Scores]) -> None:
    """Mark the row with the highest mean, and all that cannot be told from it."""
    best = max(scores, key=lambda label: scores[label].values.mean())
    pairs = list(combinations(scores, 2))
    judged = _judged([(scores[one], scores[other]) for one, other in pairs])
    ties = [
        other if one == best else one
        for (one, other), (_, _, word) in zip(pairs, judged, strict=True)
        if best in (one, other) and word == "tie"
    ]
    for label in [best, *ties]:
        cell = table.row(label).cells[column.key]
        assert cell is not None
        cell.mark = "tie" if ties else "best"


def _close(table: Table, gap: dict[str, str], frames: _Frames) -> None:
    """Add the column that says how much of the gap between two rows each other row closes."""
    scored = next(column for column in table.columns if column.key == gap["score"])
    scores = _scores(table, scored, frames)
    start, end = (next((r.label for r in table.rows if r.key == gap[side]), "") for side in ("from", "to"))
    table.columns.append(Column("gap", f"of the gap {start} to {end} closed / %", scored.group, 0, None))
    for row in table.rows:
        known = {row.label, start, end} <= set(scores) and row.label not in (start, end)
        row.cells["gap"] = None
        if known:
            share, low, high = (
                100 * x for x in recovered(scores[row.label].values, scores[start].values, scores[end].values)
            )
            row.cells["gap"] = Cell(share, None, interval=(low, high))


def _ordered(table: Table, key: str, order: list[str], frames: _Frames) -> list[dict[str, Any]]:
    """Compare each named row with the next; one dictionary a pair."""
    column = next(column for column in table.columns if column.key == key)
    scores = _scores(table, column, frames)
    labels = [row.label for wanted in order for row in table.rows if row.key == wanted and row.label in scores]
    pairs = list(pairwise(labels))
    judged = _judged([(scores[one], scores[other]) for one, other in pairs])
    return [
        {"one": one, "other": other, "p": p, "verdict": word, **_shown(c, column, len(pairs))}
        for (one, other), (c, p, word) in zip(pairs, judged, strict=True)
    ]


def _claimed(table: Table, claims: Sequence[dict[str, str]], frames: _Frames) -> list[dict[str, Any]]:
    """Return the report's claims, each with the comparison that tests it; all of them are one family of tests."""
    columns = {column.key: column for column in table.columns}
    labels = {row.key: row.label for row in table.rows}
    told: list[dict[str, Any]] = []
    pairs: list[tuple[_Scores, _Scores]] = []
    for claim in claims:
        column, names = columns[claim["score"]], [labels[claim[side]] for side in ("one", "other")]
        scores = _scores(table, column, frames)
        told.append(
            {
                "says": claim["says"],
                "expects": claim.get("expects", "better"),
                "column": column,
                "one": names[0],
                "other": names[1],
            }
        )
        if set(names) <= set(scores):
            told[-1]["pair"] = len(pairs)
            pairs.append((scores[names[0]], scores[names[1]]))
    judged = _judged(pairs)
    trained = {row.label: len(row.results) for row in table.rows}
    for entry in told:
        if "pair" in entry:
            comparison, p, word = judged[entry.pop("pair")]
            entry |= {"p": p, "verdict": word, **_shown(comparison, entry["column"], len(pairs))}
            entry["seeds"] = [trained[entry["one"]], trained[entry["other"]]]
    return told


def _shown(comparison: Comparison, column: Column, family: int) -> dict[str, Any]:
    """Return a difference of the score itself, whichever way is better."""
    sign = -1.0 if column.best == "low" else 1.0
    ends = sorted((sign * comparison.low, sign * comparison.high))
    told = {"score": column.label, "difference": sign * comparison.difference, "low": ends[0], "high": ends[1]}
    return {**told, "detectable": detectable(comparison, family)}
