"""Tables as data: columns, rows, cells, and what fills the empty ones."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from lenssr.runs.folder import RunResult

__all__ = ["Cell", "Column", "Gap", "Row", "Table"]


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
        interval: of a share: give its mean's 95 % interval over trainings and test images, too.
    """

    key: str
    label: str
    group: str
    decimals: int
    best: str | float | None
    factor: float = 1.0
    interval: bool = False


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
        seeds: of the results, in their order.
        image_size: HR pixels along a side; ``scale`` times the LR image's.
        limit: whether it is told what no network knows, so that it bounds the others and competes with none.
        published: the report's numbers by column key.
        curve: ``line`` and ``at``, where the row is a point of a curve over the number of training images.
    """

    key: str
    label: str
    cells: dict[str, Cell | None]
    results: list[RunResult] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    missing: list[Gap] = field(default_factory=list)
    parameters: int | None = None
    scale: int = 1
    image_size: int = 0
    ranked: bool = True
    limit: bool = False
    random: bool = True
    curve: dict[str, Any] | None = None
    published: dict[str, float] = field(default_factory=dict)

    @property
    def comparable(self) -> bool:
        """Whether its spread over seeds is known: two seeds, or nothing random in it."""
        return self.ranked and len(self.results) > (1 if self.random else 0)


@dataclass
class Table:
    """A finished table; see :mod:`lenssr.results.tables.render`.

    Attributes:
        comparisons: of every row with the baseline, a line each.
        order: of neighbours in an order that the definition names.
        why: what may make its numbers others than the published ones.
        brackets: whose numbers those are.
        remarks: what is to be said where runs are missing.
        paired: every row against the baseline lens by lens, a heading line and a line a row (:mod:`.paired`).
        claims: what the report says of two rows, ``says``, with the comparison of our trainings where there are any.
    """

    name: str
    title: str
    caption: str
    baseline: str
    columns: list[Column]
    rows: list[Row]
    comparisons: pd.DataFrame = field(default_factory=pd.DataFrame)
    order: list[dict[str, Any]] = field(default_factory=list)
    why: str = ""
    brackets: str = "the 2023 report"
    claims: list[dict[str, Any]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    paired: list[list[str]] = field(default_factory=list)

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
