"""Every table of the report in one command, and how our numbers stand to its own."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lenssr.launchers.choose import choose
from lenssr.results.tables.statistics import LEVEL, difference_from
from lenssr.results.tables.table import Cell, Column, Row, Table
from lenssr.results.write import RECORDS, beside, collect, end_with, fill, record, write
from lenssr.system.commands import command
from lenssr.system.files import write_text

__all__ = ["ORDER", "compared", "main"]

# what others need comes first
_LEGEND = (
    "The last column is ours less the report's, with its 95 % interval: Student's t over trainings, to whose scatter "
    "the report's single run and the choice of test images, ours and the report's, add theirs."
)
_CLAIMS = (
    "A claim is tested over trainings, paired by their seeds where both rows have the same, with Holm's correction for "
    "the claims of its table; networks are compared with each other against the truth, since the noise of the HR image "
    "hides what it would rank."
)
_RIGHT, _WRONG, _OPEN = (
    "so it is, by our trainings", "it is the other way round, by our trainings", "our trainings cannot tell them apart"
)  # fmt: skip
_VERDICTS = {  # of what a claim expects, and of what was found
    "better": {"better": _RIGHT, "worse": _WRONG, "tie": _OPEN},
    "worse": {"better": _WRONG, "worse": _RIGHT, "tie": _OPEN},
    "no worse": {
        "better": "it is even better, by our trainings",
        "worse": "it is worse, by our trainings",
        "tie": _OPEN,
    },
}
ORDER = ("residual_models", "content_loss_rcan", "content_loss_rdn", "downstream", "diffusion", "equivariant_ablation")


def compared(tables: Sequence[Table]) -> str:
    """Return, in Markdown, every published number beside ours, and why they differ where they do."""
    lines = ["# What the report says, and what we find", "", *_claims(tables), "## Number by number", "", _LEGEND, ""]
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


def _claims(tables: Sequence[Table]) -> list[str]:
    """Return a sentence on each of the report's claims: what we find, how surely, and what would have been seen."""
    lines = []
    for table in tables:
        for claim in table.claims:
            lines.append(f"- **{claim['says']}** {_found(claim)} ({table.title})")
    return [*lines, "", _CLAIMS, ""] if lines else []


def _found(claim: dict[str, Any]) -> str:
    column: Column = claim["column"]
    what = f"{claim['one']} less {claim['other']}"
    if "verdict" not in claim:
        return f"Not measured yet: {what} needs two trainings or more of each."
    digits = column.decimals + 1
    low, high = (f"{claim[end]:+.{digits}f}" for end in ("low", "high"))
    seen = f"a difference of {claim['detectable']:.{digits}f} would have been seen with a power of 80 %"
    told = _VERDICTS[claim["expects"]][claim["verdict"]]
    seeds = " and ".join(map(str, claim["seeds"]))
    return (
        f"We find {claim['difference']:+.{digits}f} in {column.group}, {column.label}, {what} (95 %: {low} to {high}; "
        f"{seeds} trainings; Holm's p = {claim['p']:.2g}): {told}; {seen}."
    )


def _line(row: Row, column: Column, cell: Cell) -> str:
    """Return one comparison: Student's t, where the report's single number scatters as one of our trainings does."""
    assert cell.published is not None
    ours = f"{cell.mean:.{column.decimals}f}" + (f" ± {cell.std:.{column.decimals}f}" if cell.std is not None else "")
    scores = [result.metrics["scores"]["prediction"].get(column.key) for result in row.results]
    values = [column.factor * float(score["mean"]) for score in scores if score]
    images = (column.factor * scores[0]["std"]) ** 2 / max(1, row.results[0].metrics["images"])
    found = difference_from(values, cell.published, images)
    told = "differs" if found.p < LEVEL else "cannot be told apart"
    verdict = f"{told}: {found.difference:+.{column.decimals}f} ({found.low:+.{column.decimals}f} to "
    verdict += f"{found.high:+.{column.decimals}f})"
    if row.random and cell.std is None:
        verdict += "; one seed: what trainings do is left out"
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
    parser.add_argument("--records", type=Path, help=RECORDS)
    parser.add_argument("--no-run", action="store_true", help="write what is finished, and run nothing")
    arguments = parser.parse_intermixed_args()  # tables and overrides may stand around the flags
    command(lambda: _reproduce(arguments))


def _reproduce(arguments: argparse.Namespace) -> None:
    chosen = [word for word in arguments.words if "=" not in word] or list(ORDER)
    launch, overrides = choose([word for word in arguments.words if "=" in word])
    failures: list[str] = []
    if arguments.no_run:
        tables = collect(chosen, overrides, arguments.records)
    else:
        tables, failures = fill(chosen, overrides, launch, arguments.records)
    if launch.dry:
        return
    to = arguments.to or beside(overrides)
    record(tables, arguments.records)
    write(tables, to, page=True, redraw=False)
    text = compared(tables)
    write_text(to / "summary.md", text)
    print(text)
    end_with(failures)
