"""Write tables to files, and say what is missing."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lenssr.errors import LensSRError
from lenssr.files import write_text
from lenssr.progress import say

__all__ = ["main", "write"]


def write(chosen: list[str], overrides: list[str], folder: Path) -> list[str]:
    """Write each table as ``.md``, ``.tex`` and ``.html``, and its comparisons with the baseline as ``.csv``.

    Args:
        chosen: tables; none means all.
        overrides: shared by every cell.
        folder: where to.

    Returns:
        The commands that would fill the empty cells.

    Raises:
        LensSRError: a table or an override names nothing.
    """
    from lenssr.results.render import to_html, to_latex, to_markdown
    from lenssr.results.tables import build, names

    missing: list[str] = []
    for name in chosen or names():
        table = build(name, overrides)
        write_text(folder / f"{name}.md", to_markdown(table))
        write_text(folder / f"{name}.tex", to_latex(table))
        write_text(folder / f"{name}.html", to_html([table], table.title))
        write_text(folder / f"{name}.csv", table.comparisons.to_csv(index=False))
        missing += table.missing
        filled = sum(len(row.results) for row in table.rows)
        say(f"{folder / name}.md: {filled} runs, {len(table.missing)} missing")
    return missing


def main() -> None:
    """The command line of ``scripts/tables.py``."""
    parser = argparse.ArgumentParser(
        prog="lenssr-tables",
        description="Write the tables of configs/table from finished runs, as Markdown, LaTeX and HTML.",
    )
    parser.add_argument("words", nargs="*", help="tables (all if none), and overrides such as scale=report")
    parser.add_argument("--to", type=Path, default=Path("outputs/tables"), help="folder of the files [%(default)s]")
    arguments = parser.parse_args()
    overrides = [word for word in arguments.words if "=" in word]
    try:
        missing = write([word for word in arguments.words if "=" not in word], overrides, arguments.to)
    except LensSRError as error:
        say(f"error: {error}")
        sys.exit(error.exit_code)
    if missing:
        say("Missing runs are filled by:\n" + "\n".join(f"  {command}" for command in missing))
