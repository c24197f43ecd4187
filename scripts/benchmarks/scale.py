"""What grows with the number of images, files and runs: each measured at two sizes, and what a further one takes."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.alternate import Row, Size, config

__all__ = ["scale"]

ROOT = Path(__file__).parents[2]
SPLITS = "dataset.source.splits={{train: {}, validation: 3, test: 3}}"
SMALL = ("dataset.image_size=32", "loader.patch=32")


def _measured(work: Callable[[], Any]) -> tuple[float, float]:
    """Return (wall, processor) seconds, those of child processes included."""
    begun, before = time.perf_counter(), _cpu()
    work()
    return time.perf_counter() - begun, _cpu() - before


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _row(what: str, sizes: tuple[int, int], found: list[tuple[float, float]], note: str = "", **facts: Any) -> Row:
    (few, many), each = sizes, [cpu for _, cpu in found]
    cells = {
        "what": what,
        "few": f"{few}",
        "many": f"{many}",
        "few, wall (CPU) s": "{:.2f} ({:.2f})".format(*found[0]),
        "many, wall (CPU) s": "{:.2f} ({:.2f})".format(*found[1]),
        "a further one, CPU ms": f"{1e3 * (each[1] - each[0]) / (many - few):.4g}",
        "": note,
    }
    return Row(cells, {"what": what, "sizes": sizes, "wall_cpu_seconds": found, "note": note, **facts})


def scale(size: Size, folder: Path) -> list[Row]:
    """What a set, its opening, a folder of files and a table take at two sizes; CPU includes child processes."""
    big = size.jobs > 2
    return [
        *_simulating(folder, (600, 4800) if big else (100, 300)),
        _opening(folder, (1000, 1_000_000) if big else (300, 3000)),
        _files(folder, (1000, 100_000) if big else (60, 240)),
        _tables(folder, (100, 1000) if big else (30, 90)),
    ]


def _simulating(folder: Path, sizes: tuple[int, int]) -> list[Row]:
    """Simulate in one process at two sizes, and extend the smaller set; then in one process and in two."""

    def make(place: str, count: int, *more: str, small: tuple[str, ...] = SMALL) -> tuple[float, float]:
        words = [*small, SPLITS.format(count), f"paths.outputs={folder / place}", *more]
        command = [sys.executable, "scripts/simulate.py", *words]
        return _measured(lambda: subprocess.run(command, cwd=ROOT, capture_output=True, check=True))

    found = [make("few", sizes[0]), make("many", sizes[1])]
    extended = make("few", sizes[1])
    rows = [_row("simulation, 32 px", sizes, found, f"extended: {extended[0]:.2f} ({extended[1]:.2f}) s")]
    count, whole = 5 * sizes[1], () if sizes[1] > 1000 else SMALL  # enough that a job's imports do not count
    pool = ("hydra/launcher=pool", "hydra.launcher.devices=cpu", "--chunk", str(max(510, count // 4)))
    timed = []
    for n in (1, 2):
        timed.append(make(f"by {n}", count, *pool, f"hydra.launcher.slots={n}", small=whole))
        shutil.rmtree(folder / f"by {n}")
    note = f"{count} images: {timed[0][0] / timed[1][0]:.2f} times as quick by two; load {os.getloadavg()[0]:.1f}"
    rows.append(_row("processes: 1, 2", (1, 2), timed, note))
    return rows


_OPEN = """
import sys, time, psutil
from lenssr.config.compose import compose, plain
from lenssr.runs.build import build_data
data = build_data(plain(compose(sys.argv[1:])))
me, begun, cpu = psutil.Process(), time.perf_counter(), time.process_time()
before = me.memory_info().rss
data.prepare()
batches = data.train_dataloader()
batches.batch(0)
wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
print(wall, cpu, (me.memory_info().rss - before) / 2**20)
"""


def _opening(folder: Path, sizes: tuple[int, int]) -> Row:
    """Open a set and read its first batch; the images of the set are holes in files, which nobody reads."""
    found, memory = [], []
    for count in sizes:
        words = [*SMALL, SPLITS.format(count), f"paths.outputs={folder / 'open'}", "loader.batch_size=8"]
        _stub(config(folder / "open", *words), count)
        command = [sys.executable, "-c", _OPEN, *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        wall, cpu, more = map(float, done.stdout.split())
        found.append((wall, cpu))
        memory.append(more)
    note = f"memory: {memory[0]:.0f}, {memory[1]:.0f} MB"
    return _row("opening and a batch", sizes, found, note, megabytes=memory)


def _stub(chosen: dict[str, Any], count: int) -> None:
    """Write a set whose parameters repeat those of a few lenses and whose images are holes, under its right name."""
    import numpy as np

    from lenssr.data.sets.shards import Making
    from lenssr.data.sky.parameters import sample
    from lenssr.runs.build import build_data
    from lenssr.system.files import write_json

    source = build_data(chosen).source
    making = Making(source.path, source.splits, source.instrument.image_size, count)
    making.begin()
    drawn = sample(source.physics, source.exposure_time, source.classes, 0, "train", 300)
    splits = {}
    for split, number in source.splits.items():
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = making.folder / split / "parameters.parquet"
        part = pa.Table.from_pandas(drawn, preserve_index=False)
        with pq.ParquetWriter(path, part.schema) as writer:
            many = pa.concat_tables([part] * min(50, -(-number // 300)))
            for first in range(0, number, len(many)):
                writer.write_table(many.slice(0, min(len(many), number - first)))
        with (making.folder / split / "images.npy").open("r+b") as stream:
            stream.seek(128)
            stream.write(np.ones(300 * 32 * 32, np.float32).tobytes()[: 4 * 32 * 32 * min(300, number)])
        files = {name: (making.folder / split / name).stat().st_size for name in ("images.npy", "parameters.parquet")}
        entries = {name: {"bytes": length, "sha256": ""} for name, length in files.items()}
        splits[split] = {"count": number, "files": entries}
    about = {"format": 1, "noise_free": True, "pixel_scale": 0.05, "unit": 1.0}
    write_json(making.folder / "manifest.json", {**about, "splits": splits})
    os.replace(making.folder, source.path)


def _files(folder: Path, sizes: tuple[int, int]) -> Row:
    """Convert a folder of .npy files of 32 px, then open it again."""
    import numpy as np

    from lenssr.runs.build import build_data

    found, again = [], []
    for count in sizes:
        root, pixels = folder / f"files{count}", np.arange(1024, dtype=np.float32).reshape(32, 32)
        for split, share in (("train", count - 30), ("test", 30)):
            for k, name in enumerate(("no_sub", "axion", "cdm")):
                (root / split / name).mkdir(parents=True)
                for i in range(k, share, 3):
                    np.save(root / split / name / f"{i:06d}.npy", pixels + i)
        limits = "dataset.source.limits={train: 1000000, validation: 100000, test: 100}"
        words = (f"dataset.source.root={root}", "dataset.image_size=32", "loader.patch=32", limits)
        data = build_data(config(folder / "converted", "dataset=folder", *words))
        found.append(_measured(data.source.open))
        again.append(_measured(data.source.open))
    note = "again: {:.2f} ({:.2f}), {:.2f} ({:.2f}) s".format(*again[0], *again[1])
    return _row("folder of files", sizes, found, note, again=again)


_TABLE = """
import json, sys, time
sys.argv[1:], asked = sys.argv[2:], json.loads(sys.argv[1])
from lenssr.results.tables import collect
definition = collect._definition("residual_models")
definition["seeds"] = {"quick": asked}
collect._definition = lambda name: definition
begun, cpu = time.perf_counter(), time.process_time()
table = collect.build("residual_models", sys.argv[1:])
print(time.perf_counter() - begun, time.process_time() - cpu, sum(len(row.results) for row in table.rows))
"""


def _tables(folder: Path, sizes: tuple[int, int]) -> Row:
    """Build table 1 out of stand-ins for its runs, as many seeds as it takes; imports included."""
    found, runs = [], []
    for count in sizes:
        outputs = folder / f"runs{count}"
        seeds = _stand_ins(outputs, count)
        command = [sys.executable, "-c", _TABLE, str(seeds), f"paths.outputs={outputs}"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        wall, cpu, number = done.stdout.split()[-3:]
        found.append((float(wall), float(cpu)))
        runs.append(int(number))
    return _row("table of runs", (runs[0], runs[1]), found, "target: < 10 s for 1000")


def _stand_ins(outputs: Path, count: int) -> int:
    """Write folders of finished runs of table 1 with scores drawn at random; return the number of seeds."""
    import numpy as np
    import pandas as pd

    from lenssr.results.tables import collect
    from lenssr.results.tables.seeded import runs_of

    definition = collect._definition("residual_models")
    keys = [column.key for column in collect._columns(definition["columns"])]
    rng, made, seeds = np.random.default_rng(0), 0, -(-count // 9)  # nine rows of it are trained
    for entry in definition["rows"].values():
        words = (f"paths.outputs={outputs}", *definition["overrides"], *entry["overrides"])
        for _, run in runs_of(words, range(seeds)):
            if run.folder.exists() or made >= count:
                break
            run.folder.mkdir(parents=True)
            values = rng.normal(30, 1, (240, len(keys)))
            frame = {f"prediction/{key}": values[:, k] for k, key in enumerate(keys)}
            pd.DataFrame({"index": range(240), **frame}).to_parquet(run.file("per_image.parquet"))
            run.file("config.yaml").write_text(json.dumps(run.config))
            means = {key: {"mean": float(values[:, k].mean()), "std": 1.0} for k, key in enumerate(keys)}
            run.finish({"images": 240, "parameters": 7, "scores": {"prediction": means, "ceiling": means}})
            made += 1
    return seeds
