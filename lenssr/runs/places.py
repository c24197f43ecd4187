"""Where what a run refers to lies now: its outputs folder may have been moved, mounted elsewhere, or be another's.

A configuration holds paths as they were typed, most of them relative to the folder of the first command. Read again,
they are looked for below the outputs folder that the run lies in today.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lenssr.config.identity import every_stage_node

__all__ = ["kept", "outputs_of", "resolve", "writable"]

_FILES = ("root", "psf")  # of a dataset's source: what the user named
_RUNS = "runs"


def outputs_of(folder: Path) -> list[Path]:
    """Return the outputs folders that a run's folder, or an evaluation's, may lie in, the one that was named first.

    There are two where a symbolic link leads to the folder.
    """
    ways = dict.fromkeys([Path(os.path.abspath(folder)), folder.resolve()])
    depths = (0, 2)  # of a run, and of an evaluation within it
    return [
        way.parents[n].parent for way in ways for n in depths if len(way.parents) > n and way.parents[n].name == _RUNS
    ]


def resolve(config: dict[str, Any], folder: Path) -> None:
    """Bring the paths of a stored configuration up to date, in place; what is found nowhere stays as it is.

    Args:
        config: as the run keeps it.
        folder: of the run, or of an evaluation of it.
    """
    then, now = Path(config["paths"]["outputs"]), outputs_of(folder)
    beside = Path(os.path.abspath(folder)).parent
    for _, node in every_stage_node(config):
        if node.get("run"):
            node["run"] = _found(Path(node["run"]), [*_moved(Path(node["run"]), then, now), *_named(node, now, beside)])
    source = config["dataset"].get("source", {})
    for where in (source, source.get("galaxies") or {}):
        for key in (*_FILES, "path"):
            if isinstance(where.get(key), str):
                where[key] = _found(Path(where[key]), _moved(Path(where[key]), then, now))
    if now:
        if isinstance(source.get("folder"), str):
            places = [*_moved(Path(source["folder"]), then, now), now[0] / "datasets"]
            source["folder"] = str(next((place for place in places if place.is_dir()), places[0]))
        config["paths"] = {**config["paths"], "outputs": str(now[0])}


def _moved(path: Path, then: Path, now: list[Path]) -> Iterator[Path]:
    """Yield where a path that was written beside the outputs folder ``then`` may be."""
    for outputs in now:
        if path.is_relative_to(then):
            yield outputs / path.relative_to(then)
        if not path.is_absolute() and not then.is_absolute() and ".." not in then.parts:
            # the folder of the first command
            yield outputs.joinpath(*[os.pardir] * len(then.parts)) / path


def _named(node: dict[str, Any], now: list[Path], beside: Path) -> list[Path]:
    """Return where a run may be by its name alone."""
    name = Path(node["run"]).name
    return [*(outputs / _RUNS / name for outputs in now), beside / name]


def _found(path: Path, places: Iterator[Path] | list[Path]) -> str:
    """Return the first of the places that is there; the path as it was written where none is."""
    return next((os.path.normpath(place) for place in places if place.exists()), str(path))


def kept(run: str, outputs: str) -> str:
    """Return how a run that was named is written down: by the outputs folder where it lies there, else absolute."""
    there, root = Path(run).resolve(), Path(outputs).resolve()
    return str(Path(outputs) / there.relative_to(root)) if there.is_relative_to(root) else os.path.abspath(run)


def writable(folder: Path) -> bool:
    """Whether a folder, or the nearest one above it that is there, can be written."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return os.access(there, os.W_OK)
