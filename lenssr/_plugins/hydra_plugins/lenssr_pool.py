"""Hydra's door to :mod:`lenssr.launchers.pool`; Hydra looks for launchers in packages of this name alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher

__all__ = ["PoolLauncher"]


class PoolLauncher(Launcher):
    """Runs a sweep's jobs side by side, one to a device.

    Args:
        devices: ``auto``, ``gpu`` or ``cpu``.
        slots: jobs at once on the CPU, or ``auto``.
        dry_run: only say what would run.
    """

    def __init__(self, devices: str, slots: int | str, dry_run: bool) -> None:
        self.devices, self.slots, self.dry_run = devices, slots, dry_run

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Need nothing of it: every job's paths are in its own configuration."""

    def capacity(self) -> int:
        """Return how many jobs run at once."""
        from lenssr.launchers.devices import find_devices

        return len(find_devices(self.devices, self.slots))

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs and return their objectives.

        Raises:
            RunError: some jobs failed; the others are done.
        """
        from lenssr.launchers.choose import Launcher as Chosen
        from lenssr.launchers.jobs import asked, distinct, returned, tell_merged

        jobs = asked(job_overrides)
        tell_merged(jobs)
        Chosen("pool", {"devices": self.devices, "slots": self.slots, "dry_run": self.dry_run})(distinct(jobs))
        return returned(jobs)
