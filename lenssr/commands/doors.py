"""Commands whose work begins with torch: a wrong run is named before that is imported."""

from __future__ import annotations

import importlib
import sys

from lenssr.runs.find import find
from lenssr.system.commands import command

__all__ = ["find_lenses", "limits", "memory", "shift", "trust", "upscale"]


def upscale() -> None:
    """The door of :mod:`lenssr.inference.main`."""
    _opened("lenssr.inference.main")


def find_lenses() -> None:
    """The door of :mod:`lenssr.inference.find`."""
    _opened("lenssr.inference.find")


def memory() -> None:
    """The door of :mod:`lenssr.results.memory`."""
    _opened("lenssr.results.memory")


def limits() -> None:
    """The door of :mod:`lenssr.results.limits`."""
    _opened("lenssr.results.limits")


def shift() -> None:
    """The door of :mod:`lenssr.commands.shift`."""
    _opened("lenssr.commands.shift")


def trust() -> None:
    """The door of :mod:`lenssr.results.trust.report`."""
    _opened("lenssr.results.trust.report")


def _opened(module: str) -> None:
    """Put the folder of the run that the first word names into its place, then do the work."""
    if len(sys.argv) > 1 and not sys.argv[1].startswith(("-", "@")):

        def resolve() -> None:
            sys.argv[1] = str(find(sys.argv[1]))

        command(resolve)
    importlib.import_module(module).main()
