"""Two sides measured in turns (A, B, A, B, ...), so that whatever else the machine does meets both alike."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

__all__ = [
    "FULL",
    "QUICK",
    "Comparison",
    "Row",
    "Seconds",
    "Size",
    "alternate",
    "config",
    "overhead",
    "show",
    "timed",
    "triple",
]


class Size(NamedTuple):
    """How much is measured.

    Attributes:
        rounds: turns of both sides.
        images: simulated a turn.
        batches: read a turn.
        steps: of training a turn.
        stored: images in the set that is read.
        jobs: of a sweep.
        seeds: of trainings to a quality.
        seconds: of the processor that the longest of those may take; 0 for two steps alone.
        goal: dB; a training that reaches it is the last.
    """

    rounds: int
    images: int
    batches: int
    steps: int
    stored: int
    jobs: int
    seeds: int
    seconds: float
    goal: float


QUICK = Size(rounds=3, images=16, batches=20, steps=12, stored=300, jobs=2, seeds=1, seconds=0, goal=42.0)
FULL = Size(rounds=7, images=64, batches=60, steps=32, stored=1500, jobs=6, seeds=5, seconds=250, goal=42.0)


class Seconds(NamedTuple):
    """Time that one item took: on the wall clock, and of the processor."""

    wall: float
    cpu: float


class Row(NamedTuple):
    """One comparison: what the table shows, and what the JSON file keeps."""

    cells: dict[str, str]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """Seconds per item of the project and of the alternative, by clock: a number a round."""

    ours: dict[str, list[float]]
    theirs: dict[str, list[float]]

    def rates(self, clock: str) -> tuple[float, float]:
        """Return items per second of both sides, from the medians."""
        return 1 / statistics.median(self.ours[clock]), 1 / statistics.median(self.theirs[clock])

    def ratio(self, clock: str) -> dict[str, float]:
        """Return how many times faster the project is: ratio of the medians, extremes over the rounds."""
        ours, theirs = self.rates(clock)
        each = [b / a for a, b in zip(self.ours[clock], self.theirs[clock], strict=True)]
        return {"median": ours / theirs, "min": min(each), "max": max(each)}

    def facts(self) -> dict[str, Any]:
        """Return everything measured."""
        ratios = {clock: self.ratio(clock) for clock in self.ours}
        return {"speed_ratio": ratios, "seconds_per_item": {"ours": self.ours, "theirs": self.theirs}}


def triple(values: dict[str, float], form: str) -> str:
    """Return a median and its extremes as a cell of a table."""
    return f"{values['median']:{form}} ({values['min']:{form}} to {values['max']:{form}})"


def overhead(ratio: dict[str, float]) -> dict[str, float]:
    """Return the further time that the project takes, as a fraction; a low ratio of speeds is a high overhead."""
    return {"median": 1 / ratio["median"] - 1, "min": 1 / ratio["max"] - 1, "max": 1 / ratio["min"] - 1}


def alternate(label: str, rounds: int, ours: Callable[[], Seconds], theirs: Callable[[], Seconds]) -> Comparison:
    """Measure both sides in turns, saying which round it is."""
    turns = []
    for turn in range(rounds):
        print(f"{label}: round {turn + 1} of {rounds}", file=sys.stderr, flush=True)
        turns.append((ours(), theirs()))
    sides = zip(*turns, strict=True)
    return Comparison(*({clock: [getattr(s, clock) for s in side] for clock in Seconds._fields} for side in sides))


def timed(work: Callable[[], Iterable[Any]], items: int) -> Callable[[], Seconds]:
    """Return a function that goes through what the work yields and tells what one of its items took."""

    def run() -> Seconds:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in work():
            pass  # kept by nobody, as in use: memory that is never given back would dominate both sides
        return Seconds((time.perf_counter() - wall) / items, (time.process_time() - cpu) / items)

    return run


def config(outputs: Path, *overrides: str) -> dict[str, Any]:
    """Return a configuration of the project."""
    from lenssr.config.compose import compose, plain

    return plain(compose([f"paths.outputs={outputs}", *overrides]))


def show(title: str, rows: list[Row]) -> None:
    """Print a section's rows."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*rows[0].cells, title=f"{title}\nmedian (least to most over the rounds)", title_justify="left")
    for row in rows:
        table.add_row(*row.cells.values())
    # a pipe has no width of its own, and 80 columns would break the ratios apart
    Console(width=None if sys.stdout.isatty() else 150).print(table)
