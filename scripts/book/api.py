"""Reference of the Python API: a page a room, filled by mkdocstrings from the docstrings."""

from __future__ import annotations

from pathlib import Path

from committed import ROOT

__all__ = ["pages"]

PACKAGE = ROOT / "lenssr"
ABOUT = "The Python API of each room, from its docstrings. Shapes are as (B, 1, H, W): batch, channel, rows, columns."


def _about(path: Path) -> str:
    first = path.read_text().split('"""')
    return first[1].strip().splitlines()[0] if len(first) > 1 else ""


def pages() -> dict[str, str]:
    """Return the pages by their place on the site."""
    found: dict[str, str] = {}
    rooms = sorted({path.parent for path in PACKAGE.rglob("*.py") if "_plugins" not in path.parts})
    index = ["# Python API", "", ABOUT, "", "| room | |", "| --- | --- |"]
    for room in rooms:
        name = ".".join(["lenssr", *room.relative_to(PACKAGE).parts])
        modules = sorted(path for path in room.glob("*.py") if path.stem != "__init__")
        if not modules:
            continue
        page = f"{name.replace('.', '-')}.md"
        body = [f"# `{name}`", "", _about(room / "__init__.py"), ""]
        for path in modules:
            body += [f"::: {name}.{path.stem}", ""]
        found[f"reference/api/{page}"] = "\n".join(body)
        index.append(f"| [`{name}`](api/{page}) | {_about(room / '__init__.py')} |")
    found["reference/api.md"] = "\n".join(index) + "\n" + OPEN
    return found


OPEN = """
## What `import lenssr` gives

| name | what it is |
| --- | --- |
| `lenssr.open` | [a data set as arrays](api/lenssr-results.md#lenssr.results.look.open_set) |
| `lenssr.load_run` | [the network of a run](api/lenssr-runs.md#lenssr.runs.load.load_run) |
| `lenssr.load` | [a shared model](api/lenssr-sharing.md#lenssr.sharing.load.load) |
| `lenssr.upscale` | [images upscaled](api/lenssr-inference.md#lenssr.inference.upscale.upscale) |
"""
