"""``lenssr compare``: is one run better than another, by the test that the tables use?"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lenssr.commands.sides import LOWER, Side, apart, scores_of, side
from lenssr.config.compose import select
from lenssr.errors import ConfigError, RunError
from lenssr.runs.find import RUNS
from lenssr.system.commands import command

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["compared", "main"]

_SHOWN = ("report/mse", "report/psnr", "report/ssim", "truth/mse", "truth/psnr", "truth/ssim")


def compared(one: Side, other: Side) -> pd.DataFrame:
    """Return, a line a score: means, difference with its 95 % interval, p-value after Holm's correction, verdict.

    Raises:
        RunError: they were tested on other images, or have no score in common.
    """
    import numpy as np
    import pandas as pd

    from lenssr.results.shipped import SET
    from lenssr.results.tables.statistics import compare, detectable, holm, verdict

    for path in SET:
        if select(one.runs[0].config, path) != select(other.runs[0].config, path):
            if apart({"x": select(one.runs[0].config, path)}, {"x": select(other.runs[0].config, path)}) == [
                "x.folder"
            ]:
                continue
            raise RunError(f"{one.label} and {other.label} were tested on other images: their {path} differ.")
    scores = [scores_of(member) for member in (one, other)]
    known = [name for name in _SHOWN if name in scores[0] and name in scores[1]]
    known = known or [name for name in scores[0] if name in scores[1]]
    if not known:
        raise RunError(f"{one.label} and {other.label} have no score of each image in common.")
    found = []
    for name in known:
        values = [np.asarray(own[name]) for own in scores]
        if values[0].shape[1] != values[1].shape[1]:
            raise RunError(f"{one.label} was tested on {values[0].shape[1]} images, {other.label} on another number.")
        result = compare(values[0], values[1], paired=one.seeds == other.seeds)
        found.append({"score": name, "one": values[0].mean(), "other": values[1].mean(), **vars(result)})
        found[-1]["detectable"] = detectable(result, len(known))
        found[-1]["result"] = result
    for line, p in zip(found, holm([line["p"] for line in found]), strict=True):
        line["p_holm"] = float(p)
        line["verdict"] = verdict(line.pop("result"), float(p), not line["score"].endswith(LOWER))
    return pd.DataFrame(found)


def sampled(one: Side, other: Side) -> str:
    """Return what the test is over, and what it therefore says."""
    counts = len(one.runs), len(other.runs)
    random = ["seed" not in select(member.runs[0].config, "task.ignores", []) for member in (one, other)]
    alone = [member.label for member, count, is_random in zip((one, other), counts, random, strict=True)
             if is_random and count == 1]  # fmt: skip
    if alone:
        return (
            f"Only images were sampled, not trainings: of {' and '.join(alone)} there is one training, and another "
            "seed might differ by more than this interval. Train more seeds (-m seed=0,1,2) to compare networks."
        )
    paired = ", paired by seed" if one.seeds == other.seeds and counts[0] > 1 else ""
    return f"Student's t over {counts[0]} and {counts[1]} trainings{paired}, Holm-corrected over the scores."


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="lenssr compare",
        description="Compare two runs, or two configurations of several seeds each, by the test of the tables.",
        epilog="A side is a folder, the beginning of a name or hash (all its seeds, where nothing else differs), or "
        "filters in quotes: lenssr compare 'loss=mse model=rdn' 'loss=mse_aae model=rdn'.",
    )
    parser.add_argument("one", help="a run, or the runs of one configuration")
    parser.add_argument(
        "other", nargs="?", help="likewise; differences are the first less this; left out: every row of --table"
    )
    parser.add_argument("--table", default="residual_models", help="of the package's own [%(default)s]")
    parser.add_argument("--score", default="truth/psnr", help="that rows are compared by [%(default)s]")
    parser.add_argument("--outputs", type=Path, default=RUNS.parent, help="folder of the runs' folder [%(default)s]")
    arguments = parser.parse_args()
    runs = arguments.outputs / "runs"

    def work() -> None:
        if arguments.other:
            _show(side(arguments.one, runs), side(arguments.other, runs))
        else:
            from lenssr.commands.place import show

            show(side(arguments.one, runs), arguments.table, arguments.score)

    command(work)


def _show(one: Side, other: Side) -> None:
    from rich.console import Console
    from rich.table import Table

    if {run.folder.resolve() for run in one.runs} & {run.folder.resolve() for run in other.runs}:
        raise ConfigError("Both sides name the same run; give more of their names.")
    found = compared(one, other)
    headings: Sequence[str] = (
        "score",
        one.label,
        other.label,
        "difference",
        "95 % interval",
        "p (Holm)",
        "seen at",
        "",
    )
    table = Table(*headings)
    for column in table.columns[1:7]:
        column.justify = "right"
    for line in found.to_dict("records"):
        digits = 2 if line["score"].endswith("psnr") else 6 if line["score"].endswith("mse") else 4
        numbers = [f"{line[name]:.{digits}f}" for name in ("one", "other")]
        ends = f"{line['low']:+.{digits}f} to {line['high']:+.{digits}f}"
        told = [f"{line['difference']:+.{digits}f}", ends, f"{line['p_holm']:.2g}", f"{line['detectable']:.{digits}f}"]
        table.add_row(str(line["score"]), *numbers, *told, str(line["verdict"]))
    Console(width=None if Console().is_terminal else 160).print(table)
    print(sampled(one, other))
    print("seen at: the smallest difference that trainings as many and as scattered find with a power of 80 %.")
