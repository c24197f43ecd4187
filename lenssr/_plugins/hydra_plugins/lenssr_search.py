"""Hydra's door to :mod:`lenssr.search`; Hydra looks for sweepers in packages of this name alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.plugins.sweeper import Sweeper

__all__ = ["SearchSweeper"]


class SearchSweeper(Sweeper):
    """Searches with Optuna's TPE, on any launcher.

    Args:
        parallel: trials at once; ``auto``: as many as the launcher has devices.
        params: what is searched, by key, as on the command line.
        **settings: see :class:`lenssr.search.loop.Settings`.
    """

    def __init__(self, parallel: int | str, params: dict[str, Any] | None, **settings: Any) -> None:
        self.parallel, self.params, self.settings = parallel, dict(params or {}), settings

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Build the launcher."""
        from hydra.core.plugins import Plugins

        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Search.

        Raises:
            LensSRError: the search is not set up rightly, or no trial came to an end.
        """
        from lenssr.config.words import word
        from lenssr.search.loop import Search, Settings

        assert self.launcher is not None
        runner, started = self.launcher, 0

        def launch(batch: list[list[str]]) -> Sequence[Any]:
            nonlocal started
            started += len(batch)
            return runner.launch(batch, initial_job_idx=started - len(batch))

        params = {key: value if isinstance(value, str) else word(value) for key, value in self.params.items()}
        overrides = [f"{key}={value}" for key, value in params.items()] + arguments
        devices = getattr(runner, "capacity", lambda: 1)
        Search(Settings(**self.settings), overrides, launch).run(
            devices() if self.parallel == "auto" else int(self.parallel), getattr(runner, "dry_run", False)
        )
