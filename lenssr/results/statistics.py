"""Is one model better than another? Error bars over seeds, tests over images.

Images are the unit: an image's score is averaged over the seeds first, so seeds are not counted as further images.
A difference counts only if it is significant over the images *and* larger than the seeds' own spread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Comparison", "compare", "holm", "recovered", "verdict"]


@dataclass(frozen=True)
class Comparison:
    """The difference of two models' scores on the same images.

    Attributes:
        difference: mean over images of (one - other), each averaged over its seeds.
        low: lower end of the 95 % interval of the difference, by bootstrap over the images.
        high: upper end.
        p: of the Wilcoxon signed-rank test over the images, two-sided.
        spread: standard deviation over seeds of one and of the other's mean score, added in quadrature.
    """

    difference: float
    low: float
    high: float
    p: float
    spread: float


def compare(one: ArrayLike, other: ArrayLike, resamples: int = 2000, seed: int = 0) -> Comparison:
    """Compare two models on the same images.

    Args:
        one: scores (seeds, images).
        other: scores (seeds, images); the numbers of seeds may differ.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        ValueError: the images are not as many in one as in the other.
    """
    from scipy.stats import wilcoxon

    a, b = np.atleast_2d(np.asarray(one, float)), np.atleast_2d(np.asarray(other, float))
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"{a.shape[1]} images cannot be paired with {b.shape[1]}")
    difference = a.mean(0) - b.mean(0)
    means = [difference[chosen].mean() for chosen in _resampled(len(difference), resamples, seed)]
    low, high = np.quantile(means, (0.025, 0.975))
    p = 1.0 if not np.any(difference) else float(wilcoxon(difference).pvalue)
    spread = float(np.hypot(_seed_spread(a), _seed_spread(b)))
    return Comparison(float(difference.mean()), float(low), float(high), p, spread)


def _resampled(count: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        yield rng.integers(0, count, count)


def recovered(
    one: ArrayLike, start: ArrayLike, end: ArrayLike, resamples: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """Return which fraction of the way from one model's score to another's a third one goes, and its 95 % interval.

    The interval is that of a bootstrap over the images and over the seeds of each model, so that it holds both what
    the test images and what the trainings leave open.

    Args:
        one: scores (seeds, images).
        start: likewise, where the fraction is 0.
        end: likewise, where it is 1.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    scores = [np.atleast_2d(np.asarray(values, float)) for values in (one, start, end)]
    rng = np.random.default_rng(seed + 1)

    def fraction(a: float, b: float, c: float) -> float:
        return (a - b) / (c - b) if c != b else float("nan")

    draws = []
    for images in _resampled(scores[0].shape[1], resamples, seed):
        means = [s[rng.integers(0, len(s), len(s))][:, images].mean() for s in scores]
        draws.append(fraction(*means))
    low, high = np.nanquantile(draws, (0.025, 0.975))
    return fraction(*(float(s.mean()) for s in scores)), float(low), float(high)


def _seed_spread(scores: NDArray[np.float64]) -> float:
    return float(scores.mean(1).std(ddof=1)) if len(scores) > 1 else 0.0


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p-values adjusted for being several (Holm 1979): compare them with the level of a single test."""
    p = np.asarray(p_values, float)
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = running
    return adjusted


def verdict(comparison: Comparison, adjusted_p: float, higher_is_better: bool, level: float = 0.05) -> str:
    """Return ``better``, ``worse`` or ``tie`` of the first model against the second."""
    within = comparison.low <= 0 <= comparison.high  # the rank test and the mean must agree
    if adjusted_p >= level or within or abs(comparison.difference) <= comparison.spread:
        return "tie"
    return "better" if (comparison.difference > 0) is higher_is_better else "worse"
