"""Train the models in the box and put them there: ``python scripts/box.py euclid_vis_x2`` writes lenssr/box/<name>.

A model is the run of ``experiment=box_<name>``, found if it is finished, else trained. Its folder holds weights,
configuration, scores, a card, and the provenance of its training.
"""

from __future__ import annotations

import argparse
import shutil

from lenssr.system.commands import command


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
        from lenssr.train import train

        for name in arguments.names:
            run = train(compose([f"experiment=box_{name}", *arguments.set])).folder
            fresh = export(run, BOX / f".{name}", onnx=False)
            shutil.copy(run / "provenance.json", fresh / "provenance.json")
            shutil.rmtree(BOX / name, ignore_errors=True)
            print(fresh.rename(BOX / name))

    command(work)


if __name__ == "__main__":
    main()
