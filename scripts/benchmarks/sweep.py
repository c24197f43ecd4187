"""A sweep in the pool, against Hydra's own launcher, which runs the jobs one after another in one process."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.alternate import Comparison, Row, Seconds, Size, alternate, triple

__all__ = ["sweep"]

TARGET = 4.0  # seconds a job
ROUNDS = 3  # at most; a round takes minutes
ROOT = Path(__file__).parents[2]
JOB = (
    *("model=rdn", "model.features=4", "model.growth=4", "model.blocks=2", "model.layers=2", "trainer.max_steps=40"),
    *("loader.patch=32", "loader.batch_size=4", "trainer.validations=2", "trainer.accelerator=cpu"),
    *("dataset.image_size=48", "scale.dataset={train:9,validation:3,test:4}"),
)
BASIC = ("hydra/launcher=basic",)
POOL = ("hydra/launcher=pool", "hydra.launcher.devices=cpu", "hydra.launcher.slots=1")


def _run(*words: str) -> Seconds:
    """Return what a command of train.py took, with the processes that it started."""
    wall, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}  # on either side
    subprocess.run([sys.executable, "train.py", *words], cwd=ROOT, env=environment, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Seconds(time.perf_counter() - wall, cpu)


def _further(jobs: int, outputs: Path, launcher: tuple[str, ...]) -> Seconds:
    """Return what each further job of a sweep adds, so that what a launcher does once counts for none."""
    command = ("-m", *launcher, *JOB)
    _run(*JOB, f"paths.outputs={outputs}", "seed=1000")  # makes the set of images, which all share
    one = _run(*command, f"paths.outputs={outputs}", "seed=range(1)")
    many = _run(*command, f"paths.outputs={outputs}", f"seed=range(1,{jobs + 2})")
    return Seconds(*((b - a) / jobs for a, b in zip(one, many, strict=True)))


def sweep(size: Size, folder: Path) -> list[Row]:
    """A further job of a sweep: a process of its own in a pool of one slot against Hydra's launcher, in one process."""
    numbers = iter(range(2 * ROUNDS))

    def side(launcher: tuple[str, ...]) -> Seconds:
        return _further(size.jobs, folder / str(next(numbers)), launcher)

    found = alternate("sweep", min(size.rounds, ROUNDS), lambda: side(POOL), lambda: side(BASIC))
    rate, reference = found.rates("wall")
    overhead = _difference(found)
    cells = {
        "jobs": str(size.jobs),
        "pool, s/job": f"{1 / rate:.2f}",
        "in one process, s/job": f"{1 / reference:.2f}",
        "overhead, s/job": triple(overhead, "+.2f"),
        "target": f"<= {TARGET:.0f} s",
    }
    return [Row(cells, {"jobs": size.jobs, "target": TARGET, "overhead_seconds": overhead, **found.facts()})]


def _difference(found: Comparison) -> dict[str, float]:
    each = sorted(a - b for a, b in zip(found.ours["wall"], found.theirs["wall"], strict=True))
    return {"median": each[len(each) // 2], "min": each[0], "max": each[-1]}
