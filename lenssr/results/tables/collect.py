"""Tables as data: ``configs/table/<name>.yaml`` says which runs are its cells; finished runs fill them.

A cell is a configuration, and a configuration has one folder, so a table never guesses which run is meant, and an
empty cell knows the command that fills it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from lenssr.config.compose import compose, plain
from lenssr.config.groups import CONFIGS, config_file
from lenssr.config.schema import validate
from lenssr.errors import ConfigError, did_you_mean
from lenssr.results.tables.seeded import runs_of
from lenssr.results.tables.table import Cell, Column, Gap, Row, Table
from lenssr.runs.find import run_folders
from lenssr.runs.folder import Run, RunResult
from lenssr.runs.records import has_weights, recall

__all__ = ["available", "build", "configurations", "names", "seeds"]


def names() -> list[str]:
    """Return the tables there are."""
    return sorted(path.stem for path in (CONFIGS / "table").glob("*.yaml"))


def available(overrides: Sequence[str] = ()) -> list[str]:
    """Return the tables that need nothing which the overrides do not give, as the place of one's own images."""
    given = {override.split("=")[0] for override in overrides}
    return [name for name in names() if given >= set(_definition(name).get("needs", []))]


def _definition(name: str) -> dict[str, Any]:
    path = CONFIGS / "table" / f"{name}.yaml"
    if not path.is_file():
        raise ConfigError(f"There is no table '{name}'. {did_you_mean(name, names())}")
    return plain(OmegaConf.load(path))


def _columns(name: str) -> list[Column]:
    path = CONFIGS / "table" / "columns" / f"{name}.yaml"
    return [Column(key=key, **entry) for key, entry in plain(OmegaConf.load(path)).items()]


def seeds(definition: dict[str, Any], overrides: Sequence[str] = ()) -> range:
    """Return the seeds of a table's trainings: ``seeds`` has their number at every size, the group ``scale``.

    A size of one's own has as many as ``quick``.
    """
    return _seeds(definition, plain(compose([*overrides, *definition["overrides"]])))


def _seeds(definition: dict[str, Any], config: dict[str, Any]) -> range:
    return range(definition["seeds"].get(config["scale"]["name"], definition["seeds"]["quick"]))


@dataclass(frozen=True)
class _Wanted:
    """What all rows of a table share: its definition and columns, overrides, seeds, and where records lie."""

    definition: dict[str, Any]
    columns: list[Column]
    overrides: tuple[str, ...]
    seeds: range
    records: Path | None
    nothing: bool


