"""The heavy imports of a command: torch, Lightning, and what they bring."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["heavy_imports"]


@contextmanager
def heavy_imports() -> Iterator[None]:
    """Import with the garbage collector at rest, and keep what is imported out of its later passes.

    Modules live as long as the process. Searching them for garbage, over and over while they load and once more when
    the process ends, takes a third of a short run's start and end. Nothing is done in a notebook or where torch is
    there already: then this is no command that starts, and what lies in memory is somebody's work.
    """
    theirs = "torch" in sys.modules or "IPython" in sys.modules or hasattr(sys, "ps1")
    if theirs or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()
