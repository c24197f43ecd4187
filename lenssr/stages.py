"""Stages: finished runs that another run needs, found by their identity or trained first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from lenssr.config import compose, plain, refuse_foreign_targets, select, stage_nodes
from lenssr.errors import ConfigError, LensSRError, RunError
from lenssr.files import read_json
from lenssr.progress import say
from lenssr.runs import Run

if TYPE_CHECKING:
    from torch import nn

    from lenssr.tasks import Task

__all__ = [
    "EXPORTED",
    "SHARED_WEIGHTS",
    "identify",
    "load_run",
    "load_task",
    "load_weights",
    "make",
    "read_config",
    "stage_config",
    "trained",
]

# what lenssr.sharing writes: the names that Hugging Face's hub expects
EXPORTED, SHARED_WEIGHTS = "config.json", "model.safetensors"
_NOUNS = ("model", "task", "dataset", "loss", "optimizer", "loader", "trainer", "scale", "physics", "paths", "seed")


def stage_config(config: dict[str, Any], node: dict[str, Any]) -> DictConfig:
    """Return the configuration of the run that a stage node asks for.

    It is what ``python train.py <overrides>`` gives at the same scale, with the inherited nodes and the settings
    of the machine taken from the parent, less what is the stage's ``own``. It runs on one device: the first process
    makes it before others start.
    """
    chosen = [f"{key}={value}" for key, value in node["overrides"].items()]
    stage = compose([f"scale={config['scale']['name']}", *config["stages"]["overrides"], *chosen])
    OmegaConf.update(stage, "scale", config["scale"], merge=False)
    own = {path: plain(OmegaConf.select(stage, path)) for path in node.get("own", [])}
    inherited = {path: select(config, path) for path in (*node["inherit"], "paths", "trainer.accelerator", "traceback")}
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
        hashes[path] = _named(path, node, config) if node["run"] else _run_of(stage_config(config, node)).hash
    return hashes


def _run_of(cfg: DictConfig) -> Run:
    config = plain(cfg)
    return Run(config, identify(config))


def _named(path: str, node: dict[str, Any], config: dict[str, Any]) -> str:
    folder = node["run"]
    status = read_json(Path(folder) / "status.json")
    if not status or status.get("state") != "done":
        raise ConfigError(f"{path}.run={folder} is not the folder of a finished run.")
    theirs = read_config(folder)
    for key in node.get("same", ("dataset.name", "dataset.scale", "dataset.normalization")):
        found, wanted = select(theirs, key), select(config, key)
        if found != wanted:
            raise ConfigError(f"{path}.run={folder} was trained with {key}={found}, and this run has {key}={wanted}.")
    return status["hash"]


def make(config: dict[str, Any]) -> None:
    """Train what is missing, and write each stage's folder into the configuration, in place."""
    from lenssr.train import train

    for path, node in stage_nodes(config):
        if node["run"] or path.split(".")[0] in config["task"]["ignores"]:
            continue
        stage = stage_config(config, node)
        run = _run_of(stage)
        if run.result() is None:
            say(f"{path} needs {run.name}, which no finished run has: training it first, in {run.folder}")
        else:
            say(f"{path}: using {run.folder}")
        node["run"] = str(train(stage).folder)


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
        RunError: :func:`make` was not called before.
    """
    if run is None:
        raise RunError("This stage has not been made.")
    if not Path(run).is_dir():
        raise RunError(
            f"It needs the run in {run}, which is not there: move both together, or share it with scripts/export.py, "
            "which takes along what it needs."
        )
    return load_run(run)


def read_config(folder: str | Path) -> dict[str, Any]:
    """Return the configuration that a run folder, or an exported model, keeps.

    One that came from elsewhere can run none of its code.

    Raises:
        RunError: the folder holds no run, or its configuration asks for code that configs/ does not.
    """
    path, config = _stored(Path(folder))
    if not isinstance(config, dict):
        raise RunError(f"{path} is not the configuration of a run.")
    config = {str(key): value for key, value in config.items()}
    refuse_foreign_targets(config, str(path))
    missing = [noun for noun in _NOUNS if noun not in config]
    if missing:
        raise RunError(f"{path} is not the configuration of a run: it says nothing of {', '.join(missing)}.")
    if path.name == EXPORTED:
        for _, node in stage_nodes(config):  # what it needs was exported with it
            node["run"] = node["run"] and str(path.parent / node["run"])
    return config


def _stored(folder: Path) -> tuple[Path, Any]:
    """Return the file that holds a run's configuration, and what it holds."""
    path, exported = folder / "config.yaml", folder / EXPORTED
    if path.is_file():
        try:
            return path, OmegaConf.to_container(OmegaConf.load(path), resolve=False)
        except (YAMLError, OmegaConfBaseException, UnicodeDecodeError, OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    if not exported.is_file():
        raise RunError(f"{folder} is neither a run folder nor an exported model: no config.yaml, no {EXPORTED}.")
    content = read_json(exported)
    return exported, content.get("config") if isinstance(content, dict) else None


def load_run(folder: str | Path, checkpoint: str = "best") -> nn.Module:
    """Return the trained model of a run, in evaluation mode, on the CPU.

    It takes and gives images divided by ``model.unit``, the flux that the run's training set chose.

    Args:
        folder: of the run.
        checkpoint: ``best`` or ``last``.

    Raises:
        RunError: the folder holds no finished run, or its checkpoint is missing, damaged or of another model.
    """
    from lenssr.build import build_model

    config, metrics = read_config(folder), read_json(Path(folder) / "metrics.json")
    if not isinstance(metrics, dict) or not isinstance(metrics.get("unit"), float | int):
        raise RunError(f"{folder} is not the folder of a finished run: its metrics.json is missing or damaged.")
    with _described(folder):
        model = build_model(config)
    model = load_weights(model, folder, checkpoint).eval()
    model.unit = float(metrics["unit"])  # type: ignore[assignment]
    model.run_hash = (read_json(Path(folder) / "status.json") or {}).get("hash")  # type: ignore[assignment]
    return model


def load_task(folder: str | Path, checkpoint: str = "best", config: dict[str, Any] | None = None) -> Task:
    """Return the trained task of a run: its model, and how it is tested; see :func:`load_run`.

    Args:
        folder: of the run.
        checkpoint: ``best`` or ``last``.
        config: to build the task from instead of the run's own.
    """
    from lenssr.build import build_task

    config = config or read_config(folder)
    with _described(folder):
        task = build_task(config)
    load_weights(task.model, folder, checkpoint)
    return task.eval()


@contextmanager
def _described(folder: str | Path) -> Iterator[None]:
    """Take what goes wrong while a stored configuration is built for a fault of the file."""
    try:
        yield
    except LensSRError:
        raise
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise RunError(f"{folder} describes a model that cannot be built: {reason}") from error


def load_weights(model: nn.Module, folder: str | Path, checkpoint: str = "best") -> nn.Module:
    """Load the weights of a run, or of an exported model, and return the model.

    Raises:
        RunError: the checkpoint is missing, damaged or of another model.
    """
    from lenssr.checkpoints import read_shared_weights, read_weights

    shared = Path(folder) / SHARED_WEIGHTS
    if shared.is_file():
        read_shared_weights(model, shared)
    elif any(True for _ in model.parameters()):
        read_weights(model, Path(folder) / "checkpoints" / f"{checkpoint}.ckpt")
    return model
