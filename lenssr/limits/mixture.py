"""Draws of a posterior weighed anew: a mixture about particles that follow it, and what each of its draws is worth.

Particles that were resampled step by step hold the posterior's modes in shares that drifted, and are a little too
close together. Importance sampling mends both: draws of a mixture of Student distributions, one about each particle
and as wide as its neighbourhood, weighed by the posterior over the mixture's density (population Monte Carlo, Cappe
et al. 2004, doi:10.1198/106186004X12803).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from lenssr.limits.circle import shorter

__all__ = ["Mixture", "reweighed"]

_NEAR = (2, 4)  # a neighbourhood's covariance is of twice as many particles as dimensions, and some more: of many more
# it would be as wide as two modes are apart
_FREEDOM = 5  # degrees, of the Student distributions: their tails are wider than the posterior's


@dataclass(frozen=True)
class Mixture:
    """Student distributions of equal shares, one about each of several points of the unit cube.

    Attributes:
        points: the middles, (N, d).
        periodic: coordinates whose 0 and 1 are the same, bool (d,).
    """

    points: np.ndarray
    periodic: np.ndarray

    def apart(self, points: np.ndarray) -> np.ndarray:
        """Return points (n, d) less the middles, periodic coordinates the shorter way, (n, N, d)."""
        return shorter(points[:, None] - self.points, self.periodic)

    @cached_property
    def factors(self) -> np.ndarray:
        """The Cholesky factor of each middle's covariance: its nearest neighbours', (N, d, d)."""
        away, size = self.apart(self.points), self.points.shape[1]
        count = min(_NEAR[0] * size + _NEAR[1], len(self.points))
        distance = np.square(away / np.sqrt(np.square(away).mean((0, 1)) + 1e-24)).sum(-1)
        near = np.argsort(distance, axis=0)[:count].T
        about = np.take_along_axis(away.swapaxes(0, 1), near[:, :, None], axis=1)
        about -= about.mean(1, keepdims=True)
        covariance = np.einsum("nki,nkj->nij", about, about) / max(count - 1, 1)
        ridge = 1e-6 * np.einsum("nii->ni", covariance) + 1e-24
        return np.linalg.cholesky(covariance + ridge[:, :, None] * np.eye(size))

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Return draws, (count, d), some of them outside the cube."""
        normal = rng.normal(size=(count, self.points.shape[1]))
        tail = np.sqrt(rng.chisquare(_FREEDOM, size=(count, 1)) / _FREEDOM)
        chosen = rng.integers(len(self.points), size=count)
        found = self.points[chosen] + np.einsum("nij,nj->ni", self.factors[chosen], normal / tail)
        return np.where(self.periodic, found % 1, found)

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """Return the logarithm of the mixture's density at points (n, d), (n,); what came round a circle counted."""
        from scipy.special import gammaln, logsumexp

        inverse, size = np.linalg.inv(self.factors), self.points.shape[1]
        volume = np.log(np.einsum("kii->ki", inverse)).sum(-1)
        norm = gammaln((_FREEDOM + size) / 2) - gammaln(_FREEDOM / 2) - size / 2 * np.log(_FREEDOM * np.pi)
        away, rounds = self.apart(points), []
        for turn in product(*[(-1.0, 0.0, 1.0) if around else (0.0,) for around in self.periodic]):
            square = np.square(np.einsum("kij,nkj->nki", inverse, away + np.array(turn))).sum(-1)
            rounds.append(norm + volume - (_FREEDOM + size) / 2 * np.log1p(square / _FREEDOM))
        return np.asarray(logsumexp(np.concatenate(rounds, axis=1), axis=1) - np.log(len(self.points)))


def reweighed(
    log_likelihood: Callable[[np.ndarray], np.ndarray],
    particles: np.ndarray,
    rng: np.random.Generator,
    count: int,
    periodic: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return draws about particles, how likely each is and what it weighs.

    Args:
        log_likelihood: maps coordinates (n, d) to (n,); the prior is uniform in the unit cube.
        particles: that follow the posterior, (N, d).
        rng: makes the draws.
        count: of the draws, M.
        periodic: coordinates whose 0 and 1 are the same, bool (d,).

    Returns:
        Points (M, d); log-likelihoods (M,), -inf outside the cube; logarithms of the weights (M,), whose mean weight
        is the evidence.
    """
    mixture = Mixture(np.unique(particles, axis=0), periodic)
    points = mixture.draw(count, rng)
    inside, values = ((points >= 0) & (points <= 1)).all(1), np.full(count, -np.inf)
    if inside.any():
        values[inside] = log_likelihood(points[inside])
    return points, values, values - mixture.log_density(points)
