"""The vortex of a lens: how probable each is, the lens's and the source's other numbers giving way.

Given the vortex, those numbers are nearly normal: their best values follow it by steps with the derivatives of one
image. So what is left to explore has two dimensions, in which a posterior of several modes is easily weighed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from lenssr.limits.lenses import Lenses
from lenssr.limits.likelihood import moments
from lenssr.limits.mixture import reweighed
from lenssr.limits.prior import Prior
from lenssr.limits.smc import effective, resampled
from lenssr.limits.steps import bounded

__all__ = ["VORTEX", "Profile", "grid", "sampled", "with_vortex", "without"]

VORTEX = ("log10_axion_mass", "vortex_angle")  # a vortex's own numbers, the last of its prior

_GRID, _CLOSE = (16, 16), 9  # masses and angles where one is tried; vortices about each fit's
_JITTER = 0.01  # in the unit square
_PARTICLES, _ROUNDS, _WORTH = 96, 4, 0.2  # about which vortices are drawn; rounds; part of these that is enough
_FLAT = 16.0  # particles that the first round's are worth at least: as much as that, the grid's weights are flattened
_INSIDE = _TRIALS = 256  # draws that tell which part of a Gaussian lies within the bounds, or that seek one there
_FEWEST = 8.0  # draws that all of them are worth at least
_WIDER = 1.1  # the Gaussians that are drawn from, so that weights stay small


def grid(masses: int, angles: int) -> np.ndarray:
    """Return numbers of vortices in the unit square, mass and angle, (masses * angles, 2)."""
    mass, angle = ((np.arange(many) + 0.5) / many for many in (masses, angles))
    return np.stack([side.ravel() for side in np.meshgrid(mass, angle, indexing="ij")], axis=1)


def with_vortex(prior: Prior, smooth: np.ndarray, vortex: np.ndarray) -> np.ndarray:
    """Return a point of lenses with a vortex, the mass within whose Einstein radius is that of a smooth lens."""
    return _exchanged(prior, np.concatenate([smooth, vortex]), -1.0)


def without(prior: Prior, point: np.ndarray) -> np.ndarray:
    """Return the smooth lens with the same mass within the Einstein radius.

    Nearly the inverse of :func:`with_vortex`: the radius within which a long vortex counts moves with the mass.
    """
    return _exchanged(prior, point, 1.0)[: -len(VORTEX)]


def _exchanged(prior: Prior, point: np.ndarray, sign: float) -> np.ndarray:
    if "mass" not in prior.names:
        return point
    values = prior.columns(point[None])
    assert prior.axion is not None
    half = prior.axion["length_at_1e-22"] * 10.0 ** (-22.0 - values["log10_axion_mass"])
    mass = values["mass"] + sign * prior.axion["total_mass"] * np.minimum(1.0, values["theta_E"] / half)
    values["theta_E"] = values["theta_E"] * np.sqrt(np.maximum(mass, 0.0) / values["mass"])
    return np.where(np.array(prior.names) == "mass", np.clip(prior.places(values)[0], 0.0, 1.0), point)


@dataclass
class Node:
    """A vortex, and what of the others is known given it.

    Attributes:
        place: of all numbers, normal ones in standard deviations, within their bounds, (d,).
        mean: of the Gaussian of all but the vortex's, which bounds cut, (d - 2,).
        weight: logarithm of the posterior's integral over the others, but for a constant.
    """

    place: np.ndarray
    mean: np.ndarray
    weight: float


class Profile:
    """How probable vortices are.

    Args:
        lenses: with a vortex.
        smooth: the lens about which one is put, a point of the unit cube, (d - 2,).
        slopes: how the image rises with the others' numbers, in sigma, (d - 2, pixels).
        seen: flux rate in the camera's pixels, (H, W).
        time: of the exposure.
        steps: of the others' numbers.
    """

    def __init__(
        self, lenses: Lenses, smooth: np.ndarray, slopes: np.ndarray, seen: Tensor, time: float, steps: int
    ) -> None:
        assert lenses.prior.names[-len(VORTEX) :] == list(VORTEX)
        self.lenses, self.smooth, self.slopes, self.seen, self.time = lenses, smooth, slopes, seen, time
        self.steps, self.nodes = steps, dict[tuple[float, ...], Node]()
        self.size, normal = len(smooth), lenses.prior.normal[: len(smooth)]
        self.held = normal.astype(float)
        self.low, self.high = (bound[: self.size] for bound in lenses.prior.bounds())
        self.information = slopes @ slopes.T + np.diag(self.held + 1e-9)
        self.factor = np.linalg.cholesky(np.linalg.inv(self.information))
        self._normal = np.random.default_rng(0).normal(size=(_INSIDE, self.size))

    def __call__(self, vortices: np.ndarray) -> np.ndarray:
        """Return the logarithm of the posterior of vortices (n, 2), but for a constant, (n,)."""
        prior, count = self.lenses.prior, len(vortices)
        places = prior.unwalled(np.stack([with_vortex(prior, self.smooth, vortex) for vortex in vortices]))
        best, values, ascent = places.copy(), np.full(count, -np.inf), np.zeros((count, self.size))
        rows = np.arange(count)
        for _ in range(self.steps + 1):
            value, slope = self._at(places[rows])
            risen = value > values[rows]
            rows, value, slope = rows[risen], value[risen], slope[risen]
            best[rows], values[rows], ascent[rows] = places[rows], value, slope
            for row, rise in zip(rows, slope, strict=True):
                own = places[row, : self.size]
                places[row, : self.size] = bounded(self.information, rise, own, self.low, self.high)
            if not len(rows):
                break
        means = best[:, : self.size] + np.linalg.solve(self.information, ascent.T).T
        peaks = values + 0.5 * (ascent * (means - best[:, : self.size])).sum(1)
        inside = self._inside(means)
        # far outside the bounds no draw tells the part within them: the height at the bound stands for the integral
        weights = np.where(inside > 0, peaks + np.log(np.maximum(inside, 1 / _INSIDE)), values)
        for vortex, *node in zip(vortices, best, means, weights, strict=True):
            self.nodes[tuple(vortex)] = Node(*node)
        return weights

    def values(self, places: np.ndarray) -> np.ndarray:
        """Return the logarithm of the posterior at places (n, d), -inf outside the bounds, (n,)."""
        lenses, own = self.lenses, places[:, : self.size]
        found = lenses.log_likelihood(lenses.prior.walled(places), self.seen, self.time)
        return np.where(self.within(own).all(-1), found + lenses.prior.log_normal(places), -np.inf)

    def within(self, others: np.ndarray) -> np.ndarray:
        """Return which of the others' numbers lie within their bounds, bool, as ``others``."""
        return (others >= self.low) & (others <= self.high)

    def _at(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the logarithm of the posterior at places, and its slope along the others' numbers."""
        lenses = self.lenses
        flux = lenses.binned(lenses.prior.walled(places))
        mean, variance = moments(flux, self.time, lenses.detector)
        left = ((self.seen - mean) / variance.sqrt()).flatten(1).double().numpy()
        value = lenses.of_flux(flux, self.seen, self.time) + lenses.prior.log_normal(places)
        return value, left @ self.slopes.T - self.held * places[:, : self.size]

    def _inside(self, means: np.ndarray) -> np.ndarray:
        """Return which part of each Gaussian lies within the bounds."""
        about = self._normal @ self.factor.T
        return np.array([self.within(mean + about).all(1).mean() for mean in means])


def sampled(profile: Profile, modes: np.ndarray, nodes: int, draws: int, rng: np.random.Generator) -> np.ndarray | None:
    """Return draws from the posterior of a lens with a vortex, normal coordinates in standard deviations, (n, d).

    None where too few draws would carry all weight.

    Vortices are drawn about those of a grid and of fits, by weight, and weighed anew; some rounds where they are
    weighed unevenly.

    Args:
        profile: about a good fit.
        modes: vortices of fits, (m, 2).
        nodes: vortices of each round that weighs them.
        draws: n.
        rng: makes the draws.
    """
    around, close = np.array([False, True]), np.repeat(modes, _CLOSE, axis=0)
    points = _square(np.concatenate([grid(*_GRID), close + _JITTER * rng.normal(size=close.shape)]), around)
    weight = profile(points)
    for _ in range(_ROUNDS):
        particles = points[resampled(_flattened(weight), _PARTICLES, rng)]
        particles = _square(particles + _JITTER * rng.normal(size=particles.shape), around)
        points, _, weight = reweighed(profile, particles, rng, nodes, around)
        if effective(weight) > _WORTH * nodes:
            break
    return _weighed(profile, points[resampled(weight, draws, rng)], rng)


def _square(points: np.ndarray, around: np.ndarray) -> np.ndarray:
    return np.where(around, points % 1, np.clip(points, 1e-6, 1 - 1e-6))


def _flattened(weight: np.ndarray) -> np.ndarray:
    """Return weights' logarithms, lessened until they are worth some particles."""
    while effective(weight) < min(_FLAT, 0.9 * np.isfinite(weight).sum()):
        weight = 0.8 * weight
    return weight


def _weighed(profile: Profile, vortices: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """Return draws of all numbers, given vortices drawn by weight: of the Gaussians, and again by the posterior."""
    nodes = [profile.nodes[tuple(vortex)] for vortex in vortices]
    drawn = [_others(profile, node.mean, rng) for node in nodes]
    places = np.concatenate([np.stack([others for others, _ in drawn]), vortices], axis=1)
    density = np.array([node.weight for node in nodes]) + np.array([one for _, one in drawn])
    weight = profile.values(places) - density
    return places[resampled(weight, len(places), rng)] if effective(weight) >= _FEWEST else None


def _others(profile: Profile, mean: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Return a draw of the others' numbers within their bounds, and its density's logarithm but for a constant."""
    normal = rng.normal(size=(_TRIALS, len(mean)))
    tried = mean + _WIDER * normal @ profile.factor.T
    inside = profile.within(tried).all(1)
    first = int(inside.argmax())
    share = max(float(inside.mean()), 0.5 / _TRIALS)
    return tried[first], -0.5 * float(np.square(normal[first]).sum()) - np.log(share)
