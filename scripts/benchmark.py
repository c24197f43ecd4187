"""Measure the project against what one would use without it.

Simulation against lenstronomy, reading against .npy files, training against a bare PyTorch loop, a sweep against
Hydra's own launcher, a survey of cutouts against one image after the other; and, where they are named, ``sky``, one sky
through two telescopes against lenstronomy, ``quality``: how long a network trains until it is so good, with the present
recipe and with the one before, and ``scale``: what grows with the number of images, files and runs. Each comparison
runs both sides in turns (A, B, A, B, ...), so that whatever else the machine does meets both alike, and on one thread,
since threads that wait for each other stall whenever another program takes a core. The ratio of the medians is the
result; the rates beside it are of this machine at this hour.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.alternate import FULL, QUICK, show

SECTIONS = ("simulation", "reading", "training", "sweep", "survey")
LONG = ("sky", "quality", "scale")  # measured when they are named: minutes, an hour


def _surroundings(folder: Path) -> dict[str, Any]:
    import psutil

    from lenssr.runs.provenance import Provenance

    provenance = Provenance(folder / "provenance.json")
    facts = {"git": provenance.attempts[-1]["git"], **provenance.facts}
    for name in ("lenstronomy", "scipy", "numba"):  # lenstronomy compiles with numba where it is installed
        try:
            facts["packages"][name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            facts["packages"][name] = None
    facts["hardware"] |= {"cores": os.cpu_count(), "memory_bytes": psutil.virtual_memory().total}
    return {"command": shlex.join(["python", *sys.argv]), **facts}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "sections", nargs="*", metavar="section", help=f"of {', '.join((*SECTIONS, *LONG))} [{', '.join(SECTIONS)}]"
    )
    parser.add_argument("--quick", action="store_true", help="fewer images, steps and rounds; the ratios scatter more")
    parser.add_argument("--seeds", type=int, metavar="N", help="of the trainings to a quality [5; 1 with --quick]")
    parser.add_argument("--goal", type=float, metavar="DB", help="where these trainings end [42]")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="also write every number to this file")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.sections) - {*SECTIONS, *LONG})
    if unknown:
        parser.error(f"there is no section {', '.join(unknown)}; there are {', '.join((*SECTIONS, *LONG))}")
    os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that a section starts
    import torch

    torch.set_num_threads(1)
    size = QUICK if arguments.quick else FULL
    size = size._replace(seeds=arguments.seeds or size.seeds, goal=arguments.goal or size.goal)
    with tempfile.TemporaryDirectory(prefix="lenssr-benchmark-") as temporary:
        report = {**_surroundings(Path(temporary)), "size": size._asdict()}
        for name in arguments.sections or SECTIONS:
            section = getattr(importlib.import_module(f"benchmarks.{name}"), name)
            folder = Path(temporary) / name
            folder.mkdir()
            rows = section(size, folder)
            show(section.__doc__, rows)
            report[name] = {"what": section.__doc__, "rows": [row.facts for row in rows]}
    if arguments.out:
        from lenssr.system.files import write_json

        write_json(arguments.out, report)


if __name__ == "__main__":
    main()
