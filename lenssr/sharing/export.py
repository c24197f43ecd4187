"""A finished run as a folder to share, in the layout of the Hugging Face hub.

::

    config.json          what the model is: the run's configuration, its hash, the version that made it
    model.safetensors    the weights of the best checkpoint
    metrics.json         scores of the test, with ceiling and baseline
    status.json          the run's identity
    model.onnx           the same map for other frameworks, where torch can export it
    README.md            the model card
    regressor/           the same of the network whose residual a diffusion model draws
"""

from __future__ import annotations

import argparse
import getpass
import hashlib
import tempfile
from pathlib import Path
from typing import Any

from lenssr.config.identity import stage_nodes
from lenssr.errors import RunError
from lenssr.runs.find import A_RUN, find
from lenssr.runs.load import EXPORTED, SHARED_WEIGHTS, load_run, read_config
from lenssr.system.commands import command
from lenssr.system.files import read_json, whole_folder, write_json, write_text
from lenssr.system.locks import locked
from lenssr.system.version import __version__

__all__ = ["export", "main"]


def export(run: str | Path, to: str | Path, onnx: bool = True) -> Path:
    """Write a finished run as a folder to share.

    Args:
        run: its folder, or a name of :func:`lenssr.runs.find.find`.
        to: folder that does not exist yet.
        onnx: also write ``model.onnx``, checked against torch.

    Raises:
        RunError: the run is not finished, the folder exists, or there is nothing to share.
    """
    run, to = find(run), Path(to)
    if to.exists():
        raise RunError(f"{to} exists already; choose another folder, or remove it.")
    with locked(_elsewhere(to), f"Waiting for another process that writes {to} ..."), whole_folder(to) as folder:
        _write(run, folder, onnx)
    return to


def _elsewhere(to: Path) -> Path:
    """Return a place of this user's whose lock stands for a folder, in which a lock would be no one's business."""
    name = hashlib.blake2b(str(to.resolve()).encode(), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir(), f"lenssr-{getpass.getuser()}", name)


def _write(run: Path, folder: Path, onnx: bool) -> None:
    from safetensors.torch import save_file

    from lenssr.sharing.card import card

    status, metrics = read_json(run / "status.json") or {}, read_json(run / "metrics.json")
    if status.get("state") != "done":
        raise RunError(f"{run} is not the folder of a finished run.")
    config, model = read_config(run), load_run(run)
    weights = {name: value.contiguous().clone() for name, value in model.state_dict().items()}
    if not any(True for _ in model.parameters()):
        raise RunError(f"{run} is a run of model={config['model']['name']}, which has no weights to share.")
    for name, node in _needed(config):
        (folder / name).mkdir()
        _write(Path(node["run"]), folder / name, onnx=False)
        node["run"] = name
    save_file(weights, folder / SHARED_WEIGHTS, metadata={"format": "pt", "run": status["hash"]})
    facts = {"library": "lenssr", "version": __version__, "run": status["hash"], "unit": metrics["unit"]}
    write_json(folder / EXPORTED, {**facts, "config": _without_places(config)})
    write_json(folder / "metrics.json", metrics)
    write_json(folder / "status.json", {key: status[key] for key in ("state", "hash", "stages") if key in status})
    record = None
    if onnx:
        from lenssr.sharing.onnx import write_onnx

        record = write_onnx(model, config, folder / "model.onnx")
    write_text(folder / "README.md", card(config, metrics, status["hash"], record))


def _needed(config: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return (folder name, stage node) of what the trained model cannot do without: not a loss's network."""
    found = []
    for path, node in stage_nodes(config):
        if path == "task.regressor" and node["run"]:
            found.append(("regressor", node))
        elif node["run"]:
            node["run"] = None
    return found


def _without_places(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration that tells nothing of the machine it came from."""
    source = {
        key: value for key, value in config["dataset"].get("source", {}).items() if key not in ("folder", "root", "psf")
    }
    return {**config, "paths": {"outputs": "outputs"}, "logger": {}, "dataset": {**config["dataset"], "source": source}}


def main() -> None:
    """The command line of ``scripts/export.py``."""
    parser = argparse.ArgumentParser(
        prog="lenssr-export", description="Write a finished run as a folder to share, for lenssr.load and the hub."
    )
    parser.add_argument("run", help=A_RUN)
    parser.add_argument("-o", "--to", type=Path, help="folder to write [outputs/exported/<name of the run>]")
    parser.add_argument("--no-onnx", action="store_true", help="leave model.onnx out")
    arguments = parser.parse_args()

    def work() -> None:
        run = find(arguments.run)
        print(export(run, arguments.to or Path("outputs/exported") / run.resolve().name, not arguments.no_onnx))

    command(work)
