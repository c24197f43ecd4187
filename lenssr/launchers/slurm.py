"""Jobs in a SLURM queue: one to a run, which goes on from its checkpoint after preemption or at its time limit.

The queue decides when and where; what is finished is known by the run's identity, and what is queued already by a note
beside the consoles. So a sweep may be left, and asked for again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lenssr.errors import ConfigError, Interrupted, RunError
from lenssr.launchers.jobs import Job, last_lines, outcome
from lenssr.runs.summary import show_runs
from lenssr.system.files import read_json, write_json
from lenssr.system.processes import die_with_parent
from lenssr.system.progress import say, track

__all__ = ["Queue", "Resources", "Work", "plan"]

_POLL = (2.0, 30.0)  # seconds, the first and the longest; longer while nothing changes, for others ask too
_GRACE = 120.0  # seconds that a job which SLURM stops waits for its end, lest it be taken for a failure
_PATIENCE = 20.0  # seconds that a job's result may take to be seen here, over a shared file system, after its end
_TOLD = 130  # exit code of a run that was told to stop, and saved what it reached


@dataclass(frozen=True)
class Resources:
    """What each job asks of SLURM.

    Attributes:
        minutes: time limit; a run that reaches it saves, is queued again and goes on.
        gpus: for each of the run's devices.
        cpus: likewise.
        memory: GB, likewise; None for the cluster's default.
        partition: None for the cluster's default.
        account: likewise.
        notice: seconds before the time limit at which a run is told to save.
        requeues: times that a job may reach its time limit.
        setup: lines of shell before the job, such as ``module load cuda``.
        extra: further options of sbatch by name.
    """

    minutes: int
    gpus: int
    cpus: int
    memory: float | None = None
    partition: str | None = None
    account: str | None = None
    notice: int = 120
    requeues: int = 1000
    setup: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)

    def parameters(self, job: Job) -> dict[str, Any]:
        """Return them in submitit's words, for a job.

        Raises:
            ConfigError: the run wants all devices of a machine that is not known yet.
        """
        devices = job.needs
        if not devices:
            raise ConfigError("In a queue, say how many devices a run takes: trainer.devices=<number>.")
        asked: dict[str, Any] = {
            "name": job.title,
            "timeout_min": self.minutes,
            "cpus_per_task": self.cpus * devices,
            "slurm_partition": self.partition,
            "slurm_account": self.account,
            "slurm_signal_delay_s": self.notice,
            "slurm_setup": self.setup or None,
            "slurm_additional_parameters": {"requeue": True, **self.extra},
            "stderr_to_stdout": True,
        }
        if self.gpus:
            asked["slurm_gpus_per_node"] = self.gpus * devices
        if self.memory:
            asked["mem_gb"] = self.memory * devices
        return {key: value for key, value in asked.items() if value is not None}


class Work:
    """What SLURM runs: the run in a process of its own, as on the command line.

    submitit calls it, and calls ``checkpoint`` where SLURM announces the time limit or a preemption.
    """

    def __init__(self, arguments: list[str]) -> None:
        self.arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> None:
        """Do the run, or what is left of it; leave with its exit code."""
        # without SLURM's variables, from which Lightning would conclude that srun started its processes
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SLURM_NTASKS")}
        self._process = subprocess.Popen([sys.executable, *self.arguments], env=environment, preexec_fn=_prepare)
        code = _end_of(self._process)
        if code in (_TOLD, -signal.SIGTERM):  # by SLURM, which is about to end or requeue this job
            time.sleep(_GRACE)
        if code < 0:
            sys.exit(f"killed by {signal.Signals(-code).name}")  # nobody else says so in the job's console
        if code:
            sys.exit(code)

    def checkpoint(self) -> Any:
        """Have the run save what it reached, and return what goes on from there."""
        from submitit.helpers import DelayedSubmission

        if self._process:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGTERM)
            _end_of(self._process)
        return DelayedSubmission(Work(self.arguments))


def _end_of(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process and return its exit code, 0 where that was asked before.

    ``Popen.wait`` takes a lock, on which a signal's handler would wait for ever for the wait that it interrupted.
    """
    try:
        return os.waitstatus_to_exitcode(os.waitpid(process.pid, 0)[1])
    except ChildProcessError:
        return 0


