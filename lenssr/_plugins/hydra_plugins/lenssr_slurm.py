"""Hydra's door to :mod:`lenssr.launchers.slurm`; Hydra looks for launchers in packages of this name alone."""

from __future__ import annotations

from collections.abc import Sequence
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
        """Need nothing of it: every job's paths are in its own configuration."""

    def capacity(self) -> int:
        """Return how many jobs a search queues at once; how many run is the queue's affair."""
        return 4

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs and return their objectives.

        Raises:
            LensSRError: some jobs failed; the others are done. Or SLURM or submitit is missing.
        """
        from lenssr.config.compose import plain
        from lenssr.launchers.choose import Launcher as Chosen
        from lenssr.launchers.jobs import asked, distinct, returned, tell_merged

        jobs = asked(job_overrides)
        tell_merged(jobs)
        resources = {key: plain(value) for key, value in self.resources.items()}
        Chosen("slurm", {**resources, "dry_run": self.dry_run})(distinct(jobs))
        return returned(jobs)
