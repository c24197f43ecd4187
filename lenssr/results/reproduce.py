"""Every table of the report in one command, and how our numbers stand to its own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lenssr.errors import LensSRError
from lenssr.files import write_text
from lenssr.progress import say
from lenssr.results.tables import Cell, Column, Table, build
from lenssr.results.write import fill, write

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
                    rows.append(_line(row.label, column, cell))
        if rows:
            head = ["| | score | report | ours | |", "|---|---|---:|---:|---|"]
            lines += [f"## {table.title}", "", *head, *rows, "", *([table.why, ""] if table.why else [])]
    return "\n".join(lines)


def _line(label: str, column: Column, cell: Cell) -> str:
    assert cell.published is not None
    ours = f"{cell.mean:.{column.decimals}f}" + (f" ± {cell.std:.{column.decimals}f}" if cell.std is not None else "")
    difference = cell.mean - cell.published
    # the report has no error bars; two of ours are what chance alone may do
    if cell.std is None:
        verdict = f"one run: {difference:+.{column.decimals}f}"
    elif abs(difference) <= 2 * cell.std:
        verdict = "agrees within two of our standard deviations"
    else:
        verdict = f"differs by {difference:+.{column.decimals}f}"
    heading = f"{column.group}, {column.label}"
    return f"| {label} | {heading} | {cell.published:.{column.decimals}f} | {ours} | {verdict} |"


def main() -> None:
    """The command line of ``scripts/reproduce.py``."""
    parser = argparse.ArgumentParser(
        prog="lenssr-reproduce",
        description="Run what the report's tables miss, write them, and compare them with its numbers.",
    )
    parser.add_argument("words", nargs="*", help="tables (all if none), and overrides such as scale=report")
    parser.add_argument("--to", type=Path, default=Path("outputs/tables"), help="folder of the files [%(default)s]")
    arguments = parser.parse_args()
    overrides = [word for word in arguments.words if "=" in word]
    chosen = [word for word in arguments.words if "=" not in word] or list(ORDER)
    try:
        for name in chosen:
            say(f"== {name}")
            fill([name], overrides)
        write(chosen, overrides, arguments.to)
        text = compared([build(name, overrides) for name in chosen])
    except LensSRError as error:
        say(f"error: {error}")
        sys.exit(error.exit_code)
    write_text(arguments.to / "summary.md", text)
    print(text)
