"""Train the models in the box and put them there: ``python scripts/box.py euclid_vis_x2`` writes lenssr/box/<name>.

A model is the run of ``experiment=box_<name>``, found if it is finished, else trained. Its folder holds weights,
configuration, scores, a card, and the provenance of its training. With ``--calibrate`` a model that is there keeps its
weights; what it tells of its errors is calibrated anew, and it is tested. With ``--check`` nothing is trained: the
model's image of each test sky, and of the files that are given, is compared with what the camera saw.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lenssr.system.commands import command

_UNSEEN = 8  # training images of a set of which calibration and test need none


def _without_places(facts: Any) -> Any:
    """Return provenance that tells nothing of the machine's folders."""
    if isinstance(facts, dict):
        return {key: _without_places(value) for key, value in facts.items() if key not in ("folder", "cwd", "host")}
    if isinstance(facts, list):
        return [_without_places(one) for one in facts if not str(one).startswith("paths.")]
    return Path(facts).name if isinstance(facts, str) and Path(facts).is_absolute() else facts


def _train(name: str, settings: list[str]) -> Path:
    """Put the run of an experiment into the box."""
    from lenssr.config.compose import compose
    from lenssr.runs.box import BOX
    from lenssr.sharing import export
    from lenssr.system.files import read_json, write_json
    from lenssr.train import train

    with tempfile.TemporaryDirectory(prefix="lenssr-box-") as temporary:
        run = train(compose([f"experiment=box_{name}", *settings])).folder
        fresh = export(run, Path(temporary) / name, onnx=False)
        write_json(fresh / "provenance.json", _without_places(read_json(run / "provenance.json")))
        for weights in fresh.rglob("*.safetensors"):
            weights.chmod(0o644)
        shutil.rmtree(BOX / name, ignore_errors=True)
        return Path(shutil.copytree(fresh, BOX / name))


def _calibrate(name: str, outputs: str) -> Path:
    """Calibrate a model of the box on its validation images, and test it; its other weights stay."""
    import torch
    from safetensors.torch import save_file

    from lenssr.runs.box import BOX
    from lenssr.runs.build import build_data
    from lenssr.runs.execute import describe, test
    from lenssr.runs.load import load_task, read_config
    from lenssr.runs.provenance import Provenance
    from lenssr.sharing.card import card
    from lenssr.system.files import read_json, whole_file, write_json, write_text

    with tempfile.TemporaryDirectory(prefix="lenssr-box-") as temporary_folder:
        now = Provenance(Path(temporary_folder) / "provenance.json")
    at = {"started": datetime.now(UTC).isoformat(timespec="seconds"), "argv": ["scripts/box.py", name, "--calibrate"]}
    folder, device = BOX / name, torch.device("cpu")
    config, metrics = read_config(folder), read_json(folder / "metrics.json") or {}
    config["dataset"]["source"]["folder"] = str(Path(outputs) / "datasets")
    config["dataset"]["source"]["splits"]["train"] = _UNSEEN
    task, data = load_task(folder, config=config), build_data(config)
    data.unit = metrics["unit"]
    data.prepare()
    task.calibrate(data)
    metrics |= describe(task, data, test(task, data, device, "test"), device)
    status, known = read_json(folder / "status.json") or {}, read_json(folder / "provenance.json") or {}
    with whole_file(folder / "model.safetensors") as temporary:
        weights = {key: value.contiguous().clone() for key, value in task.model.state_dict().items()}
        save_file(weights, temporary, metadata={"format": "pt", "run": status["hash"]})
    (folder / "model.safetensors").chmod(0o644)
    write_json(folder / "metrics.json", metrics)
    write_text(folder / "README.md", card(read_config(folder), metrics, status["hash"], None))
    known["calibrated"] = {**at, "git": now.attempts[-1]["git"], "hardware": now.facts["hardware"]}
    write_json(folder / "provenance.json", _without_places(known))
    return folder


def _check(name: str, arguments: argparse.Namespace) -> Path:
    """Write how a model's images agree with what they were made of."""
    from lenssr.inference.agreement import agreement
    from lenssr.system.files import write_json

    path = Path(arguments.to / f"box_{name}.json")
    write_json(path, agreement(name, arguments.check, arguments.outputs))
    return path


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", help="of experiments, without box_")
    parser.add_argument("--calibrate", action="store_true", help="keep the weights; calibrate and test anew")
    parser.add_argument("--check", nargs="*", type=Path, metavar="FILE", help="compare test skies, and these images")
    parser.add_argument("--to", type=Path, default=Path("outputs"), help="with --check: where JSON goes [%(default)s]")
    parser.add_argument("--outputs", default="outputs", help="of --calibrate and --check: folder of sets [%(default)s]")
    parser.add_argument("--set", nargs="*", default=[], help="further settings, as paths.outputs=elsewhere")
    arguments = parser.parse_args()

    def work() -> None:
        for name in arguments.names:
            if arguments.check is not None:
                print(_check(name, arguments))
            else:
                print(_calibrate(name, arguments.outputs) if arguments.calibrate else _train(name, arguments.set))

    command(work)


if __name__ == "__main__":
    main()
