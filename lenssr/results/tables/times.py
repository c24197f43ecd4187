"""How long each network of a table takes for an image: alone on the machine, in turns, on one thread.

What runs record beside their scores was measured while other runs were under way, and tells as much of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lenssr.results.tables.table import Row, Table
from lenssr.runs.build import build_task
from lenssr.runs.load import load_task, read_config
from lenssr.runs.provenance import machine
from lenssr.runs.records import has_weights
from lenssr.system.files import read_json, write_json
from lenssr.system.progress import say, track
from lenssr.tasks import SuperResolution

__all__ = ["measure", "read_times", "write_times"]

_ROUNDS = 7


def write_times(table: Table, folder: Path) -> None:
    """Measure the networks of a table and write ``<table>_times.json``, which its picture of cost is drawn from."""
    found = measure(table)
    if found["seconds"]:
        write_json(_path(table, folder), found)
        say(f"{_path(table, folder)}: {len(found['seconds'])} networks, {found['machine']}")


def read_times(table: Table, folder: Path) -> dict[str, float]:
    """Return the seconds an image by row, as they were measured; none where they were not."""
    found = read_json(_path(table, folder))
    return dict(found["seconds"]) if found else {}


def _path(table: Table, folder: Path) -> Path:
    return folder / f"{table.name}_times.json"


def measure(table: Table, rounds: int = _ROUNDS) -> dict[str, Any]:
    """Return ``seconds``: row -> median seconds for one image, ``spread``: row -> (least, most), and ``machine``.

    Networks that map one image to one image alone; every round times each of them once, so that whatever else the
    machine does meets all alike.
    """
    with _one_thread():
        known = [(row.label, task, lr) for row in table.rows if (made := _network(row)) for task, lr in [made]]
        taken: dict[str, list[float]] = {label: [] for label, _, _ in known}
        with track(f"timing {table.name}", rounds * len(known), "images") as advance, torch.inference_mode():
            for _, task, lr in known:
                task.upscale(lr)  # the first one warms up
            for _ in range(rounds):
                for label, task, lr in known:
                    start = time.perf_counter()
                    task.upscale(lr)
                    taken[label].append(time.perf_counter() - start)
                    advance(1, label)
        return {
            "machine": machine(),
            "rounds": rounds,
            "seconds": {label: float(np.median(values)) for label, values in taken.items()},
            "spread": {label: [min(values), max(values)] for label, values in taken.items()},
        }


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _network(row: Row) -> tuple[SuperResolution, torch.Tensor] | None:
    """Return a row's network and an LR image of its set's size, of random numbers.

    Where a record alone is left of every run the network has its first weights, with which it takes as long.
    """
    result = next(filter(has_weights, row.results), next(iter(row.results), None))
    if result is None:
        return None
    config = read_config(result.folder)
    task = load_task(result.run, config=config) if has_weights(result) else build_task(config).eval()
    if not isinstance(task, SuperResolution):
        return None
    size = row.image_size // row.scale
    return task, torch.rand(1, 1, size, size, generator=torch.Generator().manual_seed(0))
