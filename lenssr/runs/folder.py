"""Run folders: one configuration, one folder, whatever happens.

``outputs/runs/<model>-<loss>-<dataset>-<hash8>/``; before the hash stands ``debug``, or what is not of the recipe, as
``60steps-90images``::

    config.yaml          the resolved configuration
    status.json          running | interrupted | pruned | failed | done, and the whole hash
    provenance.json      commit, versions, hardware, argv, durations, peak memory, data
    metrics.json         scores under both protocols, with ceiling and baseline
    per_image.parquet    the same for every test image
    spectrum.parquet     mean power by spatial frequency
    checkpoints/         best.ckpt, last.ckpt; read them with torch.load(weights_only=True)
    logs/                a metrics.csv for every attempt
    figures/             loss_curve.png, comparison.png
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from lenssr.config.identity import identity
from lenssr.config.recipe import off_recipe
from lenssr.errors import RunError
from lenssr.system.files import read_json, write_json, write_text

__all__ = ["Run", "RunResult"]


@dataclass(frozen=True)
class RunResult:
    """What a finished run found.

    Attributes:
        folder: of the run.
        hash: its identity.
        metrics: the content of ``metrics.json``.
        trained: whether this call did the work, or found it done.
        asked: folder of the run that an evaluation asked; None for the run's own result.
    """

    folder: Path
    hash: str
    metrics: dict[str, Any]
    trained: bool
    asked: Path | None = None

    @property
    def run(self) -> Path:
        """Folder of the run whose weights these are."""
        return self.asked or self.folder

    @property
    def place(self) -> Path:
        """The folder as it is named beside other runs; an evaluation's is named within its run's, wherever it lies."""
        return Path(self.run.name, "evaluations", self.folder.name) if self.asked else Path(self.folder.name)


class Run:
    """The folder of one configuration.

    Args:
        config: plain and complete.
        stages: hash of the run behind each stage node.
    """

    def __init__(self, config: dict[str, Any], stages: dict[str, str]) -> None:
        self.config, self.stages = config, stages
        self.hash = identity(config, stages)
        ignored = config["task"]["ignores"]
        parts = [config[noun]["name"] for noun in ("model", "loss", "dataset") if noun not in ignored]
        self.name = "-".join(parts)
        runs, plain = Path(config["paths"]["outputs"]) / "runs", f"{self.name}-{self.hash[:8]}"
        #: names that its folder may have; the hash tells it apart, a run of before has nothing else
        self.names = ["-".join([self.name, *off_recipe(config), self.hash[:8]]), plain]
        self.folder = next((runs / name for name in self.names if (runs / name).is_dir()), runs / self.names[0])

    def file(self, name: str) -> Path:
        """Return the path of a file of the run."""
        return self.folder / name

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.folder / "checkpoints"

    @property
    def best(self) -> Path:
        """The checkpoint that validation chose."""
        return self.checkpoints / "best.ckpt"

    @property
    def last(self) -> Path:
        """The checkpoint to resume from."""
        return self.checkpoints / "last.ckpt"

    def status(self) -> dict[str, Any]:
        """Return the content of ``status.json``; empty for a run that never began."""
        return read_json(self.file("status.json")) or {}

    def result(self) -> RunResult | None:
        """Return the stored result; None unless the run is done."""
        status, metrics = self.status(), read_json(self.file("metrics.json"))
        if status.get("state") != "done" or status.get("hash") != self.hash or metrics is None:
            return None
        return RunResult(self.folder, self.hash, metrics, trained=False)

    def begin(self) -> None:
        """Claim the folder for this configuration.

        Raises:
            RunError: the folder belongs to another configuration.
        """
        known = self.status().get("hash", self.hash)
        if known != self.hash:
            raise RunError(
                f"{self.folder} belongs to another configuration (hash {known[:12]}, this one is {self.hash[:12]}); "
                "move that folder away and repeat the command."
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        for stale in self.folder.rglob("*.partial-*"):
            stale.unlink(missing_ok=True)
        self.write_config()
        self.mark("running")

    def write_config(self) -> None:
        """Write ``config.yaml``; again once the folders of stages are known."""
        write_text(self.file("config.yaml"), OmegaConf.to_yaml(OmegaConf.create(self.config)))

    def mark(self, state: str, **more: Any) -> None:
        """Write ``status.json``."""
        write_json(self.file("status.json"), {"state": state, "hash": self.hash, "stages": self.stages, **more})

    def finish(self, metrics: dict[str, Any]) -> RunResult:
        """Write the metrics, then call the run done."""
        write_json(self.file("metrics.json"), metrics)
        self.mark("done")
        return RunResult(self.folder, self.hash, metrics, trained=True)
