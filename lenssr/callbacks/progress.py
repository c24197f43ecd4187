"""Say how long a training will take, then how far it is."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from typing import Any

import pytorch_lightning as pl
import torch

from lenssr.errors import RunError
from lenssr.system.processes import finished
from lenssr.system.progress import duration, say, track
from lenssr.tasks import Task

__all__ = ["Progress", "seconds_per_step"]


class Progress(pl.Callback):
    """Progress bar of the training steps, preceded by an estimate of their time on this machine."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Time a step, then open the bar."""
        if trainer.global_rank:
            self._advance = lambda n=1, note=None: None
            return
        assert isinstance(pl_module, Task)
        total, done = trainer.max_steps, trainer.global_step
        name = type(pl_module.model).__name__
        seconds = seconds_per_step(pl_module, trainer) * (total - done)
        count = sum(p.numel() for p in pl_module.model.parameters())
        start = f"from step {done} " if done else ""
        say(f"{name}, {count:,} parameters: {total} steps {start}take about {duration(seconds)} on this machine")
        self._advance = self._stack.enter_context(track(f"training {name}", total, "steps"))
        if done:
            self._advance(done)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Advance; show the loss where it was logged.

        Raises:
            RunError: the loss is no longer a number.
        """
        note = None
        every = int(getattr(trainer, "log_every_n_steps", 1))  # set by a connector, unknown to type checkers
        if trainer.global_step % every == 0:
            metrics = trainer.callback_metrics
            loss = metrics.get("train/loss")
            lost = loss is not None and not math.isfinite(float(loss))
            # all processes end together: one that is left would wait for the others
            if trainer.strategy.reduce_boolean_decision(lost, all=False) if trainer.world_size > 1 else lost:
                value = float(loss) if loss is not None and lost else math.nan
                raise RunError(
                    f"The loss became {value} at step {trainer.global_step}; lower optimizer.lr "
                    "or trainer.gradient_clip_val."
                )
            seen = {"loss": loss, "PSNR": metrics.get("validation/psnr")}
            note = "  ".join(f"{name} {float(value):.4g}" for name, value in seen.items() if value is not None)
        self._advance(1, note)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the bar."""
        self._stack.close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Close the bar."""
        self._stack.close()


def seconds_per_step(task: Task, trainer: pl.Trainer) -> float:
    """Time a training step without changing anything, validations included in proportion."""
    loader = trainer.datamodule.train_dataloader()  # type: ignore[attr-defined]
    parameters = [p for p in task.parameters() if p.requires_grad]
    buffers = {name: value.clone() for name, value in task.named_buffers()}

    def step() -> float:
        finished(task.device)
        start = time.perf_counter()
        batch = loader.batch(trainer.global_step)
        with trainer.precision_plugin.forward_context():
            loss = task.objective(batch)["loss"]
        torch.autograd.grad(loss, parameters, allow_unused=True)
        finished(task.device)
        return time.perf_counter() - start

    step()  # the first one warms up
    seconds = min(step(), step())
    for name, value in task.named_buffers():
        value.copy_(buffers[name])
    return seconds + _validation_seconds(task, trainer)


def _validation_seconds(task: Task, trainer: pl.Trainer) -> float:
    loader = trainer.datamodule.val_dataloader()  # type: ignore[attr-defined]
    batch = next(iter(loader))
    task.eval()
    finished(task.device)
    start = time.perf_counter()
    with torch.no_grad(), trainer.precision_plugin.forward_context():
        task.validate(batch)
    finished(task.device)
    seconds = time.perf_counter() - start
    task.train()
    return seconds * len(loader) / max(1, int(trainer.val_check_interval))
