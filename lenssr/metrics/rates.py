"""Intervals of a share: of a number of tries, some succeeded."""

from __future__ import annotations

__all__ = ["clopper_pearson"]


def clopper_pearson(hits: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a share (Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404).

    Args:
        hits: that succeeded.
        count: of tries, 1 or more.
        level: of the interval.
    """
    from scipy.stats import binomtest

    found = binomtest(hits, count).proportion_ci(level, method="exact")
    return float(found.low), float(found.high)
