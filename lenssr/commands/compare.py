"""``lenssr compare``: is one run better than another, by the test that the tables use?"""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenssr.config.compose import select
from lenssr.config.identity import NOT_IDENTITY
from lenssr.errors import ConfigError, RunError
from lenssr.runs.find import RUNS
from lenssr.runs.listing import Listed, chosen
from lenssr.system.commands import command

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Side", "compared", "main", "side"]

_LOWER = ("mse", "mae", "error", "crps", "nll", "ring_offset")  # of which less is better, by the end of the name
_SHOWN = ("report/mse", "report/psnr", "report/ssim", "truth/mse", "truth/psnr", "truth/ssim")
_SET = ("dataset.source", "dataset.observation", "dataset.image_size", "dataset.scale", "physics")


@dataclass(frozen=True)
class Side:
    """The trainings of one configuration, one a seed, in the order of their seeds."""

    label: str
    runs: list[Listed]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the trainings."""
        return tuple(int(run.get("seed")) for run in self.runs)


def side(words: str, runs: Path = RUNS) -> Side:
    """Return the finished runs that words name: a folder, the beginning of a name, or filters as of ``lenssr runs``.

    Raises:
        RunError: there is none, or they differ in more than their seed.
    """
    known = sorted(chosen(shlex.split(words), runs), key=lambda run: int(run.get("seed") or 0))
    found = [run for run in known if run.state == "done"]
    if not found:
        states = ", ".join(sorted({run.state for run in known}))
        raise RunError(f"'{words}' names no finished run" + (f" (state: {states})." if states else "."))
    first, *others = found
    for other in others:
        apart = _apart(first.config, other.config)
        if apart:
            raise RunError(
                f"'{words}' names runs that differ in more than their seed: {first.folder.name} and "
                f"{other.folder.name} in {', '.join(apart[:4])}. Give more words, as {apart[0]}=<value>."
            )
        if other.get("seed") in {run.get("seed") for run in found if run is not other}:
            raise RunError(f"'{words}' names two runs of seed {other.get('seed')}; give more words.")
    label = first.folder.name if len(found) == 1 else first.folder.name.rpartition("-")[0]
    return Side(label, found)


def _apart(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    skipped = {*NOT_IDENTITY, "seed"}
    flat_one, flat_other = _flat(one, "", skipped), _flat(other, "", skipped)
    return sorted(key for key in flat_one.keys() | flat_other.keys() if flat_one.get(key) != flat_other.get(key))


def _flat(node: dict[str, Any], prefix: str, skipped: set[str]) -> dict[str, str]:
    """Return the values by dotted key; a folder of a stage is another's affair."""
    found: dict[str, str] = {}
    for key, value in node.items():
        path = f"{prefix}{key}"
        if path in skipped or (key == "run" and "overrides" in node):
            continue
        if isinstance(value, dict) and value:
            found |= _flat(value, f"{path}.", skipped)
        else:
            found[path] = json.dumps(value, default=str)
    return found


def compared(one: Side, other: Side) -> pd.DataFrame:
    """Return, a line a score: means, difference with its 95 % interval, p-value after Holm's correction, verdict.

    Raises:
        RunError: they were tested on other images, or have no score in common.
    """
    import numpy as np
    import pandas as pd

    from lenssr.results.tables.statistics import compare, detectable, holm, verdict

    for path in _SET:
        if select(one.runs[0].config, path) != select(other.runs[0].config, path):
            if _apart({"x": select(one.runs[0].config, path)}, {"x": select(other.runs[0].config, path)}) == [
                "x.folder"
            ]:
                continue
            raise RunError(f"{one.label} and {other.label} were tested on other images: their {path} differ.")
    scores = [_scores(member) for member in (one, other)]
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
        line["verdict"] = verdict(line.pop("result"), float(p), not line["score"].endswith(_LOWER))
    return pd.DataFrame(found)


def _scores(member: Side) -> dict[str, Any]:
    """Return the scores (seeds, images) by name."""
    import numpy as np
    import pandas as pd

    frames = []
    for run in member.runs:
        path = run.folder / "per_image.parquet"
        if not path.is_file():
            raise RunError(f"{run.folder} has no per_image.parquet: the scores of each image are needed.")
        frames.append(pd.read_parquet(path).sort_values("index"))
    names = [name for name in map(str, frames[0].select_dtypes("number")) if name.startswith("prediction/")]
    whole = [name for name in names if all(name in frame for frame in frames)]
    stacked = {name: np.stack([frame[name].to_numpy(float) for frame in frames]) for name in whole}
    found = {name.removeprefix("prediction/"): values for name, values in stacked.items()}
    return {name: values for name, values in found.items() if np.isfinite(values).all()}


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
    parser.add_argument("other", help="likewise; differences are the first less this")
    parser.add_argument("--outputs", type=Path, default=RUNS.parent, help="folder of the runs' folder [%(default)s]")
    arguments = parser.parse_args()
    command(lambda: _show(*(side(words, arguments.outputs / "runs") for words in (arguments.one, arguments.other))))


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
