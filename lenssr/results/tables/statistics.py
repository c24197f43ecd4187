"""Is one model better than another? Error bars over seeds, tests over images.

Images are the unit: an image's score is averaged over the seeds first, so seeds are not counted as further images.
A difference counts only if it is significant over the images *and* larger than the seeds' own spread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

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

    The interval holds what the test images and what the trainings leave open: the variances of both, the images' by
    bootstrap, the seeds' propagated to the fraction, are added, and Student's t has the degrees of freedom of that sum
    (Welch 1947). A bootstrap over two or three seeds would be too narrow by far. A model with one seed adds nothing.

    Args:
        one: scores (seeds, images).
        start: likewise, where the fraction is 0.
        end: likewise, where it is 1.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    from scipy.stats import t

    scores = [np.atleast_2d(np.asarray(values, float)) for values in (one, start, end)]
    a, b, c = means = [float(s.mean()) for s in scores]
    if b == c:
        return float("nan"), float("nan"), float("nan")
    per_image = np.stack([s.mean(0) for s in scores])
    draws = np.array([per_image[:, images].mean(1) for images in _resampled(per_image.shape[1], resamples, seed)])
    found = [float(_fraction(*draws.T).var(ddof=1))]
    freedom = [per_image.shape[1] - 1]
    slopes = (1 / (c - b), (a - c) / (c - b) ** 2, (b - a) / (c - b) ** 2)  # of the fraction, by each mean
    for s, slope in zip(scores, slopes, strict=True):
        found.append(slope**2 * _seed_spread(s) ** 2 / len(s))
        freedom.append(max(1, len(s) - 1))
    total = sum(found)
    share = _fraction(*means)
    if not total:
        return share, share, share
    degrees = total**2 / sum(v**2 / n for v, n in zip(found, freedom, strict=True))
    half = float(t.ppf(0.975, degrees)) * total**0.5
    return share, share - half, share + half


def _fraction(a: Any, b: Any, c: Any) -> Any:
    return (a - b) / (c - b)


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
