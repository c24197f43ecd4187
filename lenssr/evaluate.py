"""Score a finished run again: on another set, or with more spent on each image."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lenssr.config import compose, plain, select
from lenssr.errors import ConfigError, LensSRError, RunError, did_you_mean
from lenssr.files import disk_errors, read_json, write_json, write_text
from lenssr.progress import duration, say
from lenssr.runs import RunResult
from lenssr.schema import validate
from lenssr.stages import load_task, read_config

__all__ = ["evaluate", "main"]

_DATA = ("dataset", "physics", "scale")


def evaluate(folder: str | Path, overrides: Sequence[str] = (), split: str = "test") -> RunResult:
    """Score a run's best checkpoint.

    Images are brought to the scale that the network was trained on; the result goes to
    ``<run>/evaluations/<hash>/`` and is found there the next time.

    Args:
        folder: of a finished run.
        overrides: as for training. ``dataset``, ``physics`` and ``scale`` choose the set anew; values of ``task`` and
            ``loader`` change how it is tested, as ``task.self_ensemble=true``.
        split: ``test``, ``validation`` or ``train``.

    Raises:
        LensSRError: there is no such run, or an override does not fit it.
    """
    folder = Path(folder)
    status, trained = read_json(folder / "status.json") or {}, read_json(folder / "metrics.json")
    if status.get("state") != "done" or trained is None:
        raise RunError(f"{folder} is not the folder of a finished run.")
    config = _changed(read_config(folder), list(overrides))
    asked = json.dumps([status["hash"], {key: config[key] for key in ("dataset", "task", "loader")}, split])
    digest = hashlib.sha256(asked.encode()).hexdigest()
    target = folder / "evaluations" / digest[:8]
    known = read_json(target / "metrics.json")
    if known:
        return RunResult(target, digest, known, trained=False)
    return RunResult(target, digest, _scored(folder, config, trained["unit"], split, target), trained=True)


def _changed(config: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """Return a run's configuration with another set and other settings of the test."""
    names = {override: override.split("=")[0].lstrip("+~") for override in overrides}
    ours = [o for o, name in names.items() if name.split(".")[0] in _DATA]
    values = [o for o in overrides if o not in ours]
    for value in values:
        head, _, key = names[value].partition(".")
        if head not in ("task", "loader") or key not in config[head]:
            known = [*_DATA, *(f"{node}.{name}" for node in ("task", "loader") for name in config[node])]
            raise ConfigError(f"'{value}' changes nothing that a test depends on. {did_you_mean(names[value], known)}")
    if ours:
        base = [f"{group}={config[group]['name']}" for group in _DATA]
        chosen = plain(compose([*base, f"paths.outputs={config['paths']['outputs']}", *ours]))
        config = {**config, **{group: chosen[group] for group in _DATA}}
    try:
        changed = OmegaConf.merge(OmegaConf.create(config), OmegaConf.from_dotlist(values))
    except OmegaConfBaseException as error:
        raise ConfigError(f"An override cannot be read: {error}") from error
    result: dict[str, Any] = plain(changed)
    size = select(result, "model.scale")
    if size is not None and size != result["dataset"]["scale"]:
        raise ConfigError(f"The run's model enlarges {size} times; give dataset.scale={size}.")
    validate(result)
    return result


def _scored(folder: Path, config: dict[str, Any], unit: float, split: str, target: Path) -> dict[str, Any]:
    import torch

    from lenssr.build import build_data
    from lenssr.experiment import describe, test, write_scores

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    task, data = load_task(folder, config=config), build_data(config)
    data.prepare()
    data.unit = unit
    found = test(task, data, device, split)
    metrics = describe(task, data, found, device, split)
    with disk_errors(target):
        write_text(target / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(config)))
        write_scores(target, found, data, split)
        write_json(target / "metrics.json", metrics)
    return metrics


def main() -> None:
    """The command line of ``scripts/evaluate.py``."""
    parser = argparse.ArgumentParser(prog="lenssr-evaluate", description=__doc__)
    parser.add_argument("run", help="folder of a finished run")
    parser.add_argument("overrides", nargs="*", help="e.g. task.self_ensemble=true, physics=corrected")
    parser.add_argument("--split", default="test", choices=["train", "validation", "test"])
    arguments = parser.parse_args()
    begun = time.monotonic()
    try:
        result = evaluate(arguments.run, arguments.overrides, arguments.split)
        from lenssr.results.summary import show

        shown = OmegaConf.create(read_config(result.folder))
        show(result, shown, duration(time.monotonic() - begun))
    except LensSRError as error:
        say(f"error: {error}")
        sys.exit(error.exit_code)
