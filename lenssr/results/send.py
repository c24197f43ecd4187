"""A finished run sent to a logger that did not watch it: its curves, scores, pictures, configuration and provenance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from lenssr.errors import RunError
from lenssr.results.figures.runs import read_history
from lenssr.runs import loggers
from lenssr.runs.find import find
from lenssr.runs.folder import Run
from lenssr.runs.load import read_config
from lenssr.system.files import read_json

__all__ = ["LOGGERS", "send"]

LOGGERS = ("wandb", "tensorboard")


def send(name: str | Path, to: str, mode: str = "offline", **wandb: Any) -> Path:
    """Send what a finished run has to W&B or TensorBoard, as if that had watched it; return its folder.

    W&B's run bears the run's hash, so that one that is sent again goes on in the same place.

    Args:
        name: folder of the run, or a name of :func:`lenssr.runs.find.find`.
        to: ``wandb`` or ``tensorboard``.
        mode: of W&B, ``offline`` or ``online``.
        **wandb: ``project``, ``entity`` and ``group``.

    Raises:
        RunError: there is no such run, or it is not finished.
        ConfigError: there is no such mode.
    """
    folder = find(name)
    status = read_json(folder / "status.json") or {}
    if status.get("state") != "done":
        raise RunError(f"{folder} is not the folder of a finished run; its state is {status.get('state', 'unknown')}.")
    config = read_config(folder)
    run = Run({**config, "paths": {"outputs": str(folder.parent.parent)}}, status.get("stages", {}))
    run.folder, run.hash = folder, status["hash"]  # of an earlier version of the configs, these are others
    settings = {"project": "lenssr", "entity": None, "group": None, **wandb}
    logger = loggers.wandb(run, mode, **settings) if to == "wandb" else loggers.tensorboard(run)
    try:
        _replay(run, logger)
    except BaseException:
        loggers.close([logger], 1)
        raise
    loggers.close([logger], 0)
    return folder


def _replay(run: Run, logger: Any) -> None:
    logger.log_hyperparams({"hash": run.hash}) if type(logger).__name__ != "WandbLogger" else None
    loggers.attach([logger], read_json(run.file("provenance.json")) or {})
    step = 0
    for line in read_history(run).sort_values("step", kind="stable").to_dict("records"):
        values = {str(name): float(v) for name, v in line.items() if name not in ("step", "epoch") and pd.notna(v)}
        step = int(line["step"])
        if values:
            logger.log_metrics(values, step=step)
    scores = (read_json(run.file("metrics.json")) or {}).get("scores", {}).get("prediction", {})
    logger.log_metrics({f"test/{name}": float(score["mean"]) for name, score in scores.items()}, step=step)
    if run.file("per_image.parquet").is_file():
        loggers.histograms([logger], pd.read_parquet(run.file("per_image.parquet")), step)
    loggers.pictures([logger], sorted(run.file("figures").glob("*.*")))
    logger.save()
