"""Is one model better than another? The unit is the training, for another seed is another network.

Scores are those of S trainings on the same I test images. Images tell how well a network does on this set; only
trainings tell whether the next one would do so too. So a difference is judged by the spread of its trainings, paired
where two models share their seeds (and with them data and order), by Welch's test otherwise. What the choice of test
images adds is added to the variance, never to the degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["LEVEL", "POWER", "Comparison", "compare", "detectable", "difference_from", "holm", "recovered", "verdict"]

LEVEL, POWER = 0.05, 0.8


@dataclass(frozen=True)
class Comparison:
    """The difference of two models' scores.

    Attributes:
        difference: mean over trainings and images of (one - other).
        low: lower end of its 95 % interval.
        high: upper end.
        p: of Student's test that there is none, two-sided.
        error: standard error of the difference.
        freedom: degrees of freedom.
        paired: whether trainings were paired by their seeds.
    """

    difference: float
    low: float
    high: float
    p: float
    error: float
    freedom: float
    paired: bool


def compare(one: ArrayLike, other: ArrayLike, paired: bool = True) -> Comparison:
    """Compare two models on the same images.

    A model with one row of scores is taken for one in which nothing is random, as interpolation is.

    Args:
        one: scores (seeds, images).
        other: scores (seeds, images); the numbers of seeds may differ.
        paired: whether row k of one and of the other are trainings with the same seed; ignored where numbers differ.

    Raises:
        ValueError: the images are not as many in one as in the other.
    """
    a, b = np.atleast_2d(np.asarray(one, float)), np.atleast_2d(np.asarray(other, float))
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"{a.shape[1]} images cannot be paired with {b.shape[1]}")
    paired = paired and len(a) == len(b) > 1
    by_image = a.mean(0) - b.mean(0)
    images = _variance_of_mean(by_image)
    if paired:
        trainings, freedom = _variance_of_mean((a - b).mean(1)), float(len(a) - 1)
    else:
        trainings, freedom = _welch(a.mean(1), b.mean(1))
    if freedom == 0:  # nothing random in either
        freedom = float(max(1, len(by_image) - 1))
    return _judged(float(by_image.mean()), (trainings + images) ** 0.5, freedom, paired)


def difference_from(values: ArrayLike, number: float, more: float = 0.0) -> Comparison:
    """Compare a model's scores with a published number, which is of a single training.

    The published number scatters as one of ours, so the variance is that of one training and of our mean.

    Args:
        values: mean score of each training (S,).
        number: to compare with.
        more: variance that the choice of test images adds, to the mean of each.
    """
    x = np.atleast_1d(np.asarray(values, float))
    spread = float(x.var(ddof=1)) if len(x) > 1 else 0.0
    variance = spread * (1 + 1 / len(x)) + 2 * more
    return _judged(float(x.mean() - number), variance**0.5, float(max(1, len(x) - 1)), False)


def _judged(difference: float, error: float, freedom: float, paired: bool) -> Comparison:
    from scipy.stats import t

    if error == 0:
        same = float(difference == 0)
        return Comparison(difference, difference, difference, same, 0.0, freedom, paired)
    half = float(t.ppf(1 - LEVEL / 2, freedom)) * error
    p = float(2 * t.sf(abs(difference) / error, freedom))
    return Comparison(difference, difference - half, difference + half, p, error, freedom, paired)


def _variance_of_mean(x: NDArray[np.float64]) -> float:
    return float(x.var(ddof=1) / len(x)) if len(x) > 1 else 0.0


def _welch(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float]:
    """Return the variance of the difference of two means and its degrees of freedom (Welch 1947); 0 if none varies."""
    parts = [(_variance_of_mean(x), len(x) - 1) for x in (a, b) if len(x) > 1]
    total = sum(v for v, _ in parts)
    if total == 0:
        return 0.0, float(min((n for _, n in parts), default=0))
    return total, total**2 / sum(v**2 / n for v, n in parts)


def detectable(comparison: Comparison, family: int = 1, level: float = LEVEL, power: float = POWER) -> float:
    """Return the smallest difference that trainings as many and as scattered would find with a power of 80 %.

    Args:
        comparison: whose standard error and degrees of freedom count.
        family: tests that are made together; the smallest p-value of a family has to be below ``level / family``.
        level: of the family.
        power: wanted.
    """
    from scipy.optimize import brentq
    from scipy.stats import nct, t

    if comparison.error == 0:
        return 0.0
    reach = float(t.ppf(1 - level / family / 2, comparison.freedom))

    def missing(shift: float) -> float:
        return power - float(nct.sf(reach, comparison.freedom, shift))

    high = reach + 2.0
    while missing(high) > 0:
        high *= 1.5
    return comparison.error * float(brentq(missing, 0.0, high))


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


def verdict(comparison: Comparison, adjusted_p: float, higher_is_better: bool, level: float = LEVEL) -> str:
    """Return ``better``, ``worse`` or ``tie`` of the first model against the second."""
    if adjusted_p >= level:
        return "tie"
    return "better" if (comparison.difference > 0) is higher_is_better else "worse"


def recovered(
    one: ArrayLike, start: ArrayLike, end: ArrayLike, resamples: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """Return which fraction of the way from one model's score to another's a third one goes, and its 95 % interval.

    The interval holds what the test images and what the trainings leave open: the variances of both, the images' by
    bootstrap, the seeds' propagated to the fraction, are added, and Student's t has the degrees of freedom of that sum
    (Welch 1947). A bootstrap over a few seeds would be too narrow by far. A model with one seed adds nothing.

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
        found.append(slope**2 * _variance_of_mean(s.mean(1)))
        freedom.append(max(1, len(s) - 1))
    total = sum(found)
    share = _fraction(*means)
    if not total:
        return share, share, share
    degrees = total**2 / sum(v**2 / n for v, n in zip(found, freedom, strict=True))
    half = float(t.ppf(1 - LEVEL / 2, degrees)) * total**0.5
    return share, share - half, share + half


def _fraction(a: Any, b: Any, c: Any) -> Any:
    return (a - b) / (c - b)


def _resampled(count: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        yield rng.integers(0, count, count)
