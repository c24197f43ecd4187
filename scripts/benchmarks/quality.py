"""How long a network trains until it is so good: the recipe before Muon beside the present one, in one run."""

from __future__ import annotations

import math
import statistics
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.alternate import Row, Size, config

__all__ = ["Training", "quality", "seconds_to"]

GOALS = (38.0, 39.5, 39.6, 40.0, 42.0)  # dB, against the truth, mean over the validation images
PATCHES = 1200  # of the shortest training; each further one is twice as long
SLOW, SLOW_SEEDS = (
    "RDN, Adam, batches of 16",
    3,
)  # begins at twice as many patches, and is trained less often: minutes each
RECIPES = {
    SLOW: ("model=rdn", "optimizer=adam", "optimizer.lr=2e-3", "loader.batch_size=16"),
    "RDN": ("model=rdn",),
    "U-Net": ("model=unet_sr",),
}


class Training(NamedTuple):
    """A whole training, its schedule included: how many steps, what they took, and what came of them."""

    steps: int
    cpu: float
    psnr: float


def seconds_to(goal: float, found: list[Training]) -> float | None:
    """Return the seconds of the training that would just reach a PSNR; None where the longest one falls short.

    Between two trainings it is interpolated in the logarithm of the time. Where the shortest is good enough already,
    its own time is an upper limit, and returned.
    """
    ordered = sorted(found)
    for shorter, longer in zip([None, *ordered], ordered, strict=False):
        if longer.psnr < goal:
            continue
        if shorter is None:
            return longer.cpu
        part = (goal - shorter.psnr) / (longer.psnr - shorter.psnr)
        return shorter.cpu * (longer.cpu / shorter.cpu) ** part
    return None


def _train(folder: Path, steps: int, *overrides: str) -> Training:
    """Train with the project's own trainer; the clock stops for set-up and validation."""
    import pytorch_lightning as pl

    from lenssr.runs.build import build_data, build_task, build_trainer
    from lenssr.runs.folder import Run

    chosen = config(
        folder,
        *("loss=mse", "loader.patch=64", "trainer.accelerator=cpu", "~callbacks.progress", *overrides),
        *(f"trainer.max_steps={steps}", "trainer.validations=1"),
    )

    class Clock(pl.Callback):
        spent = 0.0

        def on_train_batch_start(self, *_: Any) -> None:
            self.since = time.process_time()

        def on_train_batch_end(self, *_: Any) -> None:
            self.spent += time.process_time() - self.since

    run, task, data, clock = Run(chosen, {}), build_task(chosen), build_data(chosen), Clock()
    run.begin()
    trainer = build_trainer(chosen, run, task, [clock])
    trainer.fit(task, datamodule=data)
    return Training(steps, clock.spent, float(trainer.callback_metrics["validation/truth/psnr"]))


def _curve(label: str, seed: int, size: Size, folder: Path) -> list[Training]:
    """Train ever longer until the last goal is reached or the next training would take too long."""
    overrides = (*RECIPES[label], f"seed={seed}")
    batch = config(folder, *overrides)["loader"]["batch_size"]
    found: list[Training] = []
    patches = PATCHES * (2 if label == SLOW else 1)
    while not found or (found[-1].psnr < size.goal and 2 * found[-1].cpu <= size.seconds):
        steps = max(1, patches * 2 ** len(found) // batch) if size.seconds else 2
        found.append(_train(folder, steps, *overrides))
        print(f"{label}, seed {seed}: {steps} steps, {found[-1].cpu:.0f} s, {found[-1].psnr:.2f} dB", file=sys.stderr)
    return found


def _cell(times: list[float | None], longest: float) -> str:
    known = sorted(math.inf if value is None else value for value in times)
    middle, low, high = statistics.median(known), known[0], known[-1]
    if math.isinf(low):
        return f"over {longest:.0f}"
    return f"{middle:.0f} ({low:.0f} to {high:.0f})".replace("inf", f"over {longest:.0f}")


def quality(size: Size, folder: Path) -> list[Row]:
    """CPU-seconds of training, on one thread, to a PSNR against the truth: median and extremes over the seeds."""
    curves: dict[str, list[list[Training]]] = {label: [] for label in RECIPES}
    for seed in range(size.seeds):
        for label in RECIPES:  # in turns
            if label == SLOW and seed >= SLOW_SEEDS:
                continue
            curves[label].append(_curve(label, seed, size, folder))
    rows = []
    for label, seeds in curves.items():
        longest = max(training.cpu for found in seeds for training in found)
        times = {goal: [seconds_to(goal, found) for found in seeds] for goal in GOALS if goal <= size.goal}
        cells = {"recipe": label, "seeds": str(len(seeds))}
        cells |= {f"to {goal:g} dB, CPU-s": _cell(values, longest) for goal, values in times.items()}
        facts = {"recipe": label, "overrides": RECIPES[label], "trainings": [[t._asdict() for t in s] for s in seeds]}
        rows.append(Row(cells, {**facts, "cpu_seconds_to": {f"{goal:g}": values for goal, values in times.items()}}))
    return rows
