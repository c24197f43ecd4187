"""Every table on one page, complete in itself: pictures are in it, and it opens from the disk."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from lenssr.results.tables.render import CAPTIONS, DIFFERENCES, PAIRED, body, differences, notes
from lenssr.results.tables.table import Table

__all__ = ["to_html"]

_STYLE = """:root{color-scheme:light dark;--line:#8886;--page:#fff;--link:#0550ae}
@media(prefers-color-scheme:dark){:root{--page:#16181c;--link:#79b8ff}}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem;
background:var(--page);overflow-wrap:anywhere}a{color:var(--link)}h2{margin-top:3rem;line-height:1.25}
nav{display:flex;flex-wrap:wrap;gap:.4rem 1.2rem}
.wide{overflow-x:auto}table{border-block:2px solid;border-collapse:separate;border-spacing:0}
th,td{padding:.3rem .6rem;text-align:right;white-space:nowrap}
th[colspan]{text-align:left;border-left:1px solid var(--line)}
thead tr:last-child th{border-bottom:1px solid;font-weight:600}
th:first-child,td:first-child{text-align:left;white-space:normal;min-width:7.5rem;overflow-wrap:normal;position:sticky;
left:0;background:var(--page);border-right:1px solid var(--line)}
tbody tr+tr td{border-top:1px solid var(--line)}
.notes{font-size:.87em}pre{overflow-x:auto;background:#8881;padding:.7rem;font-size:.85em;overflow-wrap:normal}
summary{cursor:pointer;margin:.5rem 0}ul{columns:22rem;padding-left:1.2rem;margin:0}
figure{margin:1.5rem 0}img{width:100%;max-width:60rem;min-width:36rem;height:auto;background:#fff}
figcaption{font-size:.87em}
@media(min-width:60rem){th:first-child,td:first-child{min-width:13rem}}
@media(max-width:40rem){body{margin:1rem auto;font-size:14px}th,td{padding:.3rem .45rem}}"""


def to_html(filled: Sequence[tuple[Table, Sequence[Path]]], title: str, folder: Path) -> str:
    """Return one page.

    Args:
        filled: tables, each with its pictures.
        title: of the page.
        folder: that the page will lie in, from which its links lead to the runs.
    """
    links = "".join(f"<a href='#{table.name}'>{html.escape(table.title)}</a>" for table, _ in filled)
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style><h1>{html.escape(title)}</h1>"
        + (f"<nav>{links}</nav>" if len(filled) > 1 else "")
        + "".join(_section(table, pictures, folder) for table, pictures in filled)
        + "</html>\n"
    )


def _section(table: Table, pictures: Sequence[Path], folder: Path) -> str:
    done = any(row.results for row in table.rows)
    remarks = "".join(f"<p>{html.escape(note)}</p>" for note in notes(table)) if done else "<p>No run is finished.</p>"
    return (
        f"<section id='{table.name}'><h2>{html.escape(table.title)}</h2>"
        + (f"<div class=wide tabindex=0>{_table(table)}</div>" if done else "")
        + f"<div class=notes>{remarks}</div>"
        + _more("Differences from the baseline", DIFFERENCES, differences(table))
        + _more("Lens by lens", PAIRED, table.paired)
        + _runs(table, folder)
        + _missing(table)
        + "".join(map(_figure, pictures))
        + "</section>"
    )


def _table(table: Table) -> str:
    groups = [(name, len(list(members))) for name, members in groupby(table.columns, key=lambda c: c.group)]
    over = "".join(f'<th colspan="{width}">{html.escape(name)}</th>' for name, width in groups)
    heads = "".join(f"<th>{html.escape(text)}</th>" for text in ["", "parameters", *(c.label for c in table.columns)])
    lines = []
    for line in body(table, ("\0", "\1")):
        cells = (html.escape(text).replace("\0", "<strong>").replace("\1", "</strong>") for text in line)
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = f"<tr><th></th><th></th>{over}</tr><tr>{heads}</tr>"
    return f"<table><thead>{head}</thead><tbody>{''.join(lines)}</tbody></table>"


def _more(summary: str, text: str, lines: list[list[str]]) -> str:
    """Return a further table that unfolds, its headings in the first line; nothing where there are no lines."""
    if not lines:
        return ""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in lines[0])
    rows = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>" for line in lines[1:])
    return (
        f"<details><summary>{summary}</summary><p>{html.escape(text)}</p><div class=wide "
        f"tabindex=0><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def _runs(table: Table, folder: Path) -> str:
    """Return links to the folders behind the numbers."""
    lines = []
    for row in table.rows:
        for result in row.results:
            path = Path(os.path.relpath(result.folder.resolve(), folder.resolve())).as_posix()
            text = f"{row.label}: {result.place.as_posix()}"
            lines.append(f"<li><a href='{html.escape(path, quote=True)}/'>{html.escape(text)}</a></li>")
    return f"<details><summary>{len(lines)} runs</summary><ul>{''.join(lines)}</ul></details>" if lines else ""


def _missing(table: Table) -> str:
    if not table.missing:
        return ""
    commands = html.escape("\n".join([*table.remarks, *table.missing]))
    return (
        f"<details><summary>Missing: {len(table.missing)} runs. They are filled by</summary>"
        f"<pre tabindex=0>{commands}</pre></details>"
    )


def _figure(picture: Path) -> str:
    caption = html.escape(CAPTIONS[picture.stem.rpartition("_")[2]])
    data = base64.b64encode(picture.read_bytes()).decode()
    return (
        f"<figure><figcaption>{caption}</figcaption><div class=wide tabindex=0>"
        f"<img alt='{caption}' src='data:image/png;base64,{data}'></div></figure>"
    )
