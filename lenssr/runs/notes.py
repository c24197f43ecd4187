"""What is said, or refused, of a run before it begins, or in place of it."""

from __future__ import annotations

from pathlib import Path

from lenssr.errors import RunError
from lenssr.runs.folder import Run
from lenssr.system.files import read_json
from lenssr.system.progress import say

__all__ = ["new_place", "not_watched", "same_files"]


def new_place(run: Run) -> None:
    """Say which folder of outputs is begun, where there is none yet: somebody may have meant another place."""
    outputs = Path(run.config["paths"]["outputs"])
    if not outputs.is_dir():
        say(f"Runs and data go to a new folder, {outputs.resolve()}; paths.outputs=<folder> chooses another.")


def not_watched(run: Run) -> None:
    """Say how a logger gets what it did not watch: a finished run does nothing that it could log."""
    for name, node in run.config["logger"].items():
        if isinstance(node, dict) and not (run.folder / "logs" / name).is_dir():
            say(f"Finished before, so {name} is sent nothing: lenssr log {run.folder.name} {name} sends what it has.")


def same_files(run: Run) -> None:
    """Refuse to hand out a result of files that are others by now: their folder's path is all that the hash knows.

    Raises:
        RunError: a file was changed, added or taken away since.
    """
    source = run.config["dataset"]["source"]
    if "root" not in source or not Path(source["root"]).expanduser().exists():
        return
    from lenssr.config.instantiate import instantiate

    facts = read_json(run.file("provenance.json")) or {}
    then = facts.get("dataset", {}).get("folder")
    if then and Path(then).name != instantiate(source, "dataset.source").path.name:
        raise RunError(
            f"The files in {source['root']} are no longer those that {run.folder} was trained on; move that folder "
            "away and repeat the command to train on them."
        )
