"""What is said of a run before it begins, or in place of it."""

from __future__ import annotations

from pathlib import Path

from lenssr.runs.folder import Run
from lenssr.system.progress import say

__all__ = ["new_place", "not_watched"]


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
