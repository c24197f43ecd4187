"""A table as Markdown or LaTeX (booktabs): one list of lines, two ways to write them; the third is :mod:`.page`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import pandas as pd

from lenssr.results.tables.table import Cell, Column, Table

__all__ = ["CAPTIONS", "DIFFERENCES", "PAIRED", "body", "differences", "notes", "to_latex", "to_markdown"]

LEGEND = (
    "mean ± standard deviation over trainings (seeds). ↑ ↓: better, worse than the baseline by Student's t over the "
    "trainings (paired by seed where both have the same ones; the choice of test images adds to the variance), Holm-"
    "corrected over the rows of a column, 5 %. Bold: better than every other row by the same test, Holm-corrected over "
    "all pairs of a column; ≈: the highest mean, and what cannot be told from it. Where a number is right, as 1, an "
    "image's distance from it is compared."
)
CAPTIONS = {
    "grid": "One lens through every model, and what differs from the noise-free image",
    "cost": "Quality against the truth over size, and over time where it was measured alone on the machine; of draws "
    "over evaluations, and over time as they ran",
    "spectrum": "What each model's images hold of the truth, by spatial frequency",
    "calibration": "Where the pixels fall among the draws, and how often intervals hold them: the baseline, first seed",
    "draws": "Draws of every row from one posterior, what they differ by from their mean, its error, and their spread",
    "coverage": "How far the coverage of 50, 68 and 95 % intervals misses, by brightness; bars: spread over "
    "seeds, of a single run the standard error over images; grey: 3 %",
    "samples": "Draws from one posterior: the baseline, first seed",
    "curve": "What more training images buy: dots are runs, bars mean and spread over seeds (and shots)",
    "intervals": "Every score with its 95 % interval over the lenses; dashed: no bias, honest errors",
    "roc": "Completeness over false positives, mean and range of the trainings; at 1 % of them by the lens's size and "
    "its arcs' brightness, in bins of equally many lenses with 95 % intervals over trainings and lenses",
    "errors": "What each network is surest of, and wrong: other galaxies, and lenses",
    "scores": "Scores with their spread over seeds, and the report's",
}
_ARROWS = {"better": "↑", "worse": "↓"}


def _number(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}"


def _plain(cell: Cell | None, column: Column, published: float | None = None) -> str:
    """Return a cell without emphasis; an empty one with the report's number, if it has one."""
    if cell is None:
        return "–" if published is None else f"– [{_number(published, column.decimals)}]"
    text = _number(cell.mean, column.decimals)
    if cell.std is not None:
        text += f" ± {_number(cell.std, column.decimals)}"
    if cell.interval is not None:
        text += f" ({' to '.join(_number(end, column.decimals) for end in cell.interval)})"
    if cell.mark == "tie":
        text = f"≈ {text}"
    text += f" {_ARROWS[cell.against_baseline]}" if cell.against_baseline in _ARROWS else ""
    if cell.published is not None:
        text += f" [{_number(cell.published, column.decimals)}]"
    return text


def body(table: Table, bold: tuple[str, str]) -> list[list[str]]:
    """Return the lines: label, parameters, cells; the best ones between two marks."""
    lines = []
    for row in table.rows:
        cells = []
        for column in table.columns:
            cell = row.cells.get(column.key)
            text = _plain(cell, column, row.published.get(column.key))
            cells.append(f"{bold[0]}{text}{bold[1]}" if cell and cell.mark == "best" else text)
        label = row.label + (" (baseline)" if row.label == table.baseline else "")
        lines.append([label, f"{row.parameters:,}" if row.parameters else "–", *cells])
    return lines


def notes(table: Table) -> list[str]:
    """Return what is to be said under a table."""
    seeds = max((len(row.results) for row in table.rows), default=0)
    images = next((row.results[0].metrics["images"] for row in table.rows if row.results), 0)
    found = [f"{table.caption} {images} test images, {seeds} seed{'s' * (seeds != 1)}; {LEGEND}{_brackets(table)}"]
    if all(column.best is None for column in table.columns):  # nothing is ranked
        found = [f"{table.caption} {images} test images."]
    if any(column.key == "gap" for column in table.columns):
        found.append("Gap: with its 95 % interval over test images and seeds (Student's t).")
    for pair in table.order:
        word = {"better": "is better than", "worse": "is worse than", "tie": "cannot be told from"}[pair["verdict"]]
        interval = f"{pair['low']:+.4f} to {pair['high']:+.4f}"
        found.append(
            f"{pair['one']} {word} {pair['other']}: difference of {pair['score']} {pair['difference']:+.4f} "
            f"(95 %: {interval}), Holm's p = {pair['p']:.2g}; a difference of {pair['detectable']:.4f} would have been "
            "seen with a power of 80 %."
        )
    return found


def _brackets(table: Table) -> str:
    known = any(row.published for row in table.rows)
    return f" In brackets: {table.brackets}." if known else ""


