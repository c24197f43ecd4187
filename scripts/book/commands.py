"""Reference of the commands: what each answers to --help."""

from __future__ import annotations

import importlib
import io
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from unittest.mock import patch

__all__ = ["help_of", "page"]

EXTRA = {
    "limits": ("lenssr.commands.doors", "limits", "are the posteriors behind a limit right?"),
    "workspace": ("lenssr.results.workspace", "main", "save a workspace of W&B for a sweep"),
}


def help_of(name: str, module: str, function: str) -> str:
    """Return what ``lenssr-<name> --help`` prints, 100 columns wide."""
    said = io.StringIO()
    words = [f"lenssr-{name}", "--help"]
    plain = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    with patch.object(sys, "argv", words), patch.dict(os.environ, plain), redirect_stdout(said), redirect_stderr(said):
        try:
            getattr(importlib.import_module(module), function)()
        except SystemExit as stop:
            if stop.code:
                raise RuntimeError(f"lenssr-{name} --help ended with {stop.code}: {said.getvalue()}") from stop
    return said.getvalue().strip()


def page() -> str:
    """Return the page of all commands."""
    from lenssr.commands.main import COMMANDS

    out = [
        "# Commands", "",
        "Each is `lenssr <name>` or `lenssr-<name>`, and in a checkout `python scripts/<name>.py` (`find`: "
        "`scripts/find_lenses.py`); the first is also `python train.py`. This page is made of what they answer to "
        "`--help`.", "",
    ]  # fmt: skip
    for name, (module, function, what) in {**COMMANDS, **EXTRA}.items():
        out += [f"## {name}", "", f"{what[0].upper()}{what[1:]}.", "", "```text", help_of(name, module, function)]
        out += ["```", ""]
    return "\n".join(out)
