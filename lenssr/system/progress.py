"""Progress of long work: bar, rate and remaining time on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["duration", "say", "track"]

_QUIET = 5.0  # seconds between lines where the output is no terminal


def say(text: str) -> None:
    """Print one line to the console (standard error), at once."""
    print(text, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Return e.g. ``3 min 20 s``."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


@contextmanager
def track(title: str, total: int, unit: str, estimate: bool = True) -> Iterator[Callable[..., None]]:
    """Show the progress of ``total`` units; the block gets ``advance(n=1, note="")``.

    Args:
        title: of the work.
        total: units.
        unit: their name, in the plural.
        estimate: show rate and remaining time; not where the caller's notes know better.
    """
    show = _bar if sys.stderr.isatty() else _lines
    with show(title, total, unit, estimate) as advance:
        yield advance


@contextmanager
def _bar(title: str, total: int, unit: str, estimate: bool) -> Iterator[Callable[..., None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    speed = (TextColumn("{task.fields[rate]}"), TimeRemainingColumn()) if estimate else ()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *speed,
        TextColumn("{task.fields[note]}"),
    )
    start = time.monotonic()
    done = 0.0
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=total, rate="", note="")

        def advance(n: float = 1, note: str | None = None) -> None:
            nonlocal done
            done += n
            rate = f"{done / max(1e-9, time.monotonic() - start):.3g} {unit}/s"
            fields = {"rate": rate} if note is None else {"rate": rate, "note": note}
            progress.update(task, advance=n, **fields)  # type: ignore[arg-type]

        yield advance


@contextmanager
def _lines(title: str, total: int, unit: str, estimate: bool) -> Iterator[Callable[..., None]]:
    start = last = time.monotonic()
    done = 0.0
    shown = ""

    def advance(n: float = 1, note: str | None = None) -> None:
        nonlocal done, last, shown
        done += n
        shown = shown if note is None else note
        now = time.monotonic()
        over = done >= total - 1e-6  # parts of a unit add up to it but for rounding
        if now - last >= _QUIET or over:
            last = now
            rate = done / max(1e-9, now - start)
            left = "" if over else f", {duration((total - done) / rate)} left"
            speed = f", {rate:.3g} {unit}/s{left}" if estimate else ""
            say(f"{title}: {round(done, 1):g}/{total}{speed}{'  ' + shown if shown else ''}")

    yield advance
