"""Memory: a GPU's that is full, and what was freed and is still held."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lenssr.errors import RunError

__all__ = ["give_back", "memory_errors"]


@contextmanager
def memory_errors() -> Iterator[None]:
    """Name the mend where a GPU's memory does not suffice.

    Raises:
        RunError: it does not.
    """
    try:
        yield
    except RuntimeError as error:
        torch = sys.modules.get("torch")  # not imported where nothing can have filled it
        if torch is None or not isinstance(error, torch.OutOfMemoryError):
            raise
        raise RunError(
            "The GPU's memory is full. Lower loader.batch_size, loader.patch or loader.evaluation_batch_size, keep the "
            "images off it (loader.resident=false), or wait until what else runs there has ended."
        ) from error


def give_back() -> None:
    """Return freed memory to the system; glibc keeps it otherwise, in pieces between what is in use."""
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
