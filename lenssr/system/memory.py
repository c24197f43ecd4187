"""A GPU whose memory is full."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lenssr.errors import RunError

__all__ = ["memory_errors"]


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
