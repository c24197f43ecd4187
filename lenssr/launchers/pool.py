"""A queue of jobs and a pool of devices: every device busy, nothing run twice, nothing lost, nothing left behind.

A job is a fresh process, so that its memory, threads and device are its own. What is finished is known by the run's
identity; what another pool is doing right now is known by the run's lock. So two pools on one sweep share it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lenssr.config.compose import select
from lenssr.errors import Interrupted, Pruned, RunError
from lenssr.launchers import jobs as sweep
from lenssr.launchers.devices import Device, environment, find_devices
from lenssr.launchers.jobs import Job, last_lines, outcome
from lenssr.runs.folder import Run
from lenssr.runs.load import read_config
from lenssr.runs.summary import show_runs
from lenssr.system.files import read_json
from lenssr.system.locks import claim, is_locked
from lenssr.system.processes import die_with_parent
from lenssr.system.progress import duration, say, track

__all__ = ["Pool", "PoolJob", "find_devices", "jobs_of", "plan", "spent"]

_POLL = 0.1  # seconds
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class PoolJob(Job):
    """A job in a process on some of the pool's devices."""

    process: subprocess.Popen[bytes] | None = None
    devices: list[Device] = field(default_factory=list)
    claim: ExitStack | None = None
    started: float = 0.0
    seconds: float = 0.0


def jobs_of(job_overrides: Sequence[Sequence[str]]) -> list[PoolJob]:
    """Return the jobs of a sweep; two with one identity are one job."""
    return _pooled(sweep.jobs_of(job_overrides))


def _pooled(jobs: Sequence[Job]) -> list[PoolJob]:
    return [job if isinstance(job, PoolJob) else PoolJob(job.overrides, job.run, job.needs) for job in jobs]


def plan(jobs: Sequence[Job], devices: Sequence[Device]) -> None:
    """Say, a line each, what would run, where, and what it may take, by finished runs that had as much to do."""
    runs = [job.run for job in jobs if isinstance(job.run, Run)]
    taken = dict(zip(map(id, runs), spent([(run.folder.parent, run.config) for run in runs]), strict=True))
    known: list[float] = []
    unknown = 0
    for job in jobs:
        if job.run.result():
            say(f"finished  {job.title}")
            continue
        seconds = taken.get(id(job.run))
        known += [] if seconds is None else [seconds]
        unknown += seconds is None
        cost = "cost unknown" if seconds is None else f"about {duration(seconds)}"
        say(f"would run {job.title} on one of {len(devices)} x {devices[0].name.split()[0]}, {cost}: {job.command}")
    where = f"on {len(devices)} devices"
    if unknown:
        rest = f"{len(known)} others take about {duration(sum(known) / len(devices))} {where}" if known else ""
        say(f"No total: {unknown} jobs are unlike any finished run{'; the ' + rest if rest else ''}.")
    else:
        say(f"{len(known)} jobs would take about {duration(sum(known) / len(devices))} {where}.")


def _work_of(config: dict[str, Any]) -> str:
    """Return what decides how long a run takes."""
    named = ("trainer.max_steps", "loader.batch_size", "loader.patch", "dataset.image_size", "dataset.source.splits")
    return repr([config["model"], *(select(config, name) for name in named)])


def spent(asked: Sequence[tuple[Path, dict[str, Any]]]) -> list[float | None]:
    """Return, for each configuration and the place of its runs, the mean seconds of those that had the same to do."""
    seconds: dict[str, list[float]] = {}
    alike = {(place, f"{config['model']['name']}-*/provenance.json") for place, config in asked}
    for path in (path for folder, pattern in alike for path in folder.glob(pattern)):
        attempts = (read_json(path) or {}).get("attempts", [])
        taken = sum(sum(attempt.get("seconds", {}).values()) for attempt in attempts)
        if taken:
            with suppress(RunError):  # a folder that is being made, or another's
                seconds.setdefault(_work_of(read_config(path.parent)), []).append(taken)
    known = [seconds.get(_work_of(config)) for _, config in asked]
    return [sum(values) / len(values) if values else None for values in known]


