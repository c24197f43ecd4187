"""Runs as a list: how each stands, what sets it apart from the defaults, what it scored. Nothing here needs torch."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from lenssr.config.compose import compose, plain, select
from lenssr.config.groups import config_file
from lenssr.config.identity import NOT_IDENTITY, stage_nodes
from lenssr.config.recipe import off_recipe
from lenssr.errors import ConfigError, LensSRError, did_you_mean
from lenssr.runs.find import LATEST, RUNS, find, matching, run_folders
from lenssr.system.files import read_json
from lenssr.system.locks import is_locked

__all__ = ["STATES", "Listed", "chosen", "listed"]

STATES = ("running", "killed", "interrupted", "pruned", "failed", "done")
_NAMED = ("model", "loss", "dataset", "scale", "physics", "optimizer")  # groups whose option a configuration names
_SHORT = {"steps": "trainer.max_steps", "seed": "seed", **{noun: f"{noun}.name" for noun in _NAMED}}


@dataclass(frozen=True)
class Listed:
    """One run.

    Attributes:
        folder: of the run.
    """

    folder: Path

    @cached_property
    def config(self) -> dict[str, Any]:
        """Its configuration; empty where it cannot be read."""
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            content = yaml.load((self.folder / "config.yaml").read_text(encoding="utf-8"), loader)
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            return {}
        return content if isinstance(content, dict) else {}

    @cached_property
    def state(self) -> str:
        """One of ``STATES``; a run that says ``running`` and that no process holds was killed."""
        status = read_json(self.folder / "status.json")
        state = str(status.get("state")) if isinstance(status, dict) else "failed"
        return "killed" if state == "running" and not is_locked(self.folder) else state

    @cached_property
    def age(self) -> float:
        """Seconds since its state changed."""
        return max(0.0, time.time() - (self.folder / "status.json").stat().st_mtime)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Content of its ``metrics.json``; empty where there is none."""
        found = read_json(self.folder / "metrics.json")
        return found if isinstance(found, dict) else {}

    @property
    def apart(self) -> list[str]:
        """What sets it apart from its recipe."""
        return off_recipe(self.config) if self.config else []

    def get(self, key: str) -> Any:
        """Return a value of its configuration, by a short name or a dotted key; None where it has none."""
        if key == "state":
            return self.state
        if key == "loss" and "loss" in select(self.config, "task.ignores", []):
            return None
        value = select(self.config, _SHORT.get(key, key))
        return value.get("name") if isinstance(value, dict) else value

    @property
    def validation(self) -> tuple[str, float] | None:
        """Name and value of the score that chose its checkpoint."""
        value = self.metrics.get("objective")
        return None if value is None else (str(select(self.metrics, "monitor.name", "")), float(value))

    @property
    def test(self) -> tuple[str, float] | None:
        """Name and mean of its first score of the test: against the truth where that is known."""
        scores = select(self.metrics, "scores.prediction", {})
        for name in ("truth/psnr", "report/psnr", *scores):
            if name in scores:
                return name, float(scores[name]["mean"])
        return None

    def differences(self) -> list[str]:
        """Return, as overrides, what differs from the defaults of its model, loss, dataset, scale and physics."""
        groups = {noun: self.get(noun) for noun in ("model", "loss", "dataset", "scale", "physics")}
        words = [f"{group}={name}" for group, name in groups.items() if _is_option(group, name)]
        if select(self.config, "dataset.source.root") is not None:
            words.append(f"dataset.source.root={select(self.config, 'dataset.source.root')}")
        try:
            usual = _usual(tuple(words))
        except LensSRError:
            return ["(its configuration is of another version)"]
        skipped = {*NOT_IDENTITY, *select(self.config, "task.ignores", []), *(path for path, _ in stage_nodes(usual))}
        skipped |= {f"{noun}.name" for noun in _NAMED[:5]} | {"seed", "dataset.source.image_size"}
        found = list(_different(self.config, usual, "", skipped))
        other = next((word for word in found if word.startswith("optimizer.name=")), None)
        if other is None:
            return found
        return [other.replace(".name", ""), *(word for word in found if not word.startswith("optimizer."))]


@cache  # runs by the thousand differ from few defaults
def _usual(words: tuple[str, ...]) -> dict[str, Any]:
    """Return what a configuration is by default; nobody may change it."""
    found: dict[str, Any] = plain(compose(words))
    return found


def _is_option(group: str, name: Any) -> bool:
    return config_file(group, str(name)) is not None


def _different(config: Any, usual: Any, prefix: str, skipped: set[str]) -> Iterator[str]:
    """Yield ``key=value`` of every value that another configuration has otherwise, or not at all."""
    for key, value in config.items():
        path = f"{prefix}{key}"
        if path in skipped or (key not in usual and isinstance(value, dict) and not prefix):
            continue
        if isinstance(value, dict) and isinstance(usual.get(key), dict):
            yield from _different(value, usual[key], f"{path}.", skipped)
        elif key not in usual:
            yield path if isinstance(value, dict) else f"+{path}={value}"
        elif value != usual[key]:
            yield f"{path}={value}"


def listed(runs: Path = RUNS) -> list[Listed]:
    """Return all runs of a place, the youngest first."""
    return sorted((Listed(folder) for folder in run_folders(runs)), key=lambda run: run.age)


def chosen(words: Sequence[str], runs: Path = RUNS) -> list[Listed]:
    """Return the runs that all words name: ``model=rdn,edsr``, ``state=done``, the beginning of a name, ``latest``.

    Raises:
        ConfigError: a word is about nothing that a run has.
        RunError: a word without ``=`` is the beginning of no run.
    """
    found = listed(runs)
    for word in words:
        key, equals, wanted = word.partition("=")
        if not equals:
            folders = {find(word, runs)} if word == LATEST or Path(word).is_dir() else set(_named(word, runs))
            found = [run for run in found if run.folder in folders] or [Listed(folder) for folder in folders]
            continue
        _check(key, wanted, found)
        options = [option.strip().casefold() for option in wanted.split(",")]
        found = [run for run in found if any(fnmatch.fnmatch(str(run.get(key)).casefold(), o) for o in options)]
    return found


def _named(word: str, runs: Path) -> list[Path]:
    """Return the runs whose name or hash begins with a word, or the sentence that there is none."""
    return matching(word, run_folders(runs)) or [find(word, runs)]


def _check(key: str, wanted: str, known: Sequence[Listed]) -> None:
    if key == "state":
        for state in wanted.split(","):
            if state not in STATES:
                raise ConfigError(f"There is no state '{state}'. {did_you_mean(state, STATES)}")
    elif key not in _SHORT and known and all(select(run.config, key, _SHORT) is _SHORT for run in known):
        raise ConfigError(f"No run has a '{key}'. {did_you_mean(key, ['state', *_SHORT, 'optimizer.lr'])}")
