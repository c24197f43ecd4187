"""Ask for trials, have the launcher run them, tell what they scored."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenssr.config.compose import compose, plain
from lenssr.config.words import assigned
from lenssr.errors import ConfigError, Interrupted, LensSRError, RunError
from lenssr.launchers.jobs import Job, jobs_of, outcome
from lenssr.search.leave import leave
from lenssr.search.space import parse, words
from lenssr.search.study import begin, quiet, sampler, study_lock
from lenssr.system.locks import is_locked, locked
from lenssr.system.progress import say

if TYPE_CHECKING:
    from optuna.trial import Trial

__all__ = ["Search", "Settings"]

Launch = Callable[[list[list[str]]], Sequence[Any]]


@dataclass(frozen=True)
class Settings:
    """Of a search.

    Attributes:
        study: name.
        trials: in all, of this and every other process.
        pruner: ``median``, ``hyperband`` or ``none``.
        storage: ``journal`` (also on shared file systems) or ``sqlite``.
        seed: of the sampler.
    """

    study: str
    trials: int
    pruner: str
    storage: str
    seed: int


class Search:
    """One process at work on a study.

    Args:
        settings: of the search.
        overrides: what is fixed and what is searched; see :func:`lenssr.search.space.parse`.
        launch: runs a batch of jobs, given their overrides, and returns Hydra's account of each.
    """

    def __init__(self, settings: Settings, overrides: Sequence[str], launch: Launch) -> None:
        quiet()
        if not isinstance(settings.trials, int) or settings.trials < 1:
            raise ConfigError(f"hydra.sweeper.trials={settings.trials} must be a number of at least 1.")
        self.settings, self.launch, self.worker = settings, launch, uuid.uuid4().hex[:8]
        self.fixed, self.space = parse(overrides)
        first = {key: _first(distribution) for key, distribution in self.space.items()}
        config = plain(compose([*self.fixed, *words(first)]))
        self.folder = (Path(config["paths"]["outputs"]) / "searches" / settings.study).resolve()
        task = _class_of(config)
        self.study = begin(
            self.folder,
            {
                "name": settings.study,
                "direction": "maximize" if task.mode == "max" else "minimize",
                "storage": settings.storage,
                "pruner": settings.pruner,
                "seed": settings.seed,
                "validations": config["trainer"]["validations"],
                "fixed": self.fixed,
                "space": {key: repr(distribution) for key, distribution in self.space.items()},
                "monitor": task.monitor,
            },
        )

    def run(self, batch: int, dry: bool = False) -> None:
        """Run trials, so many at once, until the study has all that are wanted; then leave what was found.

        Args:
            batch: trials at once.
            dry: only say what would be searched.

        Raises:
            RunError: not one trial came to an end.
            Interrupted: a signal came; the same command goes on.
        """
        if dry:
            left = max(0, self.settings.trials - len(self.study.get_trials(deepcopy=False)))
            say(f"would run {left} more trials of {', '.join(self.space)}, {batch} at once, in {self.folder}")
            return
        with locked(self._alive(self.worker), "waiting"):
            while trials := self._take(batch):
                jobs = [self._job(trial) for trial in trials]
                self._launch([job.overrides for job in jobs])
                for trial, job in zip(trials, jobs, strict=True):
                    self._tell(trial, job)
        states = {trial.state.name for trial in self.study.get_trials(deepcopy=False)}
        if "RUNNING" in states:
            say("Other processes still run trials of this study; what they find is written when the last one is done.")
        elif "COMPLETE" not in states:
            raise RunError(
                f"No trial of {self.folder} came to an end; what they printed says why. Mend that, and begin another "
                "study with hydra.sweeper.study=<name>, or ask for more hydra.sweeper.trials."
            )
        leave(self.study, self.folder)

    def _alive(self, worker: str) -> Path:
        return self.folder / f"worker-{worker}"

    def _take(self, batch: int) -> list[Trial]:
        """Return trials to run: first those of processes that died, then new ones."""
        from optuna.trial import Trial, TrialState

        with study_lock(self.folder):
            known = self.study.get_trials(deepcopy=False)
            taken: list[Trial] = []
            for frozen in known:
                worker = frozen.user_attrs.get("worker")
                if frozen.state != TrialState.RUNNING or worker == self.worker or len(taken) == batch:
                    continue
                if set(frozen.params) != set(self.space):  # killed while it was being asked for
                    self.study.tell(frozen.number, state=TrialState.FAIL)
                elif worker is None or not is_locked(self._alive(worker)):
                    say(f"trial {frozen.number} goes on: the process that ran it is gone")
                    taken.append(Trial(self.study, frozen._trial_id))
            new = min(batch - len(taken), self.settings.trials - len(known))
            self.study.sampler = sampler(self.settings.seed, len(known))
            taken += [self.study.ask(self.space) for _ in range(new)]
            for trial in taken:
                trial.set_user_attr("worker", self.worker)
            return taken

    def _job(self, trial: Trial) -> Job:
        overrides = [*self.fixed, *words(trial.params)]
        trial.set_user_attr("overrides", overrides)
        say(f"trial {trial.number} of {self.settings.trials}: {' '.join(words(trial.params))}")
        (job,) = jobs_of([[*overrides, assigned("search", {"folder": str(self.folder), "trial": trial.number})]])
        return job

    def _launch(self, batch: list[list[str]]) -> None:
        """Run a batch; a trial that fails does not end the search."""
        try:
            for returned in self.launch(batch):
                _ = returned.return_value  # raises what the job raised
        except Interrupted:
            raise
        except LensSRError as error:
            say(f"error: {error}")
        except Exception as error:  # of a job, by whose state it is judged
            say(f"error: {type(error).__name__}: {error}")

    def _tell(self, trial: Trial, job: Job) -> None:
        from optuna.trial import TrialState

        state, result = outcome(job), job.run.result()
        value = result.metrics.get("objective") if result else None
        if result and value is None:
            raise ConfigError(f"{job.title} is not trained, so it has no validation score to search by.")
        trial.set_user_attr("folder", str(job.run.folder))
        with suppress(ValueError):  # another process took it for dead, and has told
            if value is not None:
                self.study.tell(trial, value)
            else:
                self.study.tell(trial, state=TrialState.PRUNED if state == "pruned" else TrialState.FAIL)
        done = [t for t in self.study.get_trials(deepcopy=False) if t.state == TrialState.COMPLETE]
        told = "failed" if value is None and state != "pruned" else state if value is None else f"{value:.5g}"
        say(f"trial {trial.number}: {told}" + (f"; best so far {self.study.best_value:.5g}" if done else ""))


def _first(distribution: Any) -> Any:
    return distribution.choices[0] if hasattr(distribution, "choices") else distribution.low


def _class_of(config: dict[str, Any]) -> Any:
    import hydra.utils

    return hydra.utils.get_class(config["task"]["_target_"])