def _prepare() -> None:
    """In the job's own process: SLURM tells every process of a job; this one hears it from its parent."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    die_with_parent()


class Queue:
    """Submits jobs and waits for them.

    Args:
        resources: of each job.
        consoles: folder of what the jobs print; the nodes must see it too.
    """

    def __init__(self, resources: Resources, consoles: Path) -> None:
        self.resources, self.consoles = resources, consoles.resolve()
        self.numbers: dict[str, str] = {}

    def run(self, jobs: list[Job]) -> None:
        """Have every job that is not finished done.

        Raises:
            ConfigError: submitit or SLURM is missing, or SLURM refuses a job.
            RunError: some jobs failed.
            Interrupted: of waiting; the jobs stay in the queue.
        """
        _require()
        for job in jobs:
            job.state = "found" if job.run.result() else "waiting"
        for job in (job for job in jobs if job.state == "waiting"):
            self.numbers[job.title] = self._queued(job) or self._submit(job)
        try:
            self._wait(jobs)
        except KeyboardInterrupt:
            numbers = " ".join(self.numbers.values())
            raise Interrupted(
                f"The jobs stay in the queue; repeat the command to wait for them again, or scancel {numbers}"
            ) from None
        self._report(jobs)

    def _note(self, job: Job) -> Path:
        return self.consoles / f"{job.title}.json"

    def _queued(self, job: Job) -> str | None:
        """Return the number of a job that an earlier command queued for the same run, if it is still there."""
        number = (read_json(self._note(job)) or {}).get("job")
        return number if number and number in _states([number]) else None

    def _submit(self, job: Job) -> str:
        import submitit
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        executor = submitit.AutoExecutor(self.consoles, cluster="slurm", slurm_max_num_timeout=self.resources.requeues)
        executor.update_parameters(**self.resources.parameters(job))
        try:
            number = str(executor.submit(Work(job.arguments)).job_id)
        except (FailedJobError, FailedSubmissionError, subprocess.CalledProcessError) as error:
            reason = str(getattr(error, "stderr", None) or error).strip().splitlines()[-1]
            raise ConfigError(f"SLURM refuses the job ({reason}); change hydra.launcher's settings.") from error
        write_json(self._note(job), {"job": number, "overrides": job.overrides})
        return number

    def _wait(self, jobs: list[Job]) -> None:
        with track("jobs", len(jobs), "jobs", estimate=False) as advance:
            for _ in (job for job in jobs if job.state == "found"):
                advance()
            ended: dict[str, float] = {}
            before: dict[str, str] = {}
            pause = _POLL[0]
            while left := [job for job in jobs if job.state == "waiting"]:
                states = _states([self.numbers[job.title] for job in left])
                for job in left:
                    state = states.get(self.numbers[job.title])
                    if state is not None and not job.run.result():
                        continue
                    job.state = outcome(job)
                    begun = ended.setdefault(job.title, time.monotonic())
                    if job.state == "failed" and time.monotonic() - begun < _PATIENCE:
                        job.state = "waiting"
                        continue
                    if job.state == "failed":
                        say(f"failed: {job.title} (SLURM job {self.numbers[job.title]}); the others go on")
                    advance(1, _counts(states))
                pause = min(1.5 * pause, _POLL[1]) if states == before else _POLL[0]
                before = states
                time.sleep(pause)

    def _console(self, job: Job) -> Path:
        return self.consoles / f"{self.numbers[job.title]}_0_log.out"

    def _report(self, jobs: list[Job]) -> None:
        show_runs([(job.overrides, job.run.result()) for job in jobs])
        count = {state: sum(job.state == state for job in jobs) for state in ("done", "found", "failed")}
        say(f"{count['done']} jobs done, {count['found']} found finished, {count['failed']} failed")
        failed = [job for job in jobs if job.state == "failed"]
        if failed:
            texts = [
                f"{job.title}, {self._console(job)}:\n{last_lines(self._console(job))}\n  retry: {job.command}"
                for job in failed
            ]
            raise RunError(
                f"{len(failed)} of {len(jobs)} jobs failed; the same command tries them again.\n" + "\n".join(texts)
            )


def plan(jobs: Sequence[Job], resources: Resources) -> None:
    """Say, a line each, what would be queued."""
    for job in jobs:
        if job.run.result():
            say(f"finished  {job.title}")
            continue
        asked = resources.parameters(job)
        what = f"{asked.get('slurm_gpus_per_node', 0)} GPUs, {asked['cpus_per_task']} cores, {resources.minutes} min"
        say(f"would queue {job.title} with {what} at a time: {job.command}")


def _require() -> None:
    import shutil

    try:
        import submitit  # noqa: F401
    except ImportError as error:
        raise ConfigError("hydra/launcher=slurm needs submitit: pip install 'lenssr[slurm]'.") from error
    if not shutil.which("sbatch"):
        raise ConfigError("hydra/launcher=slurm needs SLURM, and there is no sbatch here; use hydra/launcher=pool.")


def _states(numbers: Sequence[str]) -> dict[str, str]:
    """Return the states of those jobs that the queue still holds.

    Accounting is not asked: not every cluster has it.

    Raises:
        ConfigError: SLURM does not answer.
    """
    for pause in (1, 5, 25, 0):  # a controller that restarts is away for a while
        asked = subprocess.run(
            ["squeue", "-h", "-u", str(os.getuid()), "-o", "%i %T"], capture_output=True, text=True, check=False
        )
        if asked.returncode == 0:
            found = dict(line.split() for line in asked.stdout.splitlines())
            over = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL")
            return {number: found[number] for number in numbers if found.get(number, over[0]) not in over}
        time.sleep(pause)
    raise ConfigError(f"SLURM does not answer: {asked.stderr.strip()}")


def _counts(states: dict[str, str]) -> str:
    words = list(states.values())
    return ", ".join(f"{words.count(word)} {word.lower()}" for word in sorted(set(words)))
