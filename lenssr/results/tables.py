"""Tables as data: ``configs/table/<name>.yaml`` says which runs are its cells; finished runs fill them.

A cell is a configuration, and a configuration has one folder, so a table never guesses which run is meant, and an
empty cell knows the command that fills it.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import OmegaConf

from lenssr.config import CONFIGS, compose, plain
from lenssr.errors import ConfigError, did_you_mean
from lenssr.results.statistics import Comparison, compare, holm, verdict
from lenssr.runs import Run, RunResult
from lenssr.stages import identify

__all__ = ["Cell", "Column", "Row", "Table", "build", "configurations", "names"]

CEILING = "noise ceiling"


@dataclass(frozen=True)
class Column:
    """One score.

    Attributes:
        key: ``protocol/score`` in ``metrics.json``.
        label: heading, with its unit.
        group: heading over several columns.
        decimals: shown.
        best: ``high``, ``low`` or a number that is right, as 1 for a ratio; None for a score that is not ranked.
        factor: that turns the stored number into the heading's unit.
    """

    key: str
    label: str
    group: str
    decimals: int
    best: str | float | None
    factor: float = 1.0


@dataclass
class Cell:
    """Mean and standard deviation over seeds, and how it stands.

    Attributes:
        mean: in the column's unit.
        std: likewise; None for a single seed or a row without randomness.
        published: the report's number, if it has one.
        mark: ``best`` (better than every other row), ``tie`` (with the best) or empty.
        against_baseline: ``better``, ``worse``, ``tie`` or empty.
    """

    mean: float
    std: float | None
    published: float | None = None
    mark: str = ""
    against_baseline: str = ""


@dataclass
class Row:
    """One model: its cells by column key, its finished runs, and the overrides of those that are missing."""

    label: str
    cells: dict[str, Cell | None]
    results: list[RunResult] = field(default_factory=list)
    missing: list[list[str]] = field(default_factory=list)
    parameters: int | None = None
    scale: int = 1
    ranked: bool = True

    @property
    def comparable(self) -> bool:
        """Whether its spread over seeds is known: two seeds, or nothing random in it."""
        return self.ranked and (len(self.results) > 1 or not self.missing) and bool(self.results)


@dataclass
class Table:
    """A finished table; see :mod:`lenssr.results.render`."""

    name: str
    title: str
    caption: str
    baseline: str
    columns: list[Column]
    rows: list[Row]
    comparisons: pd.DataFrame

    @property
    def missing(self) -> list[str]:
        """Commands that fill the empty cells."""
        return [shlex.join(["python", "train.py", *overrides]) for row in self.rows for overrides in row.missing]


def names() -> list[str]:
    """Return the tables there are."""
    return sorted(path.stem for path in (CONFIGS / "table").glob("*.yaml"))


def _definition(name: str) -> dict[str, Any]:
    path = CONFIGS / "table" / f"{name}.yaml"
    if not path.is_file():
        raise ConfigError(f"There is no table '{name}'. {did_you_mean(name, names())}")
    return plain(OmegaConf.load(path))


def _columns(name: str) -> list[Column]:
    path = CONFIGS / "table" / "columns" / f"{name}.yaml"
    return [Column(key=key, **entry) for key, entry in plain(OmegaConf.load(path)).items()]


def build(name: str, overrides: Sequence[str] = ()) -> Table:
    """Collect the runs of a table and compare them.

    Args:
        name: of the table.
        overrides: what every cell shares, as ``scale=report`` or ``paths.outputs=...``.

    Raises:
        ConfigError: there is no such table, or an override names nothing.
    """
    definition = _definition(name)
    columns = _columns(definition["columns"])
    rows = [_row(definition, key, entry, columns, overrides) for key, entry in definition["rows"].items()]
    ceiling = _ceiling(rows, columns)
    table = Table(
        name=name,
        title=definition["title"],
        caption=definition["caption"],
        baseline=definition["rows"][definition["baseline"]]["label"],
        columns=columns,
        rows=rows + ([ceiling] if ceiling else []),
        comparisons=pd.DataFrame(),
    )
    table.comparisons = _judge(table)
    return table


def configurations(name: str, overrides: Sequence[str] = ()) -> list[tuple[str, dict[str, Any]]]:
    """Return (label, plain configuration of the first seed) of every row."""
    table = _definition(name)
    chosen = [*overrides, *table["overrides"], f"seed={table['seeds'][0]}"]
    return [(row["label"], plain(compose([*chosen, *row["overrides"]]))) for row in table["rows"].values()]


def _row(
    definition: dict[str, Any], key: str, entry: dict[str, Any], columns: list[Column], overrides: Sequence[str]
) -> Row:
    results: list[RunResult] = []
    missing: list[list[str]] = []
    seen: set[str] = set()
    for seed in definition["seeds"]:
        chosen = [*definition["overrides"], *entry["overrides"], f"seed={seed}"]
        config = plain(compose([*overrides, *chosen]))
        run = Run(config, identify(config))
        if run.hash in seen:  # nothing random in it: every seed is the same run
            continue
        seen.add(run.hash)
        result = run.result()
        if result:
            results.append(result)
        else:
            missing.append([*overrides, *chosen])
    row = Row(entry["label"], {}, results, missing, scale=config["dataset"]["scale"])
    published = entry.get("published", {})
    for column in columns:
        values = [_score(result, column.key) for result in results]
        row.cells[column.key] = _cell(values, column, published.get(column.key))
    if results:
        row.parameters = results[0].metrics["parameters"]
    return row


def _score(result: RunResult, key: str, who: str = "prediction") -> float | None:
    if key in result.metrics:
        value = result.metrics[key]
        return None if value is None else float(value)
    found = result.metrics["scores"].get(who, {}).get(key)
    return None if found is None else float(found["mean"])


def _cell(values: list[float | None], column: Column, published: float | None) -> Cell | None:
    known = [column.factor * value for value in values if value is not None]
    if not known:
        return None
    std = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return Cell(float(np.mean(known)), std, published)


def _ceiling(rows: list[Row], columns: list[Column]) -> Row | None:
    """Return the row of the noise-free truth itself, from any finished run: the test set is the same for all."""
    result = next((result for row in rows for result in row.results), None)
    if result is None or "ceiling" not in result.metrics["scores"]:
        return None
    cells = {
        column.key: None
        if column.key.startswith("truth/")
        else _cell([_score(result, column.key, "ceiling")], column, None)
        for column in columns
        if column.key not in result.metrics
    }
    return Row(CEILING, cells, ranked=False)


def _judge(table: Table) -> pd.DataFrame:
    """Mark the cells, and return every comparison with the baseline."""
    records = []
    for column in table.columns:
        if column.best is None:
            continue
        scores = {row.label: s for row in table.rows if row.comparable and (s := _per_image(row, column)) is not None}
        if len(scores) < 2:
            continue
        if table.baseline in scores:
            found = _against(scores, table.baseline)
            for label, (comparison, word) in found.items():
                cell = _find(table, label).cells[column.key]
                assert cell is not None
                cell.against_baseline = word
                records.append({"score": column.key, "row": label, "verdict": word, **vars(comparison)})
        _mark_best(table, column, scores)
    return pd.DataFrame(records)


def _per_image(row: Row, column: Column) -> np.ndarray | None:
    """Return (seeds, images), so that higher is better; None where there are no per-image scores."""
    name = f"prediction/{column.key}"
    frames = [pd.read_parquet(result.folder / "per_image.parquet") for result in row.results]
    if not frames or any(name not in frame for frame in frames):
        return None
    values = np.stack([frame.sort_values("index")[name].to_numpy(float) for frame in frames]) * column.factor
    if column.best == "high":
        return values
    if column.best == "low":
        return -values
    assert column.best is not None  # such a column is not compared
    return -np.abs(values - float(column.best))


def _against(scores: dict[str, np.ndarray], one: str) -> dict[str, tuple[Comparison, str]]:
    """Compare every other row with one; the p-values are adjusted for all of them together."""
    others = [label for label in scores if label != one]
    comparisons = [compare(scores[label], scores[one]) for label in others]
    adjusted = holm([c.p for c in comparisons])
    words = [verdict(c, p, higher_is_better=True) for c, p in zip(comparisons, adjusted, strict=True)]
    return dict(zip(others, zip(comparisons, words, strict=True), strict=True))


def _mark_best(table: Table, column: Column, scores: dict[str, np.ndarray]) -> None:
    best = max(scores, key=lambda label: scores[label].mean())
    ties = [label for label, (_, word) in _against(scores, best).items() if word != "worse"]
    for label in [best, *ties]:
        cell = _find(table, label).cells[column.key]
        assert cell is not None
        cell.mark = "tie" if ties else "best"


def _find(table: Table, label: str) -> Row:
    return next(row for row in table.rows if row.label == label)
