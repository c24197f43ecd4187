"""Score a finished run again: on another set, or with more spent on each image."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from lenssr.runs.evaluation import Evaluation
from lenssr.runs.find import A_RUN, find
from lenssr.runs.folder import RunResult
from lenssr.runs.load import load_task, read_config
from lenssr.system.commands import command
from lenssr.system.files import disk_errors, write_json, write_text
from lenssr.system.imports import heavy_imports
from lenssr.system.locks import locked
from lenssr.system.progress import duration
from lenssr.train import make

__all__ = ["evaluate", "main"]


def evaluate(folder: str | Path, overrides: Sequence[str] = (), split: str = "test") -> RunResult:
    """Score a run's best checkpoint.

    Images are brought to the scale that the network was trained on; the result goes to
    ``<run>/evaluations/<hash>/`` and is found there the next time. Where ``paths.outputs`` is overridden, or the run's
    folder is another's and cannot be written, it goes to ``<paths.outputs>/evaluations/<run>/<hash>/``.

    Args:
        folder: of a finished run, or a name of :func:`lenssr.runs.find.find`.
        overrides: as for training. ``dataset``, ``physics`` and ``scale`` choose the set anew, from the shipped
            configs; the settings that the task tests with (``test_settings``), ``dataset.inputs``, ``target`` and
            ``normalization``, and those of ``loader`` for evaluation change how it is tested.
        split: ``test``, ``validation`` or ``train``.

    Raises:
        LensSRError: there is no such run, or an override does not fit it.
    """
    asked = Evaluation(find(folder), list(overrides), split)
    known = asked.result()
    if known:
        return known
    with locked(asked.folder, f"Waiting for another process that does the same, in {asked.folder} ..."):
        known = asked.result()
        return known or RunResult(asked.folder, asked.hash, _scored(asked), trained=True, asked=asked.run)


def _scored(asked: Evaluation) -> dict[str, Any]:
    with heavy_imports():
        import torch

        from lenssr.runs.build import build_data
        from lenssr.runs.execute import describe, test, write_scores
    from lenssr.runs.provenance import Provenance

    make(asked.config)
    asked.find_set()
    with disk_errors(asked.folder):
        provenance = Provenance(asked.folder / "provenance.json")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    task, data = load_task(asked.run, config=asked.config), build_data(asked.config)
    data.prepare()
    data.unit = asked.unit
    with provenance.timing("test"):
        found = test(task, data, device, asked.split)
    metrics = describe(task, data, found, device, asked.split)
    with disk_errors(asked.folder):
        write_text(asked.folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(asked.told())))
        write_scores(asked.folder, found, data, asked.split)
        provenance.write(evaluation={"overrides": asked.overrides, "split": asked.split})
        write_json(asked.folder / "metrics.json", metrics)
    return metrics


def main() -> None:
    """The command line of ``scripts/evaluate.py``."""
    parser = argparse.ArgumentParser(prog="lenssr-evaluate", description=__doc__)
    parser.add_argument("run", help=A_RUN)
    parser.add_argument("overrides", nargs="*", help="e.g. task.self_ensemble=true, physics=corrected")
    parser.add_argument("--split", default="test", choices=["train", "validation", "test"])
    arguments = parser.parse_intermixed_args()
    begun = time.monotonic()

    def work() -> None:
        result = evaluate(arguments.run, arguments.overrides, arguments.split)
        from lenssr.runs.summary import show

        shown = OmegaConf.create(read_config(result.folder))
        show(result, shown, duration(time.monotonic() - begun))

    command(work)


if __name__ == "__main__":
    main()
