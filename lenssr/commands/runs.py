"""``lenssr runs``: the table of runs, and the removal of those that came to nothing."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from lenssr.errors import ConfigError
from lenssr.runs.find import RUNS
from lenssr.runs.listing import STATES, Listed, chosen
from lenssr.system.commands import command
from lenssr.system.locks import is_locked
from lenssr.system.progress import duration, say

__all__ = ["main", "remove", "table"]

_DAY = 86400.0


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="lenssr runs",
        description="List runs, the youngest first: how they stand, what sets them apart from the defaults, the score "
        "that chose the checkpoint and that of the test.",
        epilog=f"States: {', '.join(STATES)}. A run that says it is running and that no process holds was killed.",
    )
    parser.add_argument("words", nargs="*", help="as model=rdn,edsr state=done seed=0 optimizer.lr=0.005, or a name")
    parser.add_argument("--outputs", type=Path, default=RUNS.parent, help="folder of the runs' folder [%(default)s]")
    parser.add_argument("--rm", action="store_true", help="remove the failed and debug runs among them")
    parser.add_argument("--yes", action="store_true", help="without asking")
    arguments = parser.parse_intermixed_args()
    command(lambda: _work(arguments))


def _work(arguments: argparse.Namespace) -> None:
    place = arguments.outputs / "runs"
    if not place.is_dir():
        raise ConfigError(f"There is no folder {place}: train something, or say where with --outputs <folder>.")
    runs = chosen(arguments.words, place)
    if arguments.rm:
        return remove(runs, arguments.yes)
    if not runs:
        return say(f"No run in {place} is like that.")
    return table(runs)


def table(runs: list[Listed]) -> None:
    """Print the runs, a line each."""
    from rich.console import Console
    from rich.table import Table

    shown = Table("run", "state", "age", "seed", "steps", "validation", "test", "scale", "differs from the defaults")
    for column in shown.columns[2:7]:
        column.justify = "right"
    shown.columns[0].no_wrap = True
    for run in runs:
        seed = "" if "seed" in (run.config.get("task") or {}).get("ignores", []) else str(run.get("seed"))
        steps = "" if run.get("steps") is None or not seed else str(run.get("steps"))
        cells = [run.state, _ago(run.age), seed, steps, _score(run.validation), _score(run.test), str(run.get("scale"))]
        shown.add_row(run.folder.name, *cells, " ".join([*_apart(run), *run.differences()]))
    Console(width=None if sys.stdout.isatty() else 200).print(shown)


def _apart(run: Listed) -> list[str]:
    return ["(debug)"] if "debug" in run.apart else ["(off its recipe)"] if run.apart else []


def _score(named: tuple[str, float] | None) -> str:
    if named is None:
        return ""
    name, value = named
    return f"{value:.2f} dB" if name.endswith("psnr") else f"{name} {value:.4g}"


def _ago(seconds: float) -> str:
    return f"{seconds / _DAY:.0f} days" if seconds > 2 * _DAY else duration(seconds)


def remove(runs: list[Listed], sure: bool) -> None:
    """Remove the failed and debug runs among these, after a question; never a run that another process holds.

    Raises:
        ConfigError: nobody can be asked.
    """
    gone = [run for run in runs if (run.state == "failed" or "debug" in run.apart) and not is_locked(run.folder)]
    if not gone:
        return say("None of these runs is a failed or a debug one; nothing was removed.")
    for run in gone:
        say(f"{run.folder} ({run.state}{', debug' if 'debug' in run.apart else ''})")
    if not sure:
        if not sys.stdin.isatty():
            raise ConfigError(f"{len(gone)} runs would be removed; --yes removes them without asking.")
        if input(f"Remove these {len(gone)} runs? [y/N] ").strip().casefold() not in ("y", "yes"):
            return say("Nothing was removed.")
    for run in gone:
        shutil.rmtree(run.folder)
    return say(f"{len(gone)} runs removed.")
