"""Reference of the configuration: every group, option and value, from the YAML files and their comments."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path

import yaml
from committed import ROOT

__all__ = ["Line", "lines", "pages", "read"]

CONFIGS = ROOT / "configs"


@dataclass(frozen=True)
class Line:
    """One value of a file: its path in it, its text, and what its comment says."""

    path: str
    value: str
    comment: str


def _comment(text: str) -> str:
    return text.lstrip().lstrip("#").strip()


def read(path: Path) -> tuple[str, list[Line]]:
    """Return what a file says of itself (its comments at the top), and its values."""
    text = path.read_text()
    source = text.splitlines()
    top = []
    for line in source:
        if not line.startswith("#"):
            break
        if "@package" not in line:
            top.append(_comment(line))
    node = yaml.compose(text)
    if isinstance(node, yaml.MappingNode) and not node.value:  # {}: nothing but what stands beside it
        top += [_comment(row[place:]) for row in source if (place := _hash(row))]
    found = list(lines(node, source, "")) if isinstance(node, yaml.MappingNode) else []
    return " ".join(top), found


def lines(node: yaml.MappingNode, source: list[str], prefix: str) -> list[Line]:
    """Return the values of a node, those of block mappings within it after it."""
    found = []
    for key, value in node.value:
        path = f"{prefix}{key.value}"
        block = isinstance(value, yaml.MappingNode) and not value.flow_style
        last = key.end_mark.line if block else max(key.end_mark.line, _end(value))
        said = [*_above(source, key.start_mark.line), *_beside(source, key, value, last)]
        inside = "" if block else _text(source, value)
        found.append(Line(path, inside, " ".join(said)))
        if block:
            found += lines(value, source, f"{path}.")
    return found


def _end(node: yaml.Node) -> int:
    """Return the last line of a node; a block's end mark is where the next thing begins."""
    if isinstance(node, yaml.SequenceNode) and not node.flow_style:
        return max((_end(item) for item in node.value), default=node.start_mark.line)
    if isinstance(node, yaml.MappingNode) and not node.flow_style:
        return max((_end(item) for pair in node.value for item in pair), default=node.start_mark.line)
    return node.end_mark.line - (node.end_mark.column == 0 and node.end_mark.line > node.start_mark.line)


def _text(source: list[str], node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return node.value
    rows = source[node.start_mark.line : _end(node) + 1]
    rows[0] = rows[0][node.start_mark.column :] if node.start_mark.line else rows[0]
    return " ".join(_without_comment(row).strip() for row in rows)


def _without_comment(row: str) -> str:
    place = _hash(row)
    return row if place is None else row[:place]


def _hash(row: str) -> int | None:
    """Return where a row's comment begins: at a # after a blank, outside of quotes."""
    quote = None
    for place, letter in enumerate(row):
        if quote:
            quote = None if letter == quote else quote
        elif letter in "\"'" and (place == 0 or not row[place - 1].isalnum()):
            quote = letter
        elif letter == "#" and (place == 0 or row[place - 1] == " "):
            return place
    return None


def _above(source: list[str], line: int) -> list[str]:
    """Return the comments right above a line, but for those at the top of the file."""
    first = line
    while first and source[first - 1].lstrip().startswith("#"):
        first -= 1
    return [] if first == 0 else [_comment(row) for row in source[first:line]]


def _beside(source: list[str], key: yaml.Node, value: yaml.Node, last: int) -> list[str]:
    folded = isinstance(value, yaml.ScalarNode) and value.style in ("|", ">")
    rows = source[key.start_mark.line : key.start_mark.line + 1 if folded else last + 1]
    places = [(row, _hash(row)) for row in rows]
    return [_comment(row[place:]) for row, place in places if place is not None]


def _code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    blank = " " if "`" in text else ""
    return f"{fence}{blank}{text}{blank}{fence}".replace("|", "\\|") if text else ""


def _words(text: str) -> str:
    """Return a comment as text of a table's cell; what stands in backticks is left as it is."""
    parts = text.split("`")
    for place in range(0, len(parts), 2):
        plain = html.escape(parts[place], quote=False)
        parts[place] = re.sub(r"([*_\[\]|])", r"\\\1", plain)
    return "`".join(parts)


def _option(path: Path, name: str, word: str) -> list[str]:
    about, values = read(path)
    out = [f"## `{word}` {{#{name}}}", "", _words(about), ""]
    if values:
        out += ["| setting | value | |", "| --- | --- | --- |"]
        out += [f"| {_code(v.path)} | {_code(v.value)} | {_words(v.comment)} |" for v in values]
    return [*out, ""]


def pages() -> dict[str, str]:
    """Return the pages of the reference by their place on the site: one a group, and an index of all."""
    groups: dict[str, list[Path]] = {}
    for path in sorted(CONFIGS.rglob("*.yaml")):
        groups.setdefault(path.parent.relative_to(CONFIGS).as_posix(), []).append(path)
    pages, index = {}, [
        "# Configuration", "",
        "Every folder of `configs/` is a group, every file in it an option, every value an override: "
        "`python train.py model=rdn model.blocks=4`. These pages are made of the files and their comments.", "",
        "| group | options |", "| --- | --- |",
    ]  # fmt: skip
    for group, paths in groups.items():
        page = "top" if group == "." else group.replace("/", "-")
        title = "The top of the configuration" if group == "." else f"`{group}`"
        body = [f"# {title}", ""]
        for path in paths:
            body += _option(path, path.stem, path.stem if group == "." else f"{group}={path.stem}")
        pages[f"reference/config/{page}.md"] = "\n".join(body)
        options = ", ".join(f"[`{path.stem}`](config/{page}.md#{path.stem})" for path in paths)
        index.append(f"| [{title}](config/{page}.md) | {options} |")
    pages["reference/config.md"] = "\n".join(index) + "\n"
    return pages
