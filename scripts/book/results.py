"""Pages of the committed results: the tables as they are, their pictures, and where each number is from."""

from __future__ import annotations

import json
import re
from pathlib import Path

from committed import REPORT, ROOT

__all__ = ["pages"]

_MOVED = {"../../docs/": "../", "../README.md)": "../index.md)"}


def pages() -> dict[str, str | bytes]:
    """Return pages and pictures by their place on the site."""
    found: dict[str, str | bytes] = {"results/index.md": _index()}
    for path in sorted(REPORT.rglob("*")):
        place = f"results/{path.relative_to(REPORT).as_posix()}"
        if "records" in path.parts or path.name == "README.md":
            continue
        if path.suffix == ".md":
            found[place] = _page(path)
        elif path.suffix == ".png":
            found[place] = path.read_bytes()
        elif path.suffix == ".txt":
            found[place.replace(".txt", ".md")] = f"# {path.stem.capitalize()}\n\n```text\n{path.read_text()}```\n"
    return found


def _index() -> str:
    text = (REPORT / "README.md").read_text()
    for old, new in _MOVED.items():
        text = text.replace(f"]({old}", f"]({new}")
    contents = ["## All pages", ""]
    for size in sorted({path.parent.name for path in REPORT.glob("*/*.md")}):
        names = sorted(path.stem for path in (REPORT / size).glob("*.md"))
        contents.append(f"- `scale={size}`: " + ", ".join(f"[{name}]({size}/{name}.md)" for name in names))
    costs = sorted(path.stem for path in REPORT.glob("*_cost.md"))
    contents.append("- costs: " + ", ".join(f"[{name}]({name}.md)" for name in costs))
    others = sorted(REPORT.glob("*/*.txt"))
    contents += [f"- [{path.stem}]({path.parent.name}/{path.stem}.md)" for path in others]
    return text.replace("## What they say", "\n".join(contents) + "\n\n## What they say", 1)


def _page(path: Path) -> str:
    text = path.read_text()
    for old, new in _MOVED.items():
        text = text.replace(f"]({old}", f"]({new}")
    text = re.sub(r"\A#* ?(.*)", r"# \1", text)
    text = re.sub(r"^## (Residual|Content|Number)", r"## \1", text, flags=re.M)
    text = "\n".join(_wrapped(text.splitlines()))
    kept = path.with_name(f"{path.stem}_provenance.json")
    return text + ("\n" + _provenance(kept) if kept.is_file() else "")


def _wrapped(lines: list[str]) -> list[str]:
    """Return lines whose list of commands is folded away: it can be longer than the table."""
    out, inside = [], False
    for line in lines:
        if line.startswith("Missing: "):
            out += [f'??? note "{line}"', ""]
            inside = True
        elif inside and line.startswith("!["):
            inside = False
            out.append(line)
        else:
            out.append(f"    {line}" if inside and line else line)
    return out


def _provenance(path: Path) -> str:
    rows = [
        "## Where the numbers are from", "",
        f"`{path.relative_to(ROOT).as_posix()}` has versions and machines, too.", "",
        "| row | run | commit | command | training / s | test / s |", "| --- | --- | --- | --- | ---: | ---: |",
    ]  # fmt: skip
    for run in json.loads(path.read_text()):
        commit = (run.get("git") or {}).get("commit") or "–"
        seconds = run.get("seconds") or {}
        times = (f"{seconds[key]:.0f}" if seconds.get(key) is not None else "–" for key in ("train", "test"))
        command = " ".join(run.get("argv") or []).replace("|", "&#124;")
        shown = f"`{command}`" if command else "–"
        rows.append(f"| {run['row']} | `{run['run']}` | `{commit[:7]}` | {shown} | {' | '.join(times)} |")
    return "\n".join(rows) + "\n"
