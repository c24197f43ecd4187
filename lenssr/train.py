"""Train and test one configuration."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from lenssr.config.commandline import expanded
from lenssr.config.compose import plain
from lenssr.config.groups import CONFIGS
from lenssr.config.identity import stage_nodes
from lenssr.config.schema import validate
from lenssr.errors import ConfigError, Interrupted, LensSRError, Pruned, RunError
from lenssr.runs.folder import Run, RunResult
from lenssr.runs.loggers import SWEEP
from lenssr.runs.notes import new_place, not_watched, same_files
from lenssr.runs.places import kept
from lenssr.runs.stages import identify, run_of, stage_config
from lenssr.system.commands import guarded
from lenssr.system.files import disk_errors
from lenssr.system.imports import heavy_imports
from lenssr.system.locks import locked
from lenssr.system.memory import memory_errors
from lenssr.system.processes import die_with_parent
from lenssr.system.progress import duration, say
from lenssr.system.ranks import alone, rank_of, ranks_end, starter

if TYPE_CHECKING:
    from lenssr.data import LensDataModule
    from lenssr.tasks import Task

__all__ = ["main", "make", "train"]


def train(cfg: DictConfig | dict[str, Any]) -> RunResult:
    """Return the result of a configuration: stored if it is there, else made.

    An interrupted run goes on where it stopped, a failed one is tried again, and two processes that ask for the same
    run do it once.

    Raises:
        LensSRError: what is wrong, and the mend.
    """
    config = plain(cfg)
    validate(config)
    run = Run(config, identify(config))
    stored = run.result()
    if stored:
        same_files(run)
        not_watched(run)
        return stored
    with ranks_end(), memory_errors():
        return _joined(run) if _follows(config) else _kept(run)


def _joined(run: Run) -> RunResult:
    """Take part in a run that another process keeps."""
    die_with_parent(signal.SIGKILL)  # there is nothing to save, and it may be waiting for one that is gone
    return _work(run, *_built(run))


def _kept(run: Run) -> RunResult:
    """Do a run, or wait for the process that does it."""
    new_place(run)
    with disk_errors(run.folder), locked(run.folder, f"Waiting for another process that does {run.folder} ..."):
        return run.result() or _recorded(run)


def _follows(config: dict[str, Any]) -> bool:
    """Whether this is a further process of a run on several devices; the first one keeps the folder."""
    return rank_of(config["trainer"]) != 0


def _built(run: Run) -> tuple[Task, LensDataModule]:
    """Return the run's objects; their constructors check their arguments."""
    with heavy_imports():
        import lenssr.runs.execute  # noqa: F401  (needed soon)
        from lenssr.runs.build import build_data, build_task

    return build_task(run.config), build_data(run.config)


def _recorded(run: Run) -> RunResult:
    """Do a run and keep its ``status.json``."""
    built = _built(run)  # a mistake shows here, before a stage is trained or a folder made
    run.begin()
    try:
        return _work(run, *built)
    except BaseException as error:
        # Lightning leaves with SystemExit where a second signal raised KeyboardInterrupt
        stopped = isinstance(error, Interrupted | KeyboardInterrupt) or isinstance(error.__context__, KeyboardInterrupt)
        state = "pruned" if isinstance(error, Pruned) else "interrupted" if stopped else "failed"
        run.mark(state, error=f"{type(error).__name__}: {error}")
        raise


def _work(run: Run, task: Task, data: LensDataModule) -> RunResult:
    """Make what the run depends on, then the run."""
    from lenssr.runs.execute import execute

    data.prepare()
    make(run.config)
    if run.stages:
        task, data = _built(run)  # now with the folders of its stages
        data.prepare()
        if not _follows(run.config):
            run.write_config()
    return execute(run, task, data, _pictures, _reports(run, task))


def _reports(run: Run, task: Task) -> list[Any]:
    """Return the callback that tells a search what validations find, where one asked for this run."""
    if not run.config["search"]:
        return []
    from lenssr.search.report import Report

    return [Report(**run.config["search"], monitor=task.monitor)]


def _pictures(*found: Any) -> list[Path]:
    from lenssr.results.figures.runs import run_figures

    return run_figures(*found)


def make(config: dict[str, Any]) -> None:
    """Train what is missing, and write each stage's folder into the configuration, in place."""
    for path, node in stage_nodes(config):
        if path.split(".")[0] in config["task"]["ignores"]:
            continue
        if node["run"]:
            node["run"] = kept(node["run"], config["paths"]["outputs"])
            continue
        stage = stage_config(config, node)
        run = run_of(stage)
        if run.result() is None:
            say(f"{path} needs {run.name}, which no finished run has: training it first, in {run.folder}")
        else:
            say(f"{path}: using {run.folder}")
        node["run"] = str(train(stage).folder)


