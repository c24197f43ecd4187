"""Tables as data: ``configs/table/<name>.yaml`` says which runs are its cells; finished runs fill them.

A cell is a configuration, and a configuration has one folder, so a table never guesses which run is meant, and an
empty cell knows the command that fills it.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import OmegaConf

from lenssr.config import CONFIGS, compose, plain
from lenssr.errors import ConfigError, did_you_mean
from lenssr.runs import Run, RunResult
from lenssr.schema import validate
from lenssr.stages import identify

__all__ = ["Cell", "Column", "Gap", "Row", "Table", "available", "build", "configurations", "names"]


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
        interval: 95 % interval, where the cell has one instead of a standard deviation.
    """

    mean: float
    std: float | None
    published: float | None = None
    mark: str = ""
    against_baseline: str = ""
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Gap:
    """What fills an empty cell: the overrides of a run, or a finished run and the overrides of its evaluation."""

    overrides: tuple[str, ...]
    run: Path | None = None

    @property
    def command(self) -> str:
        """To be typed."""
        start = ["train.py"] if self.run is None else ["scripts/evaluate.py", str(self.run)]
        return shlex.join(["python", *start, *self.overrides])


@dataclass
class Row:
    """One model: its cells by column key, its finished runs, and the commands of those that are missing.

    Attributes:
        image_size: HR pixels along a side; ``scale`` times the LR image's.
        curve: ``line`` and ``at``, where the row is a point of a curve over the number of training images.
    """

    key: str
    label: str
    cells: dict[str, Cell | None]
    results: list[RunResult] = field(default_factory=list)
    missing: list[Gap] = field(default_factory=list)
    parameters: int | None = None
    scale: int = 1
    image_size: int = 0
    ranked: bool = True
    random: bool = True
    curve: dict[str, Any] | None = None

    @property
    def comparable(self) -> bool:
        """Whether its spread over seeds is known: two seeds, or nothing random in it."""
        return self.ranked and len(self.results) > (1 if self.random else 0)


@dataclass
class Table:
    """A finished table; see :mod:`lenssr.results.render`."""

    name: str
    title: str
    caption: str
    baseline: str
    columns: list[Column]
    rows: list[Row]
    comparisons: pd.DataFrame = field(default_factory=pd.DataFrame)
    order: list[dict[str, Any]] = field(default_factory=list)
    why: str = ""

    @property
    def gaps(self) -> list[Gap]:
        """What fills the empty cells, each once."""
        return list(dict.fromkeys(gap for row in self.rows for gap in row.missing))

    @property
    def missing(self) -> list[str]:
        """Commands that fill the empty cells."""
        return [gap.command for gap in self.gaps]

    def row(self, label: str) -> Row:
        """Return the row of a label."""
        return next(row for row in self.rows if row.label == label)


def names() -> list[str]:
    """Return the tables there are."""
    return sorted(path.stem for path in (CONFIGS / "table").glob("*.yaml"))


def available(overrides: Sequence[str] = ()) -> list[str]:
    """Return the tables that need nothing which the overrides do not give, as the place of one's own images."""
    given = {override.split("=")[0] for override in overrides}
    return [name for name in names() if given >= set(_definition(name).get("needs", []))]


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
    from lenssr.results.judge import judge

    rows = [_row(definition, key, entry, columns, overrides) for key, entry in definition["rows"].items()]
    for who, label in definition["references"].items():
        rows += _reference(rows, who, label, columns)
    baseline = definition["rows"][definition["baseline"]]["label"]
    why, first = definition.get("why", ""), rows[0]
    caption = definition["caption"].format(lr=first.image_size // first.scale, hr=first.image_size)
    table = Table(name, definition["title"], caption, baseline, columns, rows, why=why)
    judge(table, definition.get("gap"), definition.get("order", []))
    return table


def configurations(
    name: str, overrides: Sequence[str] = (), evaluations: bool = False
) -> list[tuple[str, dict[str, Any]]]:
    """Return (label, plain configuration of the first seed) of every row that trains, and of the others if asked."""
    table = _definition(name)
    chosen = [*overrides, *table["overrides"], f"seed={table['seeds'][0]}"]
    rows = [row for row in table["rows"].values() if evaluations or not row.get("evaluate")]
    return [(row["label"], plain(compose([*chosen, *row["overrides"]]))) for row in rows]


def _row(
    definition: dict[str, Any], key: str, entry: dict[str, Any], columns: list[Column], overrides: Sequence[str]
) -> Row:
    row = Row(key, entry["label"], {}, curve=entry.get("curve"))
    seen: set[str] = set()
    for seed in definition["seeds"]:
        chosen = (*overrides, *definition["overrides"], *entry["overrides"], f"seed={seed}")
        config = plain(compose(chosen))
        validate(config)
        run = Run(config, identify(config))
        if run.hash in seen:  # nothing random in it: every seed is the same run
            continue
        seen.add(run.hash)
        row.scale, row.image_size = config["dataset"]["scale"], config["dataset"]["image_size"]
        row.random = "seed" not in config["task"]["ignores"]
        found = _found(run, chosen, entry.get("evaluate", []))
        (row.missing if isinstance(found, Gap) else row.results).append(found)  # type: ignore[arg-type]
    published = entry.get("published", {})
    for column in columns:
        values = [_score(result, column.key) for result in row.results]
        row.cells[column.key] = _cell(values, column, published.get(column.key))
    if row.results:
        row.parameters = row.results[0].metrics["parameters"]
    return row


def _found(run: Run, chosen: tuple[str, ...], evaluation: list[str]) -> RunResult | Gap:
    """Return the result of a run, or of an evaluation of it, or what is missing."""
    result = run.result()
    if result is None:
        return Gap(chosen)
    if not evaluation:
        return result
    from lenssr.evaluate import find

    return find(result.folder, evaluation) or Gap(tuple(evaluation), result.folder)


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


def _reference(rows: list[Row], who: str, label: str, columns: list[Column]) -> list[Row]:
    """Return the row of what predictions are measured against, from any finished run: the test set is the same for all.

    The ceiling is the noise-free truth itself, so its scores against the truth are left out.
    """
    result = next((result for row in rows for result in row.results if who in result.metrics["scores"]), None)
    if result is None:
        return []
    cells = {
        column.key: None
        if who == "ceiling" and column.key.startswith("truth/")
        else _cell([_score(result, column.key, who)], column, None)
        for column in columns
        if column.key not in result.metrics
    }
    return [Row(who, label, cells, ranked=False)]
