"""Runs by name: a folder, a model in the box, the beginning of a name or hash that no other run shares, ``latest``."""

from __future__ import annotations

import difflib
from pathlib import Path

from lenssr.errors import RunError
from lenssr.runs.box import boxed
from lenssr.system.files import read_json

__all__ = ["A_RUN", "LATEST", "RUNS", "find", "matching", "run_folders"]

LATEST = "latest"
A_RUN = "folder of a finished run, the beginning of its name or hash, or latest"  # for commands' help
RUNS = Path("outputs/runs")
_SHOWN = 4


def run_folders(runs: Path = RUNS) -> list[Path]:
    """Return the folders of all runs in a place, whatever became of them, by name."""
    return sorted(path.parent for path in runs.glob("*/status.json"))


def find(name: str | Path, runs: Path = RUNS) -> Path:
    """Return the folder of a run; torch is not needed to find it.

    Args:
        name: a folder, which is returned as it is; a model in the box; the beginning of a name or a hash; or
            ``latest``, the run that was finished last. ``elsewhere/runs/rdn-mse`` is looked for in ``elsewhere/runs``.
        runs: where names without a folder are looked for.

    Raises:
        RunError: there is none, or several; the message names the nearest.
    """
    path = Path(name)
    if path.is_dir():
        return path
    if len(path.parts) == 1 and str(path) in boxed():
        return boxed()[str(path)]
    place = path.parent if len(path.parts) > 1 else runs
    known = run_folders(place)
    if not known:
        near = difflib.get_close_matches(path.name, boxed(), n=1)
        if near and len(path.parts) == 1:
            raise RunError(f"There is no run '{name}', nor a model in the box of that name. Did you mean '{near[0]}'?")
        where = "there are no runs" if place.is_dir() else "there is no such folder"
        raise RunError(
            f"There is no run '{name}': {where} in {place}. Give the folder of one; python train.py makes it."
        )
    found = _latest(known) if path.name == LATEST else matching(path.name, known)
    if len(found) == 1:
        return found[0]
    if not found:
        raise RunError(f"There is no run '{path.name}' in {place}. {_nearest(path.name, known)}")
    names = ", ".join(one.name for one in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise RunError(f"'{path.name}' is the beginning of {len(found)} runs: {names}{more}. Give more of one's name.")


def matching(word: str, known: list[Path]) -> list[Path]:
    """Return the folders among ``known`` whose name or hash begins with a word; a whole name is that run alone."""
    whole = [path for path in known if path.name == word]
    return whole or [path for path in known if path.name.startswith(word) or _hash(path, word).startswith(word)]


def _hash(folder: Path, word: str) -> str:
    """Return a run's hash, as far as it can matter to a word: the name ends with the first eight letters."""
    short = folder.name.rpartition("-")[2]
    if len(word) <= len(short) or not word.startswith(short):
        return short
    status = read_json(folder / "status.json")
    return str(status.get("hash", short)) if isinstance(status, dict) else short


def _latest(known: list[Path]) -> list[Path]:
    """Return the run that was finished last, alone.

    Raises:
        RunError: none is finished.
    """
    for folder in sorted(known, key=lambda path: (path / "status.json").stat().st_mtime, reverse=True):
        status = read_json(folder / "status.json")
        if isinstance(status, dict) and status.get("state") == "done":
            return [folder]
    raise RunError(
        f"None of the {len(known)} runs in {known[0].parent} is finished; `lenssr runs` shows how they stand."
    )


def _nearest(word: str, known: list[Path]) -> str:
    """Return ``"Did you mean 'x'?"`` for the run whose beginning is nearest, else how to see all."""
    beginnings = {name.casefold(): name for name in boxed()}
    beginnings |= {path.name[: len(word)].casefold(): path.name for path in reversed(known)}
    whole = {path.name.casefold(): path.name for path in known}
    for names in (whole, beginnings):
        near = difflib.get_close_matches(word.casefold(), names, n=1, cutoff=0.6)
        if near:
            return f"Did you mean '{names[near[0]]}'?"
    return "`lenssr runs` lists them."
