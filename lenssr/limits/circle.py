"""Differences of coordinates of which some come round a circle."""

from __future__ import annotations

import numpy as np

__all__ = ["shorter"]


def shorter(away: np.ndarray, periodic: np.ndarray) -> np.ndarray:
    """Return differences (..., d) of which those on a circle of length 1, bool (d,), are taken the shorter way."""
    return np.where(periodic, (away + 0.5) % 1 - 0.5, away)
