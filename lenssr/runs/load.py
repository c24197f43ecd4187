"""Reading what a run left: its configuration, its model, its task; of a run folder or an exported model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from lenssr.config.identity import stage_nodes
from lenssr.config.instantiate import refuse_foreign_targets
from lenssr.errors import LensSRError, RunError
from lenssr.runs.find import find
from lenssr.runs.places import resolve
from lenssr.system.files import read_json

if TYPE_CHECKING:
    from torch import nn

    from lenssr.tasks import Task

__all__ = ["EXPORTED", "SHARED_WEIGHTS", "load_run", "load_task", "load_weights", "read_config"]


# what lenssr.sharing writes: the names that Hugging Face's hub expects
EXPORTED, SHARED_WEIGHTS = "config.json", "model.safetensors"
# names that configurations stored by earlier versions hold
_EARLIER = {
    "lenssr.stages.trained": "lenssr.runs.stages.trained",
    "lenssr.loggers.tensorboard": "lenssr.runs.loggers.tensorboard",
    "lenssr.loggers.wandb": "lenssr.runs.loggers.wandb",
}
_NOUNS = ("model", "task", "dataset", "loss", "optimizer", "loader", "trainer", "scale", "physics", "paths", "seed")


def read_config(folder: str | Path, as_stored: bool = False) -> dict[str, Any]:
    """Return the configuration that a run folder, or an exported model, keeps.

    One that came from elsewhere can run none of its code.

    Args:
        folder: of the run.
        as_stored: leave its paths as they were typed; else they are where things lie now.

    Raises:
        RunError: the folder holds no run, or its configuration asks for code that configs/ does not.
    """
    path, config = _stored(Path(folder))
    if not isinstance(config, dict):
        raise RunError(f"{path} is not the configuration of a run.")
    config = {str(key): value for key, value in config.items()}
    _renamed(config)
    refuse_foreign_targets(config, str(path))
    missing = [noun for noun in _NOUNS if noun not in config]
    if missing:
        raise RunError(f"{path} is not the configuration of a run: it says nothing of {', '.join(missing)}.")
    if path.name == EXPORTED:
        for _, node in stage_nodes(config):  # what it needs was exported with it
            node["run"] = node["run"] and str(path.parent / node["run"])
    elif not as_stored:
        resolve(config, Path(folder))
    return config


def _renamed(node: Any) -> None:
    """Bring the names of earlier versions up to date, in place."""
    if isinstance(node, dict) and isinstance(node.get("_target_"), str):
        node["_target_"] = _EARLIER.get(node["_target_"], node["_target_"])
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _renamed(value)


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

    ``model.predict`` maps arrays in flux, see :class:`lenssr.runs.predict.Predict`. The module itself takes and gives
    images divided by ``model.unit``, the flux that the run's training set chose, both per HR pixel.

    Args:
        folder: of the run, or a name of :func:`lenssr.runs.find.find`.
        checkpoint: ``best`` or ``last``.

    Raises:
        RunError: the folder holds no finished run, or its checkpoint is missing, damaged or of another model.
    """
    folder = find(folder)
    from lenssr.runs.build import build_model
    from lenssr.runs.predict import Predict

    config, metrics = read_config(folder), read_json(Path(folder) / "metrics.json")
    if not isinstance(metrics, dict) or not isinstance(metrics.get("unit"), float | int):
        raise RunError(f"{folder} is not the folder of a finished run: its metrics.json is missing or damaged.")
    with _described(folder):
        model = build_model(config)
    model = load_weights(model, folder, checkpoint).eval()
    model.unit = float(metrics["unit"])  # type: ignore[assignment]
    model.run_hash = (read_json(Path(folder) / "status.json") or {}).get("hash")  # type: ignore[assignment]
    model.predict = Predict(folder, config, metrics, model)  # type: ignore[assignment]
    return model


def load_task(folder: str | Path, checkpoint: str = "best", config: dict[str, Any] | None = None) -> Task:
    """Return the trained task of a run: its model, and how it is tested; see :func:`load_run`.

    Args:
        folder: of the run.
        checkpoint: ``best`` or ``last``.
        config: to build the task from instead of the run's own.
    """
    from lenssr.runs.build import build_task

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
    from lenssr.runs.checkpoints import read_shared_weights, read_weights

    shared = Path(folder) / SHARED_WEIGHTS
    if shared.is_file():
        read_shared_weights(model, shared)
    elif model.state_dict():
        read_weights(model, Path(folder) / "checkpoints" / f"{checkpoint}.ckpt")
    return model
