"""The one source of numbers of site and article: what is committed under ``outputs/report``, and the configs.

A key that is not there raises, so that a text whose result is gone is not built.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

__all__ = ["REPORT", "ROOT", "Missing", "cells", "filled", "resolve", "tables"]

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "outputs" / "report"
_DIFFERENCE = re.compile(r"^(?P<mean>[-+]?[\d.]+) \((?P<low>[-+]?[\d.]+) to (?P<high>[-+]?[\d.]+); (?P<seen>[\d.]+)\)$")
_CELL = re.compile(r"^(?P<mean>[-\d.,]+)( ± (?P<spread>[\d.]+))?( \((?P<low>[-\d.]+) to (?P<high>[-\d.]+)\))?"
                   r"( [↑↓])?( \[(?P<published>[\d.]+)\])?$")  # fmt: skip


class Missing(KeyError):
    """A text asks for a number that no committed file holds."""


def cells(line: str) -> list[str]:
    """Return the cells of a line of a Markdown table."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _parsed(text: str) -> dict[str, str] | None:
    plain = text.replace("*", "").replace("≈", "").strip()
    found = _DIFFERENCE.match(plain) or _CELL.match(plain)
    return {key: value for key, value in found.groupdict().items() if value} if found else None


def _header(text: str) -> str:
    return text.replace("<br>", ", ")


def _keys() -> dict[str, str]:
    """Return the score of every heading that a table may have."""
    found = {"parameters": "parameters"}
    for path in sorted((ROOT / "configs" / "table" / "columns").glob("*.yaml")):
        for key, column in yaml.safe_load(path.read_text()).items():
            found.setdefault(f"{column['group']}, {column['label']}", key)
    return found


@cache
def tables(path: Path) -> dict[str, dict[str, dict[str, dict[str, str]]]]:
    """Return the tables of a Markdown file: ``scores`` and ``differences``, row -> score -> parts of the cell.

    Args:
        path: of a table that ``scripts/tables.py`` wrote.

    Raises:
        Missing: there is no such file.
    """
    if not path.is_file():
        raise Missing(f"There is no {path.relative_to(ROOT)}.")
    keys, found, head = _keys(), {}, None
    for line in path.read_text().splitlines():
        if not line.startswith("|"):
            head = None
        elif head is None:
            head = [keys.get(_header(cell), _header(cell)) for cell in cells(line)[1:]]
            kind = "differences" if "scores" in found else "scores"
            found[kind] = {}
        elif not set(line) <= set("|-: "):
            label, *values = cells(line)
            parts = {key: _parsed(value) for key, value in zip(head, values, strict=True)}
            found[kind][label.replace(" (baseline)", "")] = {key: part for key, part in parts.items() if part}
    return found


def _table(words: list[str]) -> str:
    name, row, score, *more = words
    part = more[0] if more else "mean"
    found = tables(REPORT / f"{name}.md")
    kind, part = ("differences", part[5:] or "mean") if part.startswith("diff") else ("scores", part)
    part = part.lstrip("-") or "mean"
    try:
        cell = found[kind][row][score]
        return f"{cell['mean']} ± {cell['spread']}" if part == "both" else cell[part]
    except KeyError as error:
        raise Missing(f"outputs/report/{name}.md has no {error} for {' | '.join(words)}.") from error


def _config(words: list[str]) -> str:
    name, path = words
    value: Any = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text())
    for key in path.split("."):
        try:
            value = value[int(key) if isinstance(value, list) else key]
        except (KeyError, IndexError, TypeError) as error:
            raise Missing(f"configs/{name}.yaml has no {path}.") from error
    return str(value)


def _said(words: list[str]) -> str:
    """Return what stands in a committed text where its pattern has a group."""
    name, pattern = words
    text = " ".join((REPORT / name).read_text().split())
    found = re.findall(pattern, text)
    if len(found) != 1:
        raise Missing(f"outputs/report/{name} has {len(found)} places like '{pattern}', and should have one.")
    return str(found[0])


def _json(words: list[str]) -> str:
    name, path, *form = words
    try:
        value: Any = json.loads((REPORT / name).read_text())
        for key in path.split("."):
            value = value[int(key) if isinstance(value, list) else key]
    except (KeyError, IndexError, TypeError, FileNotFoundError) as error:
        raise Missing(f"outputs/report/{name} has no {path}.") from error
    return format(value, form[0]) if form else str(value)


_KINDS = {"table": _table, "config": _config, "said": _said, "json": _json}


def resolve(key: str) -> str:
    """Return the number that a key names.

    Args:
        key: ``table|overnight/residual_models|RDN|truth/psnr|both`` (or ``mean``, ``spread``, ``published``,
            ``diff-mean``, ``diff-low``, ``diff-high``, ``diff-seen``), ``config|dataset/model1|source.psf_fwhm``,
            ``said|README.md|a pattern with one group``, ``json|quick/x.json|a.path|.2f``.

    Raises:
        Missing: no committed file holds it.
    """
    kind, *words = key.split("|")
    try:
        return _KINDS[kind](words).replace("-", "−") if kind == "table" else _KINDS[kind](words)
    except (KeyError, ValueError) as error:
        raise error if isinstance(error, Missing) else Missing(f"'{key}' names no number.") from error


def filled(text: str) -> str:
    """Return a text whose ``{{ key }}`` are replaced by their numbers."""
    return re.sub(r"\{\{ (\w+\|[^}]*) \}\}", lambda found: resolve(found[1]), text)
