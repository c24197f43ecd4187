"""What an unfinished table lacks: the command that fills it, how long that takes here, and which runs are no rows."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lenssr.config.compose import select
from lenssr.launchers.devices import find_devices
from lenssr.launchers.pool import spent
from lenssr.results.tables.collect import configurations
from lenssr.results.tables.table import Table
from lenssr.runs.listing import Listed, listed
from lenssr.system.progress import duration

__all__ = ["command", "price", "strangers"]

_SHOWN = 3


def command(table: Table, overrides: Sequence[str]) -> str:
    """Return the command that fills a table."""
    return shlex.join(["python", "scripts/tables.py", table.name, *overrides, "--run"])


def price(table: Table, overrides: Sequence[str], timed: bool) -> str:
    """Return how long a table's missing runs take on this machine, in words.

    Args:
        table: that misses some.
        overrides: shared by its rows.
        timed: where no finished run tells, time a few steps of every row, which takes a minute.
    """
    rows = dict(configurations(table.name, overrides))
    wanted = {row.label: len(row.missing) for row in table.rows if row.missing and row.label in rows}
    side = len(find_devices())
    known = spent([(Path(rows[label]["paths"]["outputs"]) / "runs", rows[label]) for label in wanted])
    if all(label_seconds is not None for label_seconds in known) and known:
        total = sum(count * float(one or 0) for count, one in zip(wanted.values(), known, strict=True))
        return f"about {duration(total / side)} on {side} devices, by finished runs that had as much to do"
    if not timed:
        return f"`python scripts/tables.py {table.name} --cost` times a few steps and tells how long that takes here"
    from lenssr.results.tables.cost import estimate

    costs = {cost.label: cost.seconds for cost in estimate(table.name, overrides, 2)}
    total = sum(costs[label] * count for label, count in wanted.items() if label in costs)
    rest = sum(label not in costs for label in wanted)
    without = f", and {rest} rows that need other runs first, which were not timed;" if rest else ""
    return f"about {duration(total / side)} on {side} devices{without or ','} by steps that were timed just now"


def strangers(table: Table, overrides: Sequence[str]) -> list[str]:
    """Say why finished runs of a row's model, on its set, are no rows: what they have otherwise.

    A main job with the table's model is the one that people look for.
    """
    rows = configurations(table.name, overrides)
    if not rows:
        return []
    held = {result.run.name for row in table.rows for result in row.results}
    told = []
    for run in listed(Path(rows[0][1]["paths"]["outputs"]) / "runs"):
        if run.state != "done" or run.folder.name in held:
            continue
        near = [(label, _apart(run, config)) for label, config in rows if _alike(run, config)]
        near = [(label, words) for label, words in near if words]
        if near:
            label, words = min(near, key=lambda one: len(one[1]))
            shown = ", ".join(words[:_SHOWN]) + (", ..." if len(words) > _SHOWN else "")
            told.append(f"{run.folder.name} is no run of the row {label}, which has {shown}.")
    more = [f"{len(told) - _SHOWN} further runs are no rows either."] if len(told) > _SHOWN else []
    return told[:_SHOWN] + more


def _alike(run: Listed, config: dict[str, Any]) -> bool:
    return all(run.get(noun) == select(config, f"{noun}.name") for noun in ("model", "dataset"))


def _apart(run: Listed, config: dict[str, Any]) -> list[str]:
    """Return what a row has, as settings, where a run has something else."""
    keys: tuple[str, ...] = (
        "loss.name",
        "scale.name",
        "trainer.max_steps",
        "loader.batch_size",
        "optimizer.lr",
        "physics.name",
    )
    keys += ("dataset.source.splits.train", "dataset.image_size", "loss.alpha")
    apart = [key for key in keys if select(run.config, key) != select(config, key)]
    wanted = [(key.removesuffix(".name"), select(config, key), select(run.config, key)) for key in apart]
    return [f"{key}={row} (not {own})" for key, row, own in wanted if row is not None]
