"""Finished runs without their weights: what tables need of them, small enough to be committed and gone on with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

from lenssr.runs.folder import Run, RunResult
from lenssr.runs.provenance import nowhere
from lenssr.system.files import read_json, whole_file, write_json

__all__ = ["has_weights", "keep", "recall"]

_FILES = ("config.yaml", "spectrum.parquet", "metrics.json")


def has_weights(result: RunResult) -> bool:
    """Whether a result lies in the folder of its run, rather than in a record of it."""
    return not (read_json(result.run / "status.json") or {}).get("record", False)


def keep(result: RunResult, records: Path) -> None:
    """Write the record of a finished run, or of an evaluation of it, unless it is there.

    A record has the layout of a run's folder, so that whatever reads scores reads records too; of the scores of each
    image it has those of the prediction, as float32.

    Args:
        result: what was found; a record itself is left where it is.
        records: folder of all records.
    """
    if not has_weights(result):
        return
    if result.folder != result.run:
        _copy(result.run, records / result.run.name)
    _copy(result.folder, records / result.place)


def _copy(source: Path, target: Path) -> None:
    if read_json(target / "metrics.json") == read_json(source / "metrics.json"):
        return
    if (source / "per_image.parquet").is_file():
        scores = pd.read_parquet(source / "per_image.parquet")
        own = [c for c in scores.columns if c == "index" or c.startswith("prediction/")]
        small = scores[own].astype({c: "float32" for c in own if scores[c].dtype == "float64"})
        with whole_file(target / "per_image.parquet") as path:
            small.to_parquet(path, index=False, compression="zstd")
    status = read_json(source / "status.json")
    if status:  # an evaluation has none
        write_json(target / "status.json", {**status, "record": True})
    facts = read_json(source / "provenance.json")
    if facts:
        attempts = [
            {**attempt, "argv": [nowhere(word) for word in attempt.get("argv", [])]} for attempt in facts["attempts"]
        ]
        write_json(target / "provenance.json", {**facts, "attempts": attempts})
    for name in _FILES:  # the metrics last: with them a record is whole
        if (source / name).is_file():
            with whole_file(target / name) as path:
                shutil.copyfile(source / name, path)


def recall(run: Run, records: Path | None) -> RunResult | None:
    """Return the record of a run; None where there is none."""
    if records is None:
        return None
    folder = next((records / name for name in run.names if (records / name).is_dir()), records / run.names[0])
    status, metrics = read_json(folder / "status.json") or {}, read_json(folder / "metrics.json")
    if status.get("hash") != run.hash or metrics is None:
        return None
    return RunResult(folder, run.hash, metrics, trained=False)
