"""Sequential Monte Carlo on the unit cube: from draws of the prior to draws of the posterior, by annealing.

The likelihood's power rises from 0 to 1 in steps that keep half of the sample effective (Del Moral et al. 2006,
doi:10.1111/j.1467-9868.2006.00553.x); between steps the particles move along differences of others (ter Braak 2006,
doi:10.1007/s11222-006-8769-1), which follow the posterior's shape and lead from one of its modes to another. At
last the particles are drawn again from a mixture about them, by weight (:mod:`lenssr.limits.mixture`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lenssr.limits.circle import shorter
from lenssr.limits.mixture import reweighed

__all__ = ["Sample", "anneal", "effective", "resampled"]

_EFFECTIVE = 0.5  # of the sample, after each step
_JITTER = 1e-2  # of the spread of a coordinate, added to every move
_LEAP = 0.1  # of the moves go the whole difference of two particles, from mode to mode
_BEST = 0.3  # acceptance that the moves' length aims at
_ROUNDS, _FEWEST = 4, 0.25  # of drawing anew; draws' worth below which none is, over the particles


@dataclass(frozen=True)
class Sample:
    """Draws from a posterior.

    Attributes:
        points: (N, d), coordinates in the unit cube.
        log_likelihood: of each, (N,).
        log_evidence: logarithm of the likelihood's mean over the prior.
        evaluations: of the likelihood.
    """

    points: np.ndarray
    log_likelihood: np.ndarray
    log_evidence: float
    evaluations: int


def anneal(
    log_likelihood: Callable[[np.ndarray], np.ndarray],
    points: np.ndarray,
    values: np.ndarray,
    rng: np.random.Generator,
    particles: int = 128,
    moves: int = 2,
    last: int = 6,
    periodic: np.ndarray | None = None,
    proposals: int = 0,
) -> Sample:
    """Draw from a posterior whose prior is uniform in the unit cube.

    Args:
        log_likelihood: maps coordinates (n, d) to (n,).
        points: draws of the prior to begin with, (M, d); M of several times ``particles`` saves the first steps.
        values: their log-likelihoods, (M,).
        rng: makes the draws.
        particles: N, even.
        moves: of every particle after each step.
        last: moves at the end.
        periodic: coordinates whose 0 and 1 are the same, bool (d,).
        proposals: draws of the mixture from which the particles are drawn at last; 0: they stay where they moved.
    """
    periodic = np.zeros(points.shape[1], bool) if periodic is None else periodic
    power, evidence, count, length = 0.0, 0.0, 0, 1.0
    while power < 1:
        step = _step(values, 1 - power, min(_EFFECTIVE, particles / len(values)))
        weight = step * values
        evidence += _log_mean(weight)
        power = 1.0 if step >= 1 - power else power + step
        chosen = resampled(weight, particles, rng)
        points, values = points[chosen], values[chosen]
        for _ in range(moves if power < 1 else last):
            points, values, accepted = _moved(log_likelihood, points, values, power, rng, periodic, length)
            length = float(np.clip(length * np.exp(accepted - _BEST), 0.1, 2.0))
            count += len(points)
    sample = Sample(points, values, evidence, count)
    return _drawn_again(log_likelihood, sample, rng, proposals, periodic) if proposals else sample


def _drawn_again(
    log_likelihood: Callable[[np.ndarray], np.ndarray],
    sample: Sample,
    rng: np.random.Generator,
    proposals: int,
    periodic: np.ndarray,
) -> Sample:
    """Draw the particles anew, by weight, from a mixture about them; some rounds where a mixture fits badly.

    Where none fits, or fewer particles differ than span the space, they stay as they are.
    """
    size, count = sample.points.shape[0], sample.evaluations
    best = _FEWEST * size
    for _ in range(_ROUNDS):
        if len(np.unique(sample.points, axis=0)) <= 2 * sample.points.shape[1]:
            break
        points, values, weight = reweighed(log_likelihood, sample.points, rng, proposals, periodic)
        count += int(np.isfinite(values).sum())
        if not effective(weight) > best:
            break
        best, chosen = effective(weight), resampled(weight, size, rng)
        sample = Sample(points[chosen], values[chosen], _log_mean(weight), count)
        if best >= size:
            break
    return replace(sample, evaluations=count)


def _step(values: np.ndarray, most: float, least: float) -> float:
    """Return the rise of the power, at most ``most``, that leaves a part of the sample effective, ``least``."""

    def left(step: float) -> float:
        return effective(step * values) / len(values)

    if left(most) >= least:
        return most
    low, high = 0.0, most
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if left(middle) >= least else (low, middle)
    return max(low, 1e-12 * most)


def effective(weight: np.ndarray) -> float:
    """Return how many draws of equal weight are worth as much as draws whose weights' logarithms these are."""
    if not np.isfinite(weight).any():
        return 0.0
    share = np.exp(weight - weight.max())
    return float(share.sum() ** 2 / np.square(share).sum())


def _log_mean(weight: np.ndarray) -> float:
    top = weight.max()
    return float(top + np.log(np.exp(weight - top).mean()))


def resampled(weight: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return the numbers of ``count`` particles by systematic resampling."""
    share = np.exp(weight - weight.max())
    edges = np.cumsum(share / share.sum())
    return np.minimum(np.searchsorted(edges, (np.arange(count) + rng.uniform()) / count), len(weight) - 1)


def _moved(
    log_likelihood: Callable[[np.ndarray], np.ndarray],
    points: np.ndarray,
    values: np.ndarray,
    power: float,
    rng: np.random.Generator,
    periodic: np.ndarray,
    length: float,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Move each half of the particles along differences of the other half; return how many moved, too."""
    points, values, accepted = points.copy(), values.copy(), 0
    halves = np.array_split(rng.permutation(len(points)), 2)
    for mine, others in (halves, halves[::-1]):
        proposed = _proposed(points[mine], points[others], rng, periodic, length)
        found = log_likelihood(proposed)
        better = np.log(rng.uniform(size=len(mine))) < power * (found - values[mine])
        points[mine[better]], values[mine[better]] = proposed[better], found[better]
        accepted += int(better.sum())
    return points, values, accepted / len(points)


def _proposed(
    mine: np.ndarray, others: np.ndarray, rng: np.random.Generator, periodic: np.ndarray, length: float
) -> np.ndarray:
    count, size = mine.shape
    first = rng.integers(len(others), size=count)
    second = (first + rng.integers(1, len(others), size=count)) % len(others)
    difference = shorter(others[first] - others[second], periodic)
    factor = np.where(rng.uniform(size=count) < _LEAP, 1.0, length * 2.38 / np.sqrt(2 * size))
    spread = np.abs(difference).mean(0)
    new = mine + factor[:, None] * difference + _JITTER * spread * rng.normal(size=mine.shape)
    folded = np.abs((new + 1) % 2 - 1)  # a wall reflects: the proposal stays symmetric
    return np.where(periodic, new % 1, folded)