def build(name: str, overrides: Sequence[str] = (), records: Path | None = None) -> Table:
    """Collect the runs of a table and compare them.

    Args:
        name: of the table.
        overrides: what every cell shares, as ``scale=report`` or ``paths.outputs=...``.
        records: folder of runs without weights (:mod:`lenssr.runs.records`), which count where the run itself is not.

    Raises:
        ConfigError: there is no such table, or an override names nothing.
    """
    definition = _definition(name)
    columns = _columns(definition["columns"])
    from lenssr.results.tables.judge import judge

    first = plain(
        compose([*overrides, *definition["overrides"], *next(iter(definition["rows"].values()))["overrides"]])
    )
    validate(first)
    nothing = records is None and not run_folders(Path(first["paths"]["outputs"]) / "runs")
    wanted = _Wanted(definition, columns, tuple(overrides), _seeds(definition, first), records, nothing)
    rows = [_row(wanted, key, entry) for key, entry in definition["rows"].items()]
    for row in rows:
        row.scale, row.image_size = first["dataset"]["scale"], first["dataset"]["image_size"]
    for who, label in definition["references"].items():
        rows += _reference(rows, who, label, columns)
    baseline = definition["rows"][definition["baseline"]]["label"]
    why, top = definition.get("why", ""), rows[0]
    caption = definition["caption"].format(lr=top.image_size // top.scale, hr=top.image_size)
    table = Table(name, definition["title"], caption, baseline, columns, rows, why=why)
    table.brackets = definition.get("brackets", table.brackets)
    judge(table, definition.get("gap"), definition.get("order", []), definition.get("claims", []))
    if "paired" in definition:
        from lenssr.results.tables.paired import lens_by_lens

        table.paired = lens_by_lens(table, definition["paired"])
    return table


def configurations(
    name: str, overrides: Sequence[str] = (), evaluations: bool = False
) -> list[tuple[str, dict[str, Any]]]:
    """Return (label, plain configuration of the first seed) of every row that trains, and of the others if asked."""
    table = _definition(name)
    rows = [row for row in table["rows"].values() if evaluations or not row.get("evaluate")]
    return [(row["label"], plain(compose([*_overrides(table, overrides, row), "seed=0"]))) for row in rows]


def _overrides(definition: dict[str, Any], shared: Sequence[str], entry: dict[str, Any]) -> tuple[str, ...]:
    """Return a row's overrides; what is asked of a table's network is not asked of a limit, which has none."""
    own = [word for word in shared if not (entry.get("limit") and word.startswith("model."))]
    return (*own, *definition["overrides"], *entry["overrides"])


def _row(wanted: _Wanted, key: str, entry: dict[str, Any]) -> Row:
    row = Row(
        key,
        entry["label"],
        {},
        limit=entry.get("limit", False),
        curve=entry.get("curve"),
        published=entry.get("published", {}),
    )
    shared = _overrides(wanted.definition, wanted.overrides, entry)
    wanted = replace(wanted, seeds=wanted.seeds[: entry.get("seeds")])  # a row may have fewer trainings than others
    if wanted.nothing:  # composing takes a fifth of a second
        row.random = _random(shared)
        row.missing = [Gap((*shared, f"seed={seed}")) for seed in (wanted.seeds if row.random else wanted.seeds[:1])]
    else:
        _look(wanted, row, shared, entry.get("evaluate", []))
    for column in wanted.columns:
        values = [_score(result, column.key) for result in row.results]
        row.cells[column.key] = _cell(values, column, row.published.get(column.key))
        _bracket(row, column)
    if row.results:
        row.parameters = row.results[0].metrics["parameters"]
    return row


def _look(wanted: _Wanted, row: Row, shared: tuple[str, ...], evaluation: list[str]) -> None:
    """Fill a row with what finished runs found, and with the gaps between them."""
    seen: set[str] = set()
    for seed, run in runs_of(shared, wanted.seeds):
        if run.hash in seen:  # nothing random in it: every seed is the same run
            continue
        seen.add(run.hash)
        row.random = "seed" not in run.config["task"]["ignores"]
        found = _found(run, (*shared, f"seed={seed}"), evaluation, wanted.records)
        if isinstance(found, Gap):
            row.missing.append(found)
        else:
            row.results.append(found)
            row.seeds.append(seed)


def _random(overrides: Sequence[str]) -> bool:
    """Whether a row's seed matters, by its model's file alone."""
    name = next((word for word in reversed(overrides) if word.startswith("model=")), "").partition("=")[2]
    path = config_file("model", name)
    text = path.read_text(encoding="utf-8") if path else ""
    return "_global_.task: interpolation" not in text


def _found(run: Run, chosen: tuple[str, ...], evaluation: list[str], records: Path | None) -> RunResult | Gap:
    """Return the result of a run, or of an evaluation of it, or what is missing."""
    result = run.result() or recall(run, records)
    if result is None:
        return Gap(chosen)
    if not evaluation:
        return result
    from lenssr.runs.evaluation import find

    known = find(result.folder, evaluation)
    if known is None and records and has_weights(result):
        known = _recalled(records / result.folder.name, evaluation)
    if known is None:  # without weights, the run has to be made again first
        return Gap(tuple(evaluation), result.folder) if has_weights(result) else Gap(chosen)
    return known


def _recalled(record: Path, evaluation: list[str]) -> RunResult | None:
    from lenssr.runs.evaluation import find

    return find(record, evaluation) if (record / "metrics.json").is_file() else None


def _score(result: RunResult, key: str, who: str = "prediction") -> float | None:
    if key in result.metrics:
        value = result.metrics[key]
        return None if value is None else float(value)
    found = result.metrics["scores"].get(who, {}).get(key)
    return None if found is None else float(found["mean"])


def _cell(values: list[float | None], column: Column, published: float | None) -> Cell | None:
    known = [column.factor * value for value in values if value is not None]
    if not known:
        return None
    std = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return Cell(float(np.mean(known)), std, published)


def _bracket(row: Row, column: Column) -> None:
    """Give a single run's cell the interval over images that its score was stored with, if it was."""
    cell = row.cells[column.key]
    if cell is not None and len(row.results) == 1:
        found = row.results[0].metrics["scores"].get("prediction", {}).get(column.key, {})
        if "low" in found:
            cell.interval = (column.factor * found["low"], column.factor * found["high"])


def _reference(rows: list[Row], who: str, label: str, columns: list[Column]) -> list[Row]:
    """Return the row of what predictions are measured against, from any finished run: the test set is the same for all.

    The ceiling is the noise-free truth itself, so its scores against the truth are left out.
    """
    result = next((result for row in rows for result in row.results if who in result.metrics["scores"]), None)
    if result is None:
        return []
    cells = {
        column.key: None
        if who == "ceiling" and column.key.startswith("truth/")
        else _cell([_score(result, column.key, who)], column, None)
        for column in columns
        if column.key not in result.metrics
    }
    return [Row(who, label, cells, ranked=False)]