def differences(table: Table) -> list[list[str]]:
    """Return the differences from the baseline, a line a row and a heading line; none where nothing was compared.

    Each with its 95 % interval, and the smallest that these trainings would find with a power of 80 %.
    """
    compared = {column.key: column for column in table.columns if column.key in set(table.comparisons["score"])}
    if not compared:
        return []
    lines = [["", *(f"{column.group}, {column.label}" for column in compared.values())]]
    for label in dict.fromkeys(table.comparisons["row"]):
        own = table.comparisons[table.comparisons["row"] == label].set_index("score")
        lines.append([label, *(_difference(own, column) for column in compared.values())])
    return lines


def _difference(own: pd.DataFrame, column: Column) -> str:
    if column.key not in own.index:
        return "–"
    found, digits = own.loc[column.key], column.decimals
    sign = -1.0 if column.best == "low" else 1.0
    low, high = sorted((sign * found["low"], sign * found["high"]))
    interval = f"{low:+.{digits}f} to {high:+.{digits}f}"
    return f"{sign * found['improvement']:+.{digits}f} ({interval}; {found['detectable']:.{digits}f})"


DIFFERENCES = (
    "Differences from the baseline (95 % interval; the smallest difference that would have been found with a power of "
    "80 % by trainings as many and as scattered, among as many tests). Of a number that should be x: of -|number - x|."
)

PAIRED = (
    "Lens by lens against the baseline. Errors: of how many lenses the row's is the smaller (Wilcoxon's signed-rank "
    "test); subhaloes: how many the row alone finds, and how many the baseline alone (McNemar's exact test, the gain "
    "that counts as found taken for known); two-sided, Holm-corrected over all tests here."
)


def to_markdown(table: Table, pictures: Sequence[Path] = ()) -> str:
    """Return the table in Markdown, with the commands that fill its gaps and the pictures that lie beside it."""
    headings = ["", "parameters", *(f"{column.group}<br>{column.label}" for column in table.columns)]
    rows = [headings, ["---", *["---:"] * (len(headings) - 1)], *body(table, ("**", "**"))]
    text = [f"## {table.title}", "", *("| " + " | ".join(row) + " |" for row in rows), "", "\n\n".join(notes(table))]
    for heading, lines in ((DIFFERENCES, differences(table)), (PAIRED, table.paired)):
        if lines:
            ruled = [lines[0], ["---", *["---:"] * (len(lines[0]) - 1)], *lines[1:]]
            text += ["", heading, "", *("| " + " | ".join(line) + " |" for line in ruled)]
    if table.missing:
        text += ["", "\n\n".join([f"Missing: {len(table.missing)} runs.", *table.remarks])]
        text += ["", "Each of them alone:", "", "```bash", *table.missing, "```"]
    for picture in pictures:
        text += ["", f"![{CAPTIONS[picture.stem.rpartition('_')[2]]}]({picture.name})"]
    return "\n".join(text) + "\n"


_LATEX = {"±": r"$\pm$", "≈": r"$\approx$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "–": "--", "%": r"\%", "_": r"\_"}


def _latex(text: str) -> str:
    for symbol, command in {"χ²": r"$\chi^2$", "²": "$^2$", "×": r"$\times$", "−": "$-$", "&": r"\&", **_LATEX}.items():
        text = text.replace(symbol, command)
    return text


def to_latex(table: Table) -> str:
    """Return the table for LaTeX with booktabs, and below it what was compared lens by lens."""
    groups = [(name, len(list(members))) for name, members in groupby(table.columns, key=lambda c: c.group)]
    spans, first = [], 3
    for _, width in groups:
        spans.append(rf"\cmidrule(lr){{{first}-{first + width - 1}}}")
        first += width
    over = " & ".join(rf"\multicolumn{{{width}}}{{c}}{{{_latex(name)}}}" for name, width in groups)
    lines = [" & ".join(map(_latex, line)) + r" \\" for line in body(table, (r"\textbf{", "}"))]
    head = [rf" & & {over} \\", "".join(spans)]
    head.append(" & ".join(["", "parameters", *(_latex(column.label) for column in table.columns)]) + r" \\")
    wide = f"lr{'r' * len(table.columns)}"
    made = ["% needs \\usepackage{booktabs}", *_framed(table, "", " ".join(notes(table)), wide, head, lines)]
    if table.paired:
        top, *rest = [" & ".join(map(_latex, line)) + r" \\" for line in table.paired]
        narrow = f"l{'r' * (len(table.paired[0]) - 1)}"
        made += _framed(table, "_lens_by_lens", PAIRED, narrow, [top], rest)
    return "\n".join([*made, ""])


def _framed(
    table: Table, part: str, caption: str, columns: str, head: Sequence[str], lines: Sequence[str]
) -> list[str]:
    """Return the lines of a table for LaTeX about those of its head and its body; ``part`` ends its label."""
    return [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_latex(table.title)}. {_latex(caption)}}}",
        rf"\label{{tab:{table.name}{part}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        *head,
        r"\midrule",
        *lines,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
