"""A pool whose jobs are killed at random, in a process of its own: ``soak.py <folder> <jobs> <kind> <seed> <kills>``.

It prints, as JSON, how its jobs ended, which it killed, and what the pool left behind or grew by.
"""

import json
import os
import random
import sys
import threading
import time
from pathlib import Path

import psutil

from lenssr.errors import RunError
from lenssr.launchers import pool
from lenssr.launchers.devices import Device
from lenssr.launchers.jobs import Errand

# done but once: the second who says so is seen
_ERRAND = """
import os, sys, time
folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
open(folder + "/begun", "a").write("x")
time.sleep(0.05)
try:
    os.close(os.open(folder + "/done", os.O_CREAT | os.O_EXCL))
except FileExistsError:
    open(folder + "/twice", "w").close()
"""


def errands(folder, count):
    """Return jobs of some fifty milliseconds."""
    places = [folder / "jobs" / f"job-{i}" for i in range(count)]
    found = []
    for place in places:
        words = ["-I", "-S", "-c", _ERRAND, str(place)]
        found.append(pool.PoolJob([], Errand(place, place.name, words, lambda f: (f / "done").exists(), folder)))
    return found


def runs(folder, count):
    """Return tiny trainings."""
    from tiny import TINY, TINY_RDN

    return pool.jobs_of(
        [["model=rdn", *TINY_RDN, *TINY, f"paths.outputs={folder}", f"seed={seed}"] for seed in range(count)]
    )


def main():
    """Run the jobs; kill some."""
    folder, count, kind, rng, kills = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], random.Random(sys.argv[4]), []
    jobs = {"errands": errands, "runs": runs}[kind](folder, count)
    me, over, wanted = psutil.Process(), threading.Event(), int(sys.argv[5])
    slots = [Device(f"CPU {i}", None, 1) for i in range(2)]
    sizes = []

    def kill():
        while not over.is_set():
            time.sleep(rng.uniform(0.0, 0.2 if kind == "errands" else 8.0))
            sizes.append(me.memory_info().rss)
            going = [job for job in jobs if job.state == "running" and job.process]
            if going and len(kills) < wanted:
                job = rng.choice(going)
                job.process.kill()
                kills.append(job.title)

    files, killer = me.num_fds(), threading.Thread(target=kill)
    killer.start()
    try:
        pool.Pool(slots, folder / "sweeps").run(jobs)
        failed = ""
    except RunError as error:
        failed = str(error)
    over.set()
    killer.join()
    print(
        json.dumps(
            {
                "states": [job.state for job in jobs],
                "kills": kills,
                "failed": failed,
                "files": me.num_fds() - files,
                "children": len(me.children(recursive=True)),
                "grown": (max(sizes[len(sizes) // 2 :]) - sizes[len(sizes) // 4]) / 2**20 if len(sizes) > 8 else 0.0,
                "threads": threading.active_count(),
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[1])
    main()
