"""Write tables to files, and say what is missing."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenssr.config.words import value_of
from lenssr.errors import RunError
from lenssr.runs.provenance import nowhere
from lenssr.system.commands import command
from lenssr.system.files import read_json, write_json, write_text
from lenssr.system.progress import say, track

if TYPE_CHECKING:
    from lenssr.launchers.choose import Launcher
    from lenssr.results.tables.table import Table

__all__ = ["RECORDS", "beside", "collect", "end_with", "fill", "main", "provenance", "record", "write", "write_costs"]

RECORDS = "folder of the scores of finished runs without their weights; what it has is not run again"


def collect(chosen: Sequence[str] = (), overrides: Sequence[str] = (), records: Path | None = None) -> list[Table]:
    """Return the tables of these names as finished runs fill them; all of them where none is named.

    Raises:
        ConfigError: a name or an override names nothing.
    """
    from lenssr.results.tables.collect import available, build

    names, tables = list(chosen) or available(overrides), []
    with track("collecting", len(names), "tables") as advance:
        for name in names:
            tables.append(build(name, overrides, records))
            advance(1, name)
    return tables


def fill(
    chosen: Sequence[str], overrides: Sequence[str], launch: Launcher, records: Path | None = None
) -> tuple[list[Table], list[str]]:
    """Run what the tables miss, side by side, then what finished runs are asked again.

    Args:
        chosen: tables; none means all.
        overrides: shared by every cell.
        launch: where to.
        records: folder of runs without weights, which need not be run again.

    Returns:
        The tables, and what failed, in a message each; the rest is done.
    """
    from lenssr.launchers.jobs import evaluations_of, jobs_of

    tables, failures = collect(chosen, overrides, records), []
    for evaluations in (False, True):
        gaps = [gap for table in tables for gap in table.gaps if (gap.run is not None) is evaluations]
        if not gaps:
            continue
        asked = [(gap.run, gap.overrides) for gap in gaps if gap.run is not None]
        try:
            launch(evaluations_of(asked) if evaluations else jobs_of([gap.overrides for gap in gaps]))
        except RunError as error:
            failures.append(str(error))
        if not launch.dry:
            tables = collect(chosen, overrides, records)
    return tables, failures


def write(
    tables: Sequence[Table],
    folder: Path,
    figures: bool = True,
    page: bool = False,
    wandb: str | None = None,
    redraw: bool = True,
) -> list[str]:
    """Write each table as ``.md``, ``.tex`` and ``.html``, its comparisons as ``.csv``, where it is from, its pictures.

    The ``.csv`` has for each row and score the improvement over the baseline (more is better, whichever way the score
    itself is: of a number that should be x, it is that of -|number - x|) with its 95 % interval over the images, the
    p-value and that after Holm's correction, and the seeds' spread.

    Args:
        tables: of :func:`collect`.
        folder: where to.
        figures: draw the pictures too.
        page: also write all of them on one page, ``index.html``.
        wandb: also log them to W&B, ``offline`` or ``online``.
        redraw: draw pictures anew that show the same runs.

    Returns:
        The commands that would fill the empty cells.
    """
    from lenssr.results.tables.page import to_html
    from lenssr.results.tables.render import CAPTIONS, to_latex, to_markdown
    from lenssr.results.tables.wandb_tables import upload

    filled: list[tuple[Table, list[Path]]] = []
    for table in tables:
        name, facts = table.name, provenance(table)
        same = not redraw and read_json(folder / f"{name}_provenance.json") == facts
        drawn = [path for kind in CAPTIONS if (path := folder / f"{name}_{kind}.png").is_file()] if same else []
        pictures = drawn or (_drawn(table, folder) if figures else [])
        write_text(folder / f"{name}.md", to_markdown(table, pictures))
        write_text(folder / f"{name}.tex", to_latex(table))
        write_text(folder / f"{name}.html", to_html([(table, pictures)], table.title, folder))
        write_text(folder / f"{name}.csv", table.comparisons.to_csv(index=False))
        write_json(folder / f"{name}_provenance.json", facts)
        if wandb:
            upload(table, pictures, folder, wandb)
        filled.append((table, pictures))
        count = sum(len(row.results) for row in table.rows)
        say(f"{folder / name}.md: {count} runs, {len(table.missing)} missing")
    if page:
        write_text(folder / "index.html", to_html(filled, "Super-resolution of strong gravitational lenses", folder))
        say(f"{folder / 'index.html'}: all of them, to be opened in a browser")
    return [command for table in tables for command in table.missing]


def _drawn(table: Table, folder: Path) -> list[Path]:
    if not any(row.results for row in table.rows):
        return []
    from lenssr.results.figures.tables import draw

    return draw(table, folder)


_PLACES = ("paths.", "dataset.source.root=", "finetune.run=", "dataset.source.psf=/")  # of one machine


def provenance(table: Table) -> list[dict[str, Any]]:
    """Return where each number of a table comes from: run, commit, command, machine, seconds."""
    facts = []
    for row in table.rows:
        for result in row.results:
            known = read_json(result.folder / "provenance.json") or read_json(result.run / "provenance.json") or {}
            last = known.get("attempts", [{}])[-1]
            facts.append(
                {
                    "row": row.label,
                    "run": result.place.as_posix(),
                    "hash": result.hash,
                    "git": last.get("git"),
                    "argv": [nowhere(word) for word in last.get("argv", []) if not word.startswith(_PLACES)],
                    "seconds": last.get("seconds"),
                    "hardware": known.get("hardware"),
                    "packages": known.get("packages"),
                }
            )
    return facts


def write_costs(chosen: list[str], overrides: list[str], folder: Path) -> None:
    """Time a few steps of every row and write ``<table>_cost.md``.

    Args:
        chosen: tables; none means all.
        overrides: shared by every row.
        folder: where to.
    """
    import torch

    from lenssr.results.tables.collect import available
    from lenssr.results.tables.cost import estimate, to_markdown

    batch = None if torch.cuda.is_available() else 2  # a CPU's time grows with the batch, a GPU's need not
    for name in chosen or available(overrides):
        costs = estimate(name, overrides, batch)
        if costs:
            text = to_markdown(costs, name, overrides)
            write_text(folder / f"{name}_cost.md", text)
            say(text)


def main() -> None:
    """The command line of ``scripts/tables.py``."""
    parser = argparse.ArgumentParser(
        prog="lenssr-tables",
        description="Write the tables of configs/table from finished runs, as Markdown, LaTeX and HTML.",
    )
    parser.add_argument(
        "words", nargs="*", help="tables (all if none), and overrides such as scale=report or hydra/launcher=slurm"
    )
    parser.add_argument("--run", action="store_true", help="first run what is missing, on hydra/launcher=pool or slurm")
    parser.add_argument("--no-figures", action="store_true", help="leave the pictures out")
    parser.add_argument("--html", action="store_true", help="also write one page with all of them, index.html")
    parser.add_argument("--wandb", choices=["offline", "online"], help="also log the tables to W&B")
    parser.add_argument("--cost", action="store_true", help="write what a seed of each table costs here, and no table")
    parser.add_argument("--time", action="store_true", help="first time each network, in turns, one thread: be alone")
    parser.add_argument("--to", type=Path, help="folder of the files [outputs/tables, or tables in paths.outputs]")
    parser.add_argument("--records", type=Path, help=RECORDS)
    arguments = parser.parse_intermixed_args()  # tables and overrides may stand around the flags
    command(lambda: _write(arguments))


def _write(arguments: argparse.Namespace) -> None:
    from lenssr.launchers.choose import choose

    chosen = [word for word in arguments.words if "=" not in word]
    failures: list[str] = []
    launch, overrides = choose([word for word in arguments.words if "=" in word])
    to = arguments.to or beside(overrides)
    if arguments.cost:
        return write_costs(chosen, overrides, to)
    if arguments.run:
        tables, failures = fill(chosen, overrides, launch, arguments.records)
        if launch.dry:
            return
    else:
        tables = collect(chosen, overrides, arguments.records)
    if arguments.time:
        from lenssr.results.tables.times import write_times

        for table in tables:
            write_times(table, to)
    record(tables, arguments.records)
    for table in tables:
        remark(table, overrides, bool(chosen))
    write(tables, to, not arguments.no_figures, arguments.html, arguments.wandb)
    for table in tables:
        for line in table.remarks:
            say(line)
    end_with(failures)


def remark(table: Table, overrides: Sequence[str], named: bool) -> None:
    """Say of an unfinished table what fills it, how long that takes, and which finished runs are no rows of it.

    Args:
        table: whose ``remarks`` are filled.
        overrides: shared by its rows.
        named: whether it was asked for by its name, and time may be spent on it.
    """
    from lenssr.results.tables import missing

    if not table.missing:
        return
    any_run = any(row.results for row in table.rows)
    how_long = f": {missing.price(table, overrides, not any_run)}" if named else ""
    table.remarks.append(f"`{missing.command(table, overrides)}` runs what is missing{how_long}.")
    if named or any_run:
        table.remarks += missing.strangers(table, overrides)


def record(tables: Sequence[Table], records: Path | None) -> None:
    """Keep what tables need of their runs in a folder of records, if one is given."""
    if records:
        from lenssr.runs.records import keep

        for result in (result for table in tables for row in table.rows for result in row.results):
            keep(result, records)


def beside(overrides: Sequence[str]) -> Path:
    """Return the folder of the tables of the runs that overrides place: ``tables`` beside ``runs``."""
    return Path(value_of(overrides, "paths.outputs") or "outputs") / "tables"


def end_with(failures: list[str]) -> None:
    """Say what failed, if anything did.

    Raises:
        RunError: something did.
    """
    if failures:
        raise RunError("\n".join(failures))
