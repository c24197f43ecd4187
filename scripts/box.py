"""Train the models in the box and put them there: ``python scripts/box.py euclid_vis_x2`` writes lenssr/box/<name>.

A model is the run of ``experiment=box_<name>``, found if it is finished, else trained. Its folder holds weights,
configuration, scores, a card, and the provenance of its training.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

from lenssr.system.commands import command


def _without_places(facts: Any) -> Any:
    """Return provenance that tells nothing of the machine's folders."""
    if isinstance(facts, dict):
        return {key: _without_places(value) for key, value in facts.items() if key not in ("folder", "cwd", "host")}
    if isinstance(facts, list):
        return [_without_places(one) for one in facts if not str(one).startswith("paths.")]
    return facts


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", help="of experiments, without box_")
    parser.add_argument("--set", nargs="*", default=[], help="further settings, as paths.outputs=elsewhere")
    arguments = parser.parse_args()

    def work() -> None:
        from lenssr.config.compose import compose
        from lenssr.runs.box import BOX
        from lenssr.sharing import export
        from lenssr.system.files import read_json, write_json
        from lenssr.train import train

        with tempfile.TemporaryDirectory(prefix="lenssr-box-") as temporary:
            for name in arguments.names:
                run = train(compose([f"experiment=box_{name}", *arguments.set])).folder
                fresh = export(run, Path(temporary) / name, onnx=False)
                write_json(fresh / "provenance.json", _without_places(read_json(run / "provenance.json")))
                (fresh / "model.safetensors").chmod(0o644)
                shutil.rmtree(BOX / name, ignore_errors=True)
                print(shutil.copytree(fresh, BOX / name))

    command(work)


if __name__ == "__main__":
    main()
