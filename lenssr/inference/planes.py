"""Planes of pixels: in memory where they are small, on disk where they are not, and worked on by strips of rows."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["empty", "forget", "strips"]

_LARGE = 1 << 24  # pixels that a plane holds in memory at most
_STRIP = 1 << 20  # pixels of the finer grid that are worked on at once


def empty(shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    """Return a plane (H, W) to be filled; of a large one the pixels lie in a temporary file."""
    if shape[0] * shape[1] <= _LARGE:
        return np.empty(shape, dtype)
    return np.memmap(tempfile.TemporaryFile(), dtype, "w+", shape=(shape[0], shape[1]))


def forget(*planes: np.ndarray | None) -> None:
    """Let go of the memory of pixels that lie on disk; they are read again where they are needed."""
    for plane in planes:
        pages = getattr(plane, "_mmap", None)
        if pages is not None:
            pages.flush()
            pages.madvise(mmap.MADV_DONTNEED)


def strips(shape: tuple[int, ...], scale: int = 1) -> Iterator[slice]:
    """Yield slices of rows of (H, W), top to bottom, each of a bounded number of pixels on a grid ``scale`` finer."""
    height, width = shape[:2]
    rows = max(16, _STRIP // (width * scale**2))
    for top in range(0, height, rows):
        yield slice(top, min(height, top + rows))
