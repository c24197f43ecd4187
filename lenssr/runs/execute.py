"""The work of one run: fit, test the best checkpoint, record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from lenssr.data import LensDataModule
from lenssr.errors import ConfigError, RunError
from lenssr.metrics.evaluation import Evaluation
from lenssr.metrics.labels import LabelEvaluation
from lenssr.metrics.physics import equivariance_error
from lenssr.runs import loggers
from lenssr.runs.build import build_trainer
from lenssr.runs.checkpoints import read, read_weights, write_weights
from lenssr.runs.devices import arrange
from lenssr.runs.folder import Run, RunResult
from lenssr.runs.load import load_weights
from lenssr.runs.provenance import Provenance
from lenssr.system.files import disk_errors, whole_file
from lenssr.system.precision import exact
from lenssr.system.progress import say
from lenssr.tasks import SuperResolution, Task

_TURNED = 8  # images that the equivariance error is measured on

__all__ = ["Draw", "describe", "execute", "test", "write_scores"]

Draw = Callable[[Evaluation | LabelEvaluation, Run, LensDataModule], list[Path]]


def execute(run: Run, task: Task, data: LensDataModule, draw: Draw, callbacks: Sequence[pl.Callback] = ()) -> RunResult:
    """Train what has to be trained, score the test set once, and fill the run folder.

    Args:
        run: the folder.
        task: what is trained and tested.
        data: the set.
        draw: makes the pictures of what the test found.
        callbacks: beside the configured ones.
    """
    trainer = build_trainer(run.config, run, task, callbacks)
    provenance = Provenance(run.file("provenance.json"), keep=trainer.global_rank == 0)
    facts: dict[str, Any] = {"precision": trainer.precision}
    facts |= {"dataset": {"folder": str(data.sets["test"].folder), "manifest_sha256": data.sets["test"].checksum}}
    try:
        with disk_errors(run.folder):
            if trainer.global_rank == 0:
                loggers.attach(trainer.loggers, provenance.all)  # first, so that a run that fails has it too
            if task.trains:
                with provenance.timing("train"):
                    fit(run, task, data, trainer)
                provenance.write(**facts)
            elif task.tuned:
                task.tune(data)
                write_weights(task.model, run.best)
            with provenance.timing("test"):  # on every device, each with its share of the images
                found = test(task, data, trainer.strategy.root_device)
            if trainer.global_rank == 0:
                metrics = {**_record(run, task, data, found, trainer, draw), **_validated(task, trainer)}
                loggers.attach(trainer.loggers, provenance.all)
        provenance.write(**facts, stages=run.stages)
    except BaseException:
        loggers.close(trainer.loggers, 1)
        raise
    loggers.close(trainer.loggers, 0)
    if trainer.global_rank:  # the first process of several writes
        raise SystemExit(0)
    return run.finish(metrics)


def fit(run: Run, task: Task, data: LensDataModule, trainer: pl.Trainer) -> None:
    """Train, from the last checkpoint if there is one, and load the best weights.

    Where the configuration has ``finetune``, training begins with the weights of the run that it names; without a
    training image they are the result.

    Raises:
        RunError: the checkpoint to resume from is damaged or of another model.
        ConfigError: there is neither a training image nor a run to begin with.
    """
    task.prepare(data)
    start = run.config.get("finetune")
    if start:
        load_weights(task.model, start["run"])
    if not len(data.sets["train"]):
        if not start:
            raise ConfigError("dataset.shots=0 trains nothing, so it needs a run to begin with: finetune.run=<run>.")
        write_weights(task.model, run.best)
        return
    resume = None
    if run.last.exists():
        state = read(run.last)
        if set(state["state_dict"]) != set(task.state_dict()):
            raise RunError(f"{run.last} is the checkpoint of another model; delete it and repeat the command.")
        resume = str(run.last)
        say(f"Resuming from step {state['global_step']}.")
    arrange(run.config, task, trainer.strategy.root_device.type == "cuda")
    trainer.fit(task, datamodule=data, ckpt_path=resume)
    read_weights(task.model, run.best)
    if task.calibrate(data) and trainer.global_rank == 0:
        write_weights(task.model, run.best)


def test(task: Task, data: LensDataModule, device: torch.device, split: str = "test") -> Evaluation | LabelEvaluation:
    """Score a split with the task's present weights, in fp32."""
    task.to(device).eval()
    with exact():
        return task.examine(data, device, split)


def _record(
    run: Run,
    task: Task,
    data: LensDataModule,
    found: Evaluation | LabelEvaluation,
    trainer: pl.Trainer,
    draw: Draw,
) -> dict[str, Any]:
    write_scores(run.folder, found, data)
    loggers.pictures(trainer.loggers, draw(found, run, data))
    loggers.histograms(trainer.loggers, found.per_image, trainer.global_step)
    _log_summary(trainer, found.summary().get("prediction", {}))
    return describe(task, data, found, trainer.strategy.root_device)


def _validated(task: Task, trainer: pl.Trainer) -> dict[str, Any]:
    """Return the validation score that chose the checkpoint, which a search over hyper-parameters may look at."""
    best = getattr(trainer.checkpoint_callback, "best_model_score", None) if task.trains else None
    return {
        "objective": None if best is None else float(best),
        "monitor": {"name": task.monitor, "mode": task.mode},
    }


def write_scores(folder: Path, found: Evaluation | LabelEvaluation, data: LensDataModule, split: str = "test") -> None:
    """Write ``per_image.parquet``, parameters beside scores; ``spectrum.parquet``; of draws ``calibration.parquet``."""
    parameters = data.sets[split].parameters
    table = found.per_image.merge(parameters.drop(columns=_lists(parameters)), on="index", how="left")
    frames = {"per_image": table, "spectrum": found.spectrum, "calibration": found.calibration}
    for name, frame in frames.items():
        if frame is None:
            continue
        with whole_file(folder / f"{name}.parquet") as temporary:
            frame.to_parquet(temporary, index=False)


def describe(
    task: Task, data: LensDataModule, found: Evaluation | LabelEvaluation, device: torch.device, split: str = "test"
) -> dict[str, Any]:
    """Return the content of ``metrics.json``."""
    return {
        "split": split,
        "images": len(found.per_image),
        "target": data.target,
        "unit": data.unit,
        **data.facts(),
        **task.facts(data),
        "parameters": sum(p.numel() for p in task.model.parameters() if p.requires_grad),
        "seconds_per_image": found.seconds_per_image,
        "threads": torch.get_num_threads(),
        "equivariance_error": _equivariance(task, data, device, split),
        "definitions": found.definitions,
        "scores": found.summary(),
    }


@torch.inference_mode()
def _equivariance(task: Task, data: LensDataModule, device: torch.device, split: str) -> float | None:
    """Return the equivariance error on the first images; None for a task that maps no LR image."""
    if not isinstance(task, SuperResolution):
        return None
    found: list[torch.Tensor] = []
    for batch in data.evaluation(split, device):
        found.append(batch["lr"])
        if sum(map(len, found)) >= _TURNED:
            break
    with exact():
        return equivariance_error(task.upscale, torch.cat(found)[:_TURNED])


def _lists(parameters: Any) -> list[str]:
    return [name for name in parameters.columns if name.startswith("subhalo_")]


def _log_summary(trainer: pl.Trainer, scores: dict[str, dict[str, float]]) -> None:
    flat = {f"test/{name}": value["mean"] for name, value in scores.items()}
    for logger in trainer.loggers:
        logger.log_metrics(flat, step=trainer.global_step)
        logger.save()
