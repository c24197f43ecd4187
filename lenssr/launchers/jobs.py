"""The jobs of a sweep: runs to be trained, and questions to finished ones."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lenssr.config.compose import compose, plain
from lenssr.runs.evaluation import Evaluation
from lenssr.runs.folder import Run, RunResult
from lenssr.runs.stages import identify
from lenssr.system.progress import say

__all__ = [
    "Errand",
    "Job",
    "asked",
    "distinct",
    "evaluations_of",
    "jobs_of",
    "last_lines",
    "objective",
    "outcome",
    "returned",
    "tell_merged",
]

_LAST_LINES = 5


@dataclass(frozen=True)
class Errand:
    """Work that is no run: a command of this package, done when its folder says so.

    Attributes:
        folder: of its own, which is locked while it is done.
        hash: its identity.
        words: of the Python interpreter, which do it.
        done: whether a folder holds what the work shall make.
        outputs: folder beside which consoles are kept.
    """

    folder: Path
    hash: str
    words: list[str]
    done: Callable[[Path], bool]
    outputs: Path
    stages: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> dict[str, Any]:
        """What a launcher asks of a run's configuration."""
        return {"paths": {"outputs": str(self.outputs)}}

    def result(self) -> RunResult | None:
        """Return a result without scores; None unless it is done."""
        return RunResult(self.folder, self.hash, {}, trained=False) if self.done(self.folder) else None


@dataclass
class Job:
    """One configuration of a sweep, one evaluation of a finished run, or an errand.

    Attributes:
        overrides: of its command line.
        run: its folder, and what is known of it.
        needs: devices; 0 for all.
        state: ``waiting``, ``running``, ``found`` (finished before), ``done``, ``pruned`` or ``failed``.
        console: what it printed.
    """

    overrides: list[str]
    run: Run | Evaluation | Errand
    needs: int = 1
    state: str = "waiting"
    console: Path = Path()

    @property
    def command(self) -> str:
        """To be typed, to run it alone."""
        if isinstance(self.run, Errand):
            return shlex.join(["python", *self.run.words])
        if isinstance(self.run, Evaluation):
            return shlex.join(["python", "scripts/evaluate.py", str(self.run.run), *self.overrides])
        return shlex.join(["python", "train.py", *self.overrides])

    @property
    def arguments(self) -> list[str]:
        """Of the Python interpreter, which do it."""
        if isinstance(self.run, Errand):
            return self.run.words
        if isinstance(self.run, Evaluation):
            return ["-m", "lenssr.evaluate", str(self.run.run), *self.overrides]
        devices = self.run.config["trainer"]["devices"]
        # where a launcher gives a job its devices, they are numbered anew
        numbered = [f"trainer.devices={len(devices)}"] if isinstance(devices, list) else []
        return ["-m", "lenssr.train", *self.overrides, *numbered]

    @property
    def title(self) -> str:
        """What tells it apart for a reader."""
        name = self.run.folder.name
        return f"{self.run.run.name}-{name}" if isinstance(self.run, Evaluation) else name


def asked(job_overrides: Sequence[Sequence[str]]) -> list[Job]:
    """Return the job of each configuration of a sweep; two that have one folder are the same job."""
    jobs: dict[Path, Job] = {}
    found = []
    for overrides in job_overrides:
        config = plain(compose(list(overrides)))
        run = Run(config, identify(config))
        job = Job(list(overrides), run, _needs(config["trainer"]["devices"]))
        found.append(jobs.setdefault(run.folder.resolve(), job))
    return found


def tell_merged(jobs: Sequence[Job]) -> None:
    """Say why there are fewer jobs than combinations: some of them are one run."""
    merged = [job for job in distinct(jobs) if sum(other is job for other in jobs) > 1]
    if merged:
        names = ", ".join(f"{job.title} ({sum(other is job for other in jobs)})" for job in merged[:4])
        more = f" and {len(merged) - 4} more" if len(merged) > 4 else ""
        say(
            f"{len(jobs)} combinations are {len(distinct(jobs))} jobs: what they differ in changes nothing in "
            f"{names}{more}, as a seed where nothing is random."
        )


def distinct(jobs: Sequence[Job]) -> list[Job]:
    """Return each job once."""
    return list({id(job): job for job in jobs}.values())


def jobs_of(job_overrides: Sequence[Sequence[str]]) -> list[Job]:
    """Return the jobs of a sweep, each once."""
    return distinct(asked(job_overrides))


def evaluations_of(asked: Sequence[tuple[Path, Sequence[str]]]) -> list[Job]:
    """Return a job for each question, which is a run's folder and overrides; two that ask the same are one job."""
    jobs: dict[str, Job] = {}
    for folder, overrides in asked:
        evaluation = Evaluation(folder, list(overrides))
        jobs.setdefault(evaluation.hash, Job(list(overrides), evaluation))
    return list(jobs.values())


def _needs(wanted: Any) -> int:
    """Return how many devices a job takes; 0 for all of them, as Lightning's -1 and "auto"."""
    if isinstance(wanted, list):
        return len(wanted)
    return max(0, wanted) if isinstance(wanted, int) else 0


def objective(job: Job) -> float | None:
    """Return what a search over hyper-parameters looks at; None unless the job is done."""
    result = job.run.result()
    return result.metrics.get("objective") if result else None


def returned(jobs: Sequence[Job]) -> list[Any]:
    """Return what a launcher gives Hydra: a JobReturn for each configuration that was asked, with the objective."""
    from hydra.core.utils import JobReturn, JobStatus

    returns = []
    for job in jobs:
        done = JobReturn(overrides=job.overrides, status=JobStatus.COMPLETED)
        done.return_value = objective(job)
        returns.append(done)
    return returns


def outcome(job: Job) -> str:
    """Return how the run of an ended job stands: ``done``, ``pruned`` or ``failed``."""
    if job.run.result():
        return "done"
    state = job.run.status().get("state") if isinstance(job.run, Run) else None
    return "pruned" if state == "pruned" else "failed"


def last_lines(console: Path) -> str:
    """Return the end of what a job printed, indented."""
    try:
        lines = console.read_text(errors="replace").splitlines()[-_LAST_LINES:]
    except FileNotFoundError:
        lines = ["(nothing was printed)"]
    return "\n".join(f"    {line}" for line in lines)
