"""The scores behind the committed tables, as data that travel with the package.

``lenssr.results("residual_models")`` has a line for every training and test image. ``lenssr compare <run>`` puts a run
of one's own beside these trainings, by the test of the tables.
"""

from __future__ import annotations

import argparse
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from lenssr.errors import ConfigError, did_you_mean
from lenssr.system.files import read_json, whole_file, write_json

__all__ = ["SET", "about", "main", "names", "pack", "results", "same_set"]

_FOLDER = Path(str(files("lenssr.results") / "data"))
SET = ("dataset.source", "dataset.observation", "dataset.image_size", "dataset.scale", "physics")  # decide the images


def names() -> list[str]:
    """Return the tables whose scores are here."""
    return sorted(path.stem for path in _FOLDER.glob("*.parquet"))


def results(table: str) -> pd.DataFrame:
    """Return the scores of every test image by every training of a table.

    Columns: ``row`` (key in ``configs/table``), ``label``, ``seed``, ``index`` of the test image, and the scores, in
    the units of ``metrics.json``. Scores are NaN where a row has none.

    Raises:
        ConfigError: no such table is here.
    """
    if table not in names():
        raise ConfigError(f"There are no scores of a table '{table}'. {did_you_mean(table, names())}")
    return pd.read_parquet(_FOLDER / f"{table}.parquet")


def about(table: str) -> dict[str, Any]:
    """Return ``set``, the configuration of the images of a table's scores, and ``overrides`` of its trainings."""
    known: dict[str, Any] = read_json(_FOLDER / f"{table}.json") or {}
    return known


def pack(name: str, overrides: list[str], records: Path | None, folder: Path = _FOLDER) -> Path | None:
    """Write the scores of a table's finished runs; return their file, None where no run is finished."""
    from lenssr.config.compose import select
    from lenssr.results.tables.collect import build
    from lenssr.runs.load import read_config

    parts, first = [], None
    for row in build(name, overrides, records).rows:
        for seed, result in zip(row.seeds, row.results, strict=True):
            first = first or result
            found = pd.read_parquet(result.folder / "per_image.parquet").sort_values("index", ignore_index=True)
            own = {str(c): str(c).removeprefix("prediction/") for c in found if str(c).startswith("prediction/")}
            part = found[["index", *own]].rename(columns=own).astype(dict.fromkeys(own.values(), "float32"))
            parts.append(part.assign(row=row.key, label=row.label, seed=seed))
    if not parts or first is None:
        return None
    whole = pd.concat(parts, ignore_index=True)
    lead = ["row", "label", "seed", "index"]
    whole = whole[lead + [c for c in whole if c not in lead]].astype({"row": "category", "label": "category"})
    path = folder / f"{name}.parquet"
    with whole_file(path) as temporary:
        whole.to_parquet(temporary, index=False, compression="zstd")
    config = read_config(first.run)
    chosen = {key: _without_folders(select(config, key)) for key in SET}
    write_json(path.with_suffix(".json"), {"set": chosen, "overrides": overrides})
    return path


def _without_folders(node: Any) -> Any:
    return {key: value for key, value in node.items() if key != "folder"} if isinstance(node, dict) else node


def same_set(config: dict[str, Any], table: str) -> str | None:
    """Return which node of a run's configuration makes its images others than a table's; None where none does."""
    from lenssr.config.compose import select

    known = about(table)["set"]
    plain = json.loads(json.dumps({key: _without_folders(select(config, key)) for key in SET}))
    return next((key for key in SET if plain[key] != known[key]), None)


def main() -> None:
    """The command line: ``python -m lenssr.results.shipped <table> ... --overrides ... --records <folder>``."""
    from lenssr.system.commands import command

    parser = argparse.ArgumentParser(description="Put the scores of finished tables into the package.")
    parser.add_argument("tables", nargs="+")
    parser.add_argument("--overrides", nargs="*", default=[], help="as scale=overnight")
    parser.add_argument("--records", type=Path, help="folder of runs' records")
    arguments = parser.parse_args()

    def work() -> None:
        for name in arguments.tables:
            path = pack(name, arguments.overrides, arguments.records)
            if path:
                print(path)

    command(work)


if __name__ == "__main__":
    main()
