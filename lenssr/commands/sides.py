"""What is compared: the finished runs that words name, and their scores of every image."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lenssr.config.identity import NOT_IDENTITY
from lenssr.errors import RunError
from lenssr.runs.find import RUNS
from lenssr.runs.listing import Listed, chosen

__all__ = ["LOWER", "Side", "apart", "scores_of", "side"]

LOWER = ("mse", "mae", "error", "crps", "nll", "ring_offset")  # of which less is better, by the end of the name


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
        different = apart(first.config, other.config)
        if different:
            raise RunError(
                f"'{words}' names runs that differ in more than their seed: {first.folder.name} and "
                f"{other.folder.name} in {', '.join(different[:4])}. Give more words, as {different[0]}=<value>."
            )
        if other.get("seed") in {run.get("seed") for run in found if run is not other}:
            raise RunError(f"'{words}' names two runs of seed {other.get('seed')}; give more words.")
    label = first.folder.name if len(found) == 1 else first.folder.name.rpartition("-")[0]
    return Side(label, found)


def apart(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return the keys in which two configurations differ, but for those that change no result, and the seed."""
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


def scores_of(member: Side) -> dict[str, Any]:
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