class Pool:
    """Runs jobs side by side.

    Args:
        devices: that take one job each at a time.
        consoles: folder of what the jobs print.
    """

    def __init__(self, devices: Sequence[Device], consoles: Path) -> None:
        self.free, self.size, self.consoles = list(devices), len(devices), consoles
        self.jobs: list[PoolJob] = []
        self._begun = time.time()
        self._asked: int | None = None
        self._advance: Callable[..., None] = lambda n=1, note=None: None

    def run(self, jobs: Sequence[Job]) -> None:
        """Run every job that is not finished; jobs that fail are listed at the end.

        Raises:
            RunError: some failed; their last lines and commands are in the message.
            Interrupted: a signal came; running jobs were told, and have saved what they reached.
        """
        self.jobs = _pooled(jobs)
        self.consoles.mkdir(parents=True, exist_ok=True)
        before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        try:
            with track("jobs", len(jobs), "jobs", estimate=False) as self._advance:  # found jobs take no time
                self._work()
        finally:
            for job in self._in("running"):
                self._signal(job, signal.SIGKILL)
                if job.process:
                    job.process.wait()
                self._leave(job, "running")
            for number, handler in before.items():
                signal.signal(number, handler)
        if self._asked:
            left = len(self._in("waiting", "running", "stopped"))
            raise Interrupted(f"Stopped with {left} of {len(jobs)} jobs left; repeat the command to go on.")
        self._report()

    def _in(self, *states: str) -> list[PoolJob]:
        return [job for job in self.jobs if job.state in states]

    def _work(self) -> None:
        while self._in("running") or (self._in("waiting") and not self._asked):
            for job in self._in("running"):
                self._collect(job)
            if not self._asked:
                for job in self._in("waiting"):
                    self._consider(job)
            time.sleep(_POLL)

    def _consider(self, job: PoolJob) -> None:
        """Start a job if it is not finished, no other pool has it, and its devices are free."""
        needs = min(job.needs or self.size, self.size)
        if len(self.free) < needs or is_locked(job.run.folder) or self._would_wait(job):
            return
        job.claim = claim(job.run.folder)  # another pool may start it right now
        if job.claim is None:
            return
        if job.run.result():
            self._end(job, "found")
            return
        if self._failed_elsewhere(job):
            job.console = self.consoles / f"{job.title}.log"
            self._end(job, "failed")
            return
        job.devices, self.free = self.free[:needs], self.free[needs:]
        job.console = self.consoles / f"{job.title}.log"
        with job.console.open("wb") as console:
            job.process = subprocess.Popen(
                [sys.executable, *job.arguments],
                env={**os.environ, **environment(job.devices)},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that Ctrl-C reaches it through the pool alone, and once
                preexec_fn=die_with_parent,
            )
        job.state, job.started = "running", time.monotonic()
        say(f"started {job.title} on {', '.join(device.name for device in job.devices)}; console: {job.console}")
        if self._asked:  # by a signal that came while it started
            self._signal(job, self._asked)

    def _failed_elsewhere(self, job: PoolJob) -> bool:
        """Whether another process failed at it since this pool began; it would fail here too."""
        if not isinstance(job.run, Run) or job.run.status().get("state") != "failed":
            return False
        return job.run.file("status.json").stat().st_mtime > self._begun

    def _would_wait(self, job: PoolJob) -> bool:
        """Whether a running job is, or is making, what this one needs first: its device serves others meanwhile."""
        made = {run for other in self._in("running") for run in (other.run.hash, *_to_be_made(other))}
        runs = Path(job.run.config["paths"]["outputs"]) / "runs"
        return any(
            not any((read_json(path) or {}).get("state") == "done" for path in runs.glob(f"*-{stage[:8]}/status.json"))
            for stage in made.intersection(_to_be_made(job))
        )

    def _collect(self, job: PoolJob) -> None:
        assert job.process is not None
        if job.process.poll() is None:
            return
        if job.process.returncode:  # what it started for its other devices must not outlive it
            self._signal(job, signal.SIGKILL)
        job.seconds = time.monotonic() - job.started
        self.free += job.devices
        if self._asked and job.process.returncode:
            self._leave(job, "stopped")
            return
        self._end(job, outcome(job) if job.process.returncode in (0, Pruned.exit_code) else "failed")

    @staticmethod
    def _leave(job: PoolJob, state: str) -> None:
        job.state = state
        if job.claim:
            job.claim.close()

    def _end(self, job: PoolJob, state: str) -> None:
        self._leave(job, state)
        if state == "failed":
            say(f"failed: {job.title} ({_how(job)}); the others go on")
        self._advance(1, self._note())

    def _note(self) -> str:
        done = self._in("done")
        parts = [f"{len(self._in('running'))} running", f"{len(self._in('failed'))} failed"]
        if done and self._in("waiting", "running"):
            left = len(self._in("waiting")) + 0.5 * len(self._in("running"))
            mean = sum(job.seconds for job in done) / len(done)
            parts.append(f"about {duration(mean * left / self.size)} left")
        best = _best(self._in("done", "found"))
        return ", ".join([*parts, *([best] if best else [])])

    def _handle(self, number: int, frame: Any) -> None:
        """Pass a signal on; a second one kills."""
        first, self._asked = self._asked is None, number
        running = self._in("running")
        say(f"{signal.Signals(number).name}: {'telling' if first else 'killing'} {len(running)} running jobs ...")
        for job in running:
            self._signal(job, number if first else signal.SIGKILL)

    @staticmethod
    def _signal(job: PoolJob, number: int) -> None:
        assert job.process is not None
        with suppress(ProcessLookupError):
            os.killpg(job.process.pid, number)

    def _report(self) -> None:
        failed = self._in("failed")
        found, done = len(self._in("found")), len(self._in("done"))
        show_runs([(job.overrides, job.run.result()) for job in self.jobs])
        say(f"{done} jobs done, {found} found finished, {len(failed)} failed")
        if failed:
            texts = [
                f"{job.title} ({_how(job)}), {job.console}:\n{last_lines(job.console)}\n  retry: {job.command}"
                for job in failed
            ]
            raise RunError(
                f"{len(failed)} of {len(self.jobs)} jobs failed; the same command tries them again.\n"
                + "\n".join(texts)
            )


def _to_be_made(job: Job) -> set[str]:
    """Return the hashes of the runs that a job needs first, but for those that it names: they are finished."""
    config, stages = job.run.config, job.run.stages
    return {found for path, found in stages.items() if (select(config, path) or {}).get("run") is None}


def _how(job: PoolJob) -> str:
    if job.process is None:
        return "tried by another process meanwhile"
    code = job.process.returncode
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _best(jobs: Sequence[Job]) -> str:
    """Return the best validation score so far, of jobs that measure the same thing."""
    scored = []
    for job in jobs:
        result = job.run.result()
        if result and result.metrics.get("objective") is not None:
            scored.append((result.metrics["objective"], result.metrics["monitor"], job.title))
    if not scored or len({monitor["name"] for _, monitor, _ in scored}) > 1:
        return ""
    choose = max if scored[0][1]["mode"] == "max" else min
    value, monitor, title = choose(scored, key=lambda entry: entry[0])
    return f"best {monitor['name']} {value:.4g} ({title})"
