"""A step of training, against a bare PyTorch loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.alternate import Row, Seconds, Size, alternate, config, overhead, triple

if TYPE_CHECKING:
    from torch import nn

__all__ = ["training"]

TARGET = 0.05  # of the bare loop's time


class _Stopwatch:
    """Clocks from the end of the first step to the end of the last, so that set-up and validation stay outside."""

    def __init__(self, steps: int) -> None:
        self.steps, self.marks = steps, []

    def step_ended(self, step: int) -> None:
        """Note the time; not of the steps in between, for a GPU must not wait for the clock."""
        import torch

        if step in (0, self.steps - 1):
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self.marks.append((time.perf_counter(), time.process_time()))

    def seconds(self) -> Seconds:
        """Return what a step took."""
        first, last = self.marks
        return Seconds(*((b - a) / (self.steps - 1) for a, b in zip(first, last, strict=True)))


def project_training(config: dict[str, Any], watch: _Stopwatch) -> nn.Module:
    """Train with the project's trainer, callbacks, logger and checkpoint."""
    import pytorch_lightning as pl

    from lenssr.runs.build import build_data, build_task, build_trainer
    from lenssr.runs.folder import Run

    class Stamp(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
            watch.step_ended(trainer.global_step - 1)

    run, task, data = Run(config, {}), build_task(config), build_data(config)
    run.begin()
    trainer = build_trainer(config, run, task)
    trainer.callbacks.insert(0, Stamp())
    trainer.fit(task, datamodule=data)
    return task.model


def bare_training(config: dict[str, Any], watch: _Stopwatch) -> nn.Module:
    """Train with PyTorch alone on the same batches, from the same weights, by the same rule."""
    import torch
    import torch.nn.functional as F

    from lenssr.runs.build import build_data, build_model

    wanted = config["optimizer"]
    loader = build_data(config).train_dataloader()
    model = build_model(config).to(loader.reader.device).train()
    optimizer = torch.optim.Adam(model.parameters(), wanted["lr"], wanted["betas"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, wanted["lr"], watch.steps, pct_start=wanted["warmup"], cycle_momentum=False
    )
    for step, batch in enumerate(loader):
        optimizer.zero_grad()
        F.mse_loss(model(batch["lr"]), batch["target"]).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config["trainer"]["gradient_clip_val"])
        optimizer.step()
        schedule.step()
        watch.step_ended(step)
    return model


def training(size: Size, folder: Path) -> list[Row]:
    """A training step of RDN with MSE, patches of 64 px in batches of 4: lenssr against a bare PyTorch loop."""
    from torch.nn.utils import parameters_to_vector

    chosen = config(
        folder,
        *("model=rdn", "loss=mse", "optimizer=adam", "loader.patch=64", "loader.batch_size=4"),
        *("dataset.source.splits={train:48,validation:3,test:3}", "trainer.validations=1", "trainer.precision=32-true"),
        f"trainer.max_steps={size.steps}",
    )
    models: dict[Any, nn.Module] = {}

    def run(train: Callable[[dict[str, Any], _Stopwatch], nn.Module]) -> Seconds:
        watch = _Stopwatch(size.steps)
        models[train] = train(chosen, watch)
        return watch.seconds()

    found = alternate("training", size.rounds, lambda: run(project_training), lambda: run(bare_training))
    weights = [parameters_to_vector(model.parameters()).detach().cpu() for model in models.values()]
    difference = float((weights[0] - weights[1]).abs().max())
    rate, reference = found.rates("wall")
    further = {clock: overhead(found.ratio(clock)) for clock in Seconds._fields}
    cells = {
        "steps": str(size.steps),
        "lenssr, s/step": f"{1 / rate:.4f}",
        "bare loop, s/step": f"{1 / reference:.4f}",
        "overhead, CPU time": triple(further["cpu"], "+.1%"),
        "overhead, wall": triple(further["wall"], "+.1%"),
        "target": f"<= {TARGET:.0%}",
        "max |difference| of weights": f"{difference:.0e}",
    }
    facts = {"steps": size.steps, "target": TARGET, "overhead": further, "max_weight_difference": difference}
    return [Row(cells, {**facts, **found.facts()})]
