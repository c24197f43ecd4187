"""Hydra's door to :mod:`lenssr.launchers.slurm`; Hydra looks for launchers in packages of this name alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher

__all__ = ["SlurmLauncher"]


class SlurmLauncher(Launcher):
    """Queues a sweep's jobs in SLURM and waits for them.

    Args:
        dry_run: only say what would be queued.
        **resources: of each job; see :class:`lenssr.launchers.slurm.Resources`.
    """

    def __init__(self, dry_run: bool, **resources: Any) -> None:
        self.dry_run, self.resources = dry_run, resources

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Keep the sweep's configuration."""
        self.config = config

    def capacity(self) -> int:
        """Return how many jobs a search queues at once; how many run is the queue's affair."""
        return 4

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs and return their objectives.

        Raises:
            LensSRError: some jobs failed; the others are done. Or SLURM or submitit is missing.
        """
        from lenssr.config import plain
        from lenssr.launchers.jobs import jobs_of, returned
        from lenssr.launchers.slurm import Queue, Resources, plan

        jobs = jobs_of(job_overrides)
        resources = Resources(**{key: plain(value) for key, value in self.resources.items()})
        if self.dry_run:
            plan(jobs, resources)
        else:
            Queue(resources, Path(self.config.paths.outputs) / "sweeps" / "slurm").run(jobs)
        return returned(jobs)
