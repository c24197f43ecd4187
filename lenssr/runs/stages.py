"""Stages: finished runs that another run needs, found by their identity; :func:`lenssr.train.make` trains them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from lenssr.config.compose import compose, plain, select
from lenssr.config.identity import stage_nodes
from lenssr.config.words import assigned
from lenssr.errors import ConfigError, RunError
from lenssr.runs.find import find
from lenssr.runs.folder import Run
from lenssr.runs.load import load_run, read_config
from lenssr.system.files import read_json

if TYPE_CHECKING:
    from torch import nn

__all__ = ["identify", "run_of", "stage_config", "trained"]


def stage_config(config: dict[str, Any], node: dict[str, Any]) -> DictConfig:
    """Return the configuration of the run that a stage node asks for.

    It is what ``python train.py <overrides>`` gives at the same scale, with the inherited nodes and the settings
    of the machine taken from the parent, less what is the stage's ``own``. It runs on one device: the first process
    makes it before others start.
    """
    chosen = [assigned(key, value) for key, value in node["overrides"].items()]
    stage = compose([assigned("scale", config["scale"]["name"]), *config["stages"]["overrides"], *chosen])
    OmegaConf.update(stage, "scale", config["scale"], merge=False)
    own = {path: plain(OmegaConf.select(stage, path)) for path in node.get("own", [])}
    always = ("paths", "trainer.accelerator", "traceback", "verify")
    inherited = {path: select(config, path) for path in (*node["inherit"], *always)}
    for path, value in [*inherited.items(), *own.items()]:
        if value is not None and (path in inherited or OmegaConf.select(stage, path) is not None):
            OmegaConf.update(stage, path, value, merge=False)
    return stage


def identify(config: dict[str, Any]) -> dict[str, str]:
    """Return the hash of the run behind each stage node, by dotted path; nothing is trained.

    Raises:
        ConfigError: a run that is named does not exist or is not finished.
    """
    hashes = {}
    for path, node in stage_nodes(config):
        if path.split(".")[0] in config["task"]["ignores"]:
            continue
        hashes[path] = _named(path, node, config) if node["run"] else run_of(stage_config(config, node)).hash
    return hashes


def run_of(cfg: DictConfig) -> Run:
    """Return the run of a configuration, with the hashes of what it needs; nothing is trained."""
    config = plain(cfg)
    return Run(config, identify(config))


def _named(path: str, node: dict[str, Any], config: dict[str, Any]) -> str:
    try:
        folder = node["run"] = str(find(node["run"], Path(config["paths"]["outputs"]) / "runs"))
    except RunError as error:
        raise ConfigError(f"{path}.run={node['run']} is not the folder of a finished run. {error}") from error
    status = read_json(Path(folder) / "status.json")
    if not status or status.get("state") != "done":
        raise ConfigError(f"{path}.run={folder} is not the folder of a finished run.")
    theirs = read_config(folder)
    for key in node.get("same", ("dataset.name", "dataset.scale", "dataset.normalization")):
        found, wanted = select(theirs, key), select(config, key)
        if found != wanted:
            raise ConfigError(f"{path}.run={folder} was trained with {key}={found}, and this run has {key}={wanted}.")
    return status["hash"]


def trained(
    run: str | None,
    overrides: dict[str, Any],
    inherit: list[str],
    own: list[str] | None = None,
    when: dict[str, Any] | None = None,
    same: list[str] | None = None,
) -> nn.Module:
    """Return the model of the finished run that a stage node stands for.

    ``when`` says who needs it, ``same`` what a run that is named must have in common with this one.

    Raises:
        RunError: :func:`lenssr.train.make` was not called before.
    """
    if run is None:
        raise RunError("This stage has not been made.")
    if not Path(run).is_dir():
        raise RunError(
            f"It needs the run in {run}, which is not there: move both together, or share it with scripts/export.py, "
            "which takes along what it needs."
        )
    return load_run(run)
