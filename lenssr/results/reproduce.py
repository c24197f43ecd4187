"""Every table of the report in one command, and how our numbers stand to its own."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from lenssr.launchers.choose import choose
from lenssr.results.tables.table import Cell, Column, Row, Table
from lenssr.results.write import beside, end_with, fill, write
from lenssr.system.commands import command
from lenssr.system.files import write_text

__all__ = ["ORDER", "compared", "main"]

# what others need comes first
ORDER = ("residual_models", "content_loss_rcan", "content_loss_rdn", "downstream", "diffusion", "equivariant_ablation")


def compared(tables: Sequence[Table]) -> str:
    """Return, in Markdown, every published number beside ours, and why they differ where they do."""
    lines = ["# What the report says, and what we find", ""]
    for table in tables:
        rows = []
        for row in table.rows:
            for column in table.columns:
                cell = row.cells.get(column.key)
                if cell and cell.published is not None:
                    rows.append(_line(row, column, cell))
        if rows:
            head = ["| | score | report | ours | |", "|---|---|---:|---:|---|"]
            lines += [f"## {table.title}", "", *head, *rows, "", *([table.why, ""] if table.why else [])]
    return "\n".join(lines)


def _line(row: Row, column: Column, cell: Cell) -> str:
    assert cell.published is not None
    ours = f"{cell.mean:.{column.decimals}f}" + (f" ± {cell.std:.{column.decimals}f}" if cell.std is not None else "")
    difference = cell.mean - cell.published
    # what chance may do: to the seed of a run, and to the images it is tested on; the report's own run had both
    scored = row.results[0].metrics["scores"]["prediction"].get(column.key, {"std": 0.0})
    images = column.factor * scored["std"] / max(1, row.results[0].metrics["images"]) ** 0.5
    chance = 2 * (2 * ((cell.std or 0.0) ** 2 + images**2)) ** 0.5
    if abs(difference) <= chance:
        verdict = f"not to be told apart: within ±{chance:.{column.decimals}f}, twice what seeds and test images may do"
    else:
        verdict = f"differs by {difference:+.{column.decimals}f}"
    if row.random and cell.std is None:
        verdict += "; with one seed, what seeds do is left out"
    heading = f"{column.group}, {column.label}"
    return f"| {row.label} | {heading} | {cell.published:.{column.decimals}f} | {ours} | {verdict} |"


def main() -> None:
    """The command line of ``scripts/reproduce.py``."""
    parser = argparse.ArgumentParser(
        prog="lenssr-reproduce",
        description="Run what the tables miss, write them, and compare them with the report's numbers. Without names: "
        "every table that answers one of the report's, and those of its open questions.",
    )
    parser.add_argument("words", nargs="*", help="tables, and overrides such as scale=report or hydra/launcher=slurm")
    parser.add_argument("--to", type=Path, help="folder of the files [outputs/tables, or tables in paths.outputs]")
    arguments = parser.parse_intermixed_args()  # tables and overrides may stand around the flags
    command(lambda: _reproduce(arguments))


def _reproduce(arguments: argparse.Namespace) -> None:
    chosen = [word for word in arguments.words if "=" not in word] or list(ORDER)
    launch, overrides = choose([word for word in arguments.words if "=" in word])
    tables, failures = fill(chosen, overrides, launch)
    if launch.dry:
        return
    to = arguments.to or beside(overrides)
    write(tables, to, page=True, redraw=False)
    text = compared(tables)
    write_text(to / "summary.md", text)
    print(text)
    end_with(failures)