class _Stopped(BaseException):
    """Carries an interruption through Hydra, which would take an exception for one failed job and begin the next."""

    def __init__(self, interrupted: Interrupted) -> None:
        super().__init__(str(interrupted))
        self.interrupted = interrupted


class _Jobs:
    """What Hydra runs: one job, or those of a sweep, of which a failing one does not stop the others."""

    def __init__(self) -> None:
        self.runs: list[tuple[list[str], RunResult | None]] = []
        self.failures: list[tuple[list[str], LensSRError]] = []
        self.sweep = False

    def __call__(self, cfg: DictConfig) -> float | None:
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        from lenssr.runs.summary import show

        self.sweep = HydraConfig.get().mode == RunMode.MULTIRUN
        overrides = list(HydraConfig.get().overrides.task)
        if self.sweep and not cfg.search:
            typed = {word.replace(" ", "") for word in sys.argv}
            swept = [word for word in overrides if word not in typed] or overrides
            say(f"\n== run {len(self.runs) + 1}: {' '.join(swept)}")
        begun = time.monotonic()
        try:
            with self._command(cfg, overrides):
                result = train(cfg)
        except Interrupted as error:
            raise _Stopped(error) from error
        except LensSRError as error:
            if cfg.search and self.sweep:  # a search counts its own failures, and goes on
                if not isinstance(error, Pruned):
                    say(f"error: {error}")
                return None
            self.runs.append((overrides, None))
            self.failures.append((overrides, error))
            return None
        if not cfg.search:
            self.runs.append((overrides, result))
        show(result, cfg, duration(time.monotonic() - begun))
        return result.metrics.get("objective")

    @contextmanager
    def _command(self, cfg: DictConfig, overrides: list[str]) -> Iterator[None]:
        """Have what Lightning starts for a job's other devices do this job, and no sweep.

        Raises:
            ConfigError: all processes were started before, and would not know where one job ends.
        """
        trainer = plain(cfg.trainer)
        if not self.sweep or alone(trainer):
            yield
            return
        if starter(trainer) != "lightning":
            raise ConfigError(
                f"{starter(trainer)} starts the processes of one run: leave -m out, or have the sweep's jobs start "
                "their own, with hydra/launcher=pool or slurm."
            )
        typed, sys.argv = sys.argv, [sys.argv[0], *overrides]
        try:
            yield
        finally:
            sys.argv = typed

    def end(self, show_traceback: bool) -> None:
        """Say what a sweep found, and what failed.

        Raises:
            LensSRError: the failure of a single run, or one that names all of a sweep's.
        """
        if show_traceback:
            for _, failure in self.failures[:-1]:
                traceback.print_exception(failure)
        if self.sweep and self.runs:
            from lenssr.runs.summary import show_runs

            show_runs(self.runs)
            results = [result for _, result in self.runs if result]
            done = sum(result.trained for result in results)
            say(f"{done} runs done, {len(results) - done} found finished, {len(self.failures)} failed")
        if not self.failures:
            return
        last = self.failures[-1][1]
        if not self.sweep:
            raise last
        texts = [f"  {shlex.join(['python', 'train.py', *o])}\n    {failure}" for o, failure in self.failures]
        count = f"{len(self.failures)} of {len(self.runs)} runs failed; the same command tries them again."
        raise RunError("\n".join([count, *texts])) from last


def main() -> None:
    """The command line: ``python train.py [-m] [file.yaml] [group=option] [key=value] ...``."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        from lenssr.config.help import short

        sys.exit(guarded(lambda: print(short())))
    sys.exit(_guarded(sys.argv[1:]))


def _guarded(arguments: list[str]) -> int:
    # Hydra would otherwise print its own account of an error and leave
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    code = guarded(lambda: _hydra_main(expanded(arguments)), "traceback=true" in arguments)
    # a process of a run on several devices that ends in error has Lightning kill the first one, which may be saving yet
    return 0 if code == Interrupted.exit_code and os.environ.get("LOCAL_RANK", "0") != "0" else code


def _hydra_main(arguments: list[str]) -> None:
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from lenssr.config.overrides import explain
    from lenssr.config.typed import adopt, named_sweep, slip

    sys.argv[1:] = arguments = adopt(arguments)
    overrides = [a for a in arguments if ("=" in a or a[:1] in "~+") and not a.startswith("-")]
    problem = slip(arguments)
    if problem:
        raise ConfigError(problem)
    sys.argv[1:] = arguments  # where Hydra looks
    jobs = _Jobs()
    try:
        with named_sweep(arguments, SWEEP):
            hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="train")(jobs)()
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error, overrides)) from error
    except _Stopped as stop:
        raise stop.interrupted from stop
    jobs.end("traceback=true" in arguments)


if __name__ == "__main__":
    main()
