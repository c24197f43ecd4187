"""The launcher that ``hydra/launcher=...`` names, for what is not a Hydra sweep: tables ask for runs of many kinds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from lenssr.config.compose import plain
from lenssr.config.groups import CONFIGS
from lenssr.config.overrides import unknown_setting
from lenssr.config.words import update
from lenssr.errors import ConfigError, did_you_mean
from lenssr.launchers.jobs import Job

__all__ = ["Launcher", "choose"]

_GROUP, _SETTING = "hydra/launcher=", "hydra.launcher."


@dataclass(frozen=True)
class Launcher:
    """Runs jobs, on this machine's devices or in a queue.

    Attributes:
        name: ``pool`` or ``slurm``.
        settings: as in ``configs/hydra/launcher/<name>.yaml``.
    """

    name: str
    settings: dict[str, Any]

    @property
    def dry(self) -> bool:
        """Whether it only says what would run."""
        return bool(self.settings["dry_run"])

    def __call__(self, jobs: Sequence[Job]) -> None:
        """Run what is not finished.

        Raises:
            LensSRError: some jobs failed, the others are done; or a setting is wrong.
        """
        if not jobs:
            return
        consoles = Path(jobs[0].run.config["paths"]["outputs"]) / "sweeps"
        chosen = {key: value for key, value in self.settings.items() if key not in ("_target_", "dry_run")}
        if self.name == "slurm":
            from lenssr.launchers import slurm

            resources = slurm.Resources(**chosen)
            slurm.plan(jobs, resources) if self.dry else slurm.Queue(resources, consoles / "slurm").run(list(jobs))
            return
        from lenssr.launchers import pool

        devices = pool.find_devices(chosen["devices"], chosen["slots"])
        pool.plan(jobs, devices) if self.dry else pool.Pool(devices, consoles).run(jobs)


def choose(words: Sequence[str]) -> tuple[Launcher, list[str]]:
    """Take the launcher, ``pool`` unless ``hydra/launcher`` says otherwise, out of a command line; return the rest too.

    Raises:
        ConfigError: there is no such launcher, or it has no such setting.
    """
    words = [word.lstrip("+") if word.lstrip("+").startswith((_GROUP, _SETTING)) else word for word in words]
    named = [word.removeprefix(_GROUP) for word in words if word.startswith(_GROUP)]
    name = named[-1] if named else "pool"
    folder = CONFIGS / "hydra" / "launcher"
    if not (folder / f"{name}.yaml").is_file():
        known = sorted(path.stem for path in folder.glob("*.yaml"))
        raise ConfigError(f"There is no hydra/launcher '{name}'. {did_you_mean(name, known)}")
    settings = OmegaConf.load(folder / f"{name}.yaml")
    asked = [word.removeprefix(_SETTING) for word in words if word.startswith(_SETTING)]
    for word in asked:
        problem = unknown_setting(name, word.split("=")[0])
        if problem:
            raise ConfigError(problem)
    update(settings, asked)
    return Launcher(name, plain(settings)), [word for word in words if not word.startswith((_GROUP, _SETTING))]
