"""From a plain configuration to objects: data, task and trainer."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn

from lenssr.callbacks import Checkpoints, GracefulStop
from lenssr.config.instantiate import instantiate
from lenssr.data.build import build_data
from lenssr.errors import ConfigError
from lenssr.models.spread import temperature
from lenssr.models.uncertain import Uncertain
from lenssr.runs.devices import trainer_arguments
from lenssr.runs.folder import Run
from lenssr.tasks import Task

__all__ = ["build_data", "build_model", "build_task", "build_trainer"]


def build_model(config: dict[str, Any]) -> nn.Module:
    """Return the network, initialised from the run's seed."""
    with torch.random.fork_rng(devices=[]):  # the caller's random numbers are not ours to reset
        torch.manual_seed(config["seed"])
        node = dict(config["model"])
        if "predict_variance" not in node or "outputs" in node:  # a network that tells labels does it by itself
            network = instantiate(node, "model")
            if config["task"].get("calibrated"):  # kept with the network's weights, as its spread is
                network.temperature = temperature()
            return network
        uncertain = node.pop("predict_variance")
        network = instantiate(node, "model")
        return Uncertain(network, int(node["scale"])) if uncertain else network


def build_task(config: dict[str, Any]) -> Task:
    """Return the task with its model and loss; stages are not loaded yet."""
    model, loss = build_model(config), instantiate(config["loss"], "loss")
    return instantiate(
        config["task"],
        "task",
        model=model,
        loss=loss,
        optimizer=config["optimizer"],
        steps=config["trainer"]["max_steps"],
    )


def build_trainer(config: dict[str, Any], run: Run, task: Task, more: Sequence[pl.Callback] = ()) -> pl.Trainer:
    """Return the trainer: validations evenly over the steps, each of which may write best.ckpt and writes last.ckpt."""
    _quiet()
    steps, validations = config["trainer"]["max_steps"], config["trainer"]["validations"]
    checkpoint = Checkpoints(run.checkpoints, task.monitor, task.mode)
    callbacks = [instantiate(node, f"callbacks.{name}") for name, node in config["callbacks"].items() if node]
    callbacks += more
    # last, so that what it saves holds what the others did in the same step
    callbacks.sort(key=lambda callback: isinstance(callback, GracefulStop))
    arguments = trainer_arguments(config, task)
    # a short training still shows a curve
    arguments["log_every_n_steps"] = min(arguments.get("log_every_n_steps", 10), max(1, steps // 10))
    try:
        return pl.Trainer(
            **arguments,
            max_epochs=1,  # an epoch of Lightning's is the whole training; the loader counts passes over the data
            val_check_interval=steps // validations,
            num_sanity_val_steps=0,
            callbacks=[*callbacks, checkpoint],
            logger=_loggers(config, run),
            default_root_dir=run.folder,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
    except (TypeError, ValueError, pl.utilities.exceptions.MisconfigurationException) as error:
        raise ConfigError(f"trainer: {error}") from error


def _loggers(config: dict[str, Any], run: Run) -> list[Any]:
    from pytorch_lightning.loggers import CSVLogger

    # a file an attempt: Lightning's logger begins its file anew when a run resumes
    attempts = sorted((run.folder / "logs").glob("attempt_*"))
    csv = CSVLogger(run.folder, name="logs", version=f"attempt_{len(attempts)}")
    nodes = {name: node for name, node in config["logger"].items() if isinstance(node, dict)}
    more = [instantiate(node, f"logger.{name}", run=run) for name, node in nodes.items()]
    return [csv, *more]


def _quiet() -> None:
    """Keep Lightning's own announcements off the console; ours say the same in fewer words."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for text in (
        ".*does not have many workers.*",  # the loaders are arrays already
        ".*Checkpoint directory .* exists and is not empty.*",  # resuming is the point
        ".*`log_every_n_steps`.*|.*smaller than the logging interval.*",
        ".*lr_scheduler.step.*before.*optimizer.step.*",
        ".*`srun` command is available.*",  # jobs in SLURM start their own processes
        ".*LeafSpec.*",  # https://github.com/Lightning-AI/pytorch-lightning/issues/21371
        ".*ModelCheckpoint.*sync_dist.*",
    ):
        warnings.filterwarnings("ignore", message=text)
