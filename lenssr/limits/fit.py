"""What a lens modeller does instead of super-resolution: fit the numbers that made the image, and draw it.

The posterior's maximum by scoring: steps along the Fisher information, damped as Levenberg and Marquardt do, from the
likeliest of many draws of the prior. Numbers of a normal distribution are fitted in its standard deviations and held
by it; the others are free between their bounds. Vortices are put on the smooth lens's fit (:mod:`.vortex`), and the
likeliest are fitted. Of the two classes the one with the better Bayesian information criterion stays (Schwarz 1978,
doi:10.1214/aos/1176344136).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from lenssr.limits.circle import shorter
from lenssr.limits.lenses import Lenses
from lenssr.limits.likelihood import moments
from lenssr.limits.prior import Prior
from lenssr.limits.steps import bounded
from lenssr.limits.vortex import VORTEX, Profile, grid, sampled, without

__all__ = ["VORTEX", "Fitted", "Fitter"]

# for derivatives, of the unit cube and of a standard deviation: longer than a ray by a point mass makes them steep
_STEP, _NORMAL_STEP = 3e-3, 3e-2
_MOST, _GAIN = 40, 0.01  # steps of a fit; log-probability that one must gain to go on
_DAMPED, _FACTOR = 1e-2, 6.0  # damping at first, and how it changes
_TRIED = (8, 12)  # masses and angles of the vortices that are put on a smooth fit
_GIVING, _GIVING_MORE = 2, 4  # steps of the others' numbers about a smooth fit, and about that of a vortex
_DRAWS = 512  # of a posterior
_NEIGHBOURS = np.array([0.13, 0.09])  # how near the vortices that begin two fits may not be, mass and angle


@dataclass(frozen=True)
class Fitted:
    """The best fit of one image.

    Attributes:
        point: in the unit cube of the class's prior, (d,).
        covariance: of the point, its normal coordinates in standard deviations (:meth:`.Prior.unwalled`): the inverse
            of the Fisher information and of what the prior adds to it, (d, d).
        log_likelihood: there, with the logarithm of the prior of the normal coordinates.
        name: the class.
        draws: of the posterior, its normal coordinates in standard deviations, (n, d); None: it is taken for Gaussian.
    """

    point: np.ndarray
    covariance: np.ndarray
    log_likelihood: float
    name: str
    draws: np.ndarray | None = None

    def pulls(self, fitted: Prior, columns: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Return how far each true number is from the fit's, in its standard deviations.

        Among draws: the standard deviations below which as large a part of a Gaussian lies. Of a vortex that was not
        seen, or is none, the numbers of lens and source alone.

        Args:
            fitted: the prior of the class that was fitted.
            columns: the true parameters, (1,) each; of no vortex the mass is NaN.
        """
        known = {key: value for key, value in columns.items() if np.isfinite(value).all()}
        true = fitted.places({name: known.get(name, np.zeros(1)) for name in ("theta_E", *fitted.names)})[0]
        away = self._away(fitted.unwalled(true), fitted)
        kept = set(fitted.names) - (set() if "log10_axion_mass" in known else set(VORTEX))
        return {name: float(pull) for name, pull in zip(fitted.names, away, strict=True) if name in kept}

    def _away(self, true: np.ndarray, fitted: Prior) -> np.ndarray:
        from scipy.special import ndtri

        middle = fitted.unwalled(self.point)
        if self.draws is None:
            return shorter(true - middle, fitted.periodic) / np.sqrt(np.diag(self.covariance))
        turns = np.exp(2j * np.pi * self.draws).sum(0)
        middle = np.where(fitted.periodic, np.angle(turns) / (2 * np.pi), middle)
        true, draws = (shorter(places - middle, fitted.periodic) for places in (true, self.draws))
        below = (draws < true).sum(0)
        return np.asarray(ndtri((below + 0.5) / (len(self.draws) + 1)))


class Fitter:
    """Fits the lenses of a set.

    Args:
        lenses: by class: ``no_sub``, and ``axion`` if vortices are tried.
        starts: fits of an image and a class.
        tried: the classes that a lens may be of.
        nodes: vortices of a round that weighs the modes of a vortex's posterior; 0: it is taken for Gaussian.
    """

    def __init__(
        self, lenses: dict[str, Lenses], starts: int, tried: Sequence[str] = ("no_sub", "axion"), nodes: int = 0
    ) -> None:
        self.lenses, self.starts, self.nodes = lenses, starts, nodes
        self.tried = [name for name in tried if name in lenses]

    @torch.inference_mode()
    def __call__(self, seen: Tensor, time: float, index: int = 0) -> Fitted:
        """Return the best fit to an exposure.

        Args:
            seen: flux rate in the camera's pixels, (H, W).
            time: of the exposure.
            index: of the image, which makes its draws its own.
        """
        starts = self.lenses["no_sub"].likeliest(seen, time, self.starts)
        smooth = max(self._fits("no_sub", starts, seen, time), key=_log_likelihood)
        found = {name: self._vortices(smooth, seen, time) if name == "axion" else [smooth] for name in self.tried}
        likeliest = [max(fits, key=_log_likelihood) for fits in found.values()]
        best = min(likeliest, key=lambda one: len(one.point) * np.log(seen.numel()) - 2 * one.log_likelihood)
        if best.name != "axion" or not self.nodes:
            return best
        return replace(best, draws=self._draws(best, found["axion"], seen, time, index))

    def _vortices(self, smooth: Fitted, seen: Tensor, time: float) -> list[Fitted]:
        """Return fits from the likeliest vortices on a smooth fit."""
        plain = self.lenses["no_sub"]
        slopes = _slopes(plain, plain.prior.unwalled(smooth.point), time)[2]
        profile = Profile(self.lenses["axion"], smooth.point, slopes, seen, time, _GIVING)
        return self._fits("axion", _apart(profile, self.starts), seen, time)

    def _draws(self, best: Fitted, fits: list[Fitted], seen: Tensor, time: float, index: int) -> np.ndarray | None:
        lenses = self.lenses["axion"]
        slopes = _slopes(lenses, lenses.prior.unwalled(best.point), time)[2][: -len(VORTEX)]
        profile = Profile(lenses, without(lenses.prior, best.point), slopes, seen, time, _GIVING_MORE)
        modes = np.stack([one.point[-len(VORTEX) :] for one in fits])
        return sampled(profile, modes, self.nodes, _DRAWS, np.random.default_rng([lenses.seed, 2, index]))

    def _fits(self, name: str, starts: np.ndarray, seen: Tensor, time: float) -> list[Fitted]:
        return [Fitted(*_scored(self.lenses[name], start, seen, time), name) for start in starts]


def _log_likelihood(fit: Fitted) -> float:
    return fit.log_likelihood


def _apart(profile: Profile, count: int) -> np.ndarray:
    """Return the likeliest lenses with a vortex of a grid, no two of them neighbours, (count, d)."""
    places = grid(*_TRIED)
    order = places[np.argsort(-profile(places))]
    chosen: list[np.ndarray] = []
    around = profile.lenses.prior.periodic[-len(VORTEX) :]
    for vortex in order:
        away = shorter(vortex - np.reshape(chosen, (-1, len(VORTEX))), around)
        if (np.abs(away) > _NEIGHBOURS).any(1).all():
            chosen.append(vortex)
        if len(chosen) == count:
            break
    return np.stack([profile.lenses.prior.walled(profile.nodes[tuple(vortex)].place) for vortex in chosen])


def _scored(lenses: Lenses, start: np.ndarray, seen: Tensor, time: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the posterior's maximum near a point, its covariance and the log-probability there."""
    prior = lenses.prior

    def probable(place: np.ndarray) -> float:
        found = float(lenses.log_likelihood(prior.walled(place)[None], seen, time)[0])
        return found + float(prior.log_normal(place))

    place, damping = prior.unwalled(start), _DAMPED
    low, high = prior.bounds()
    value = probable(place)
    slope, information = _derivatives(lenses, place, seen, time)
    for _ in range(_MOST):
        damped = information + damping * np.diag(np.diag(information) + 1e-9)
        new = bounded(damped, slope, place, low, high)
        new = np.where(prior.periodic, new % 1, new)
        found = probable(new)
        if found <= value:
            damping *= _FACTOR
            if damping > 1e4:
                break
            continue
        gain, place, value, damping = found - value, new, found, damping / _FACTOR
        slope, information = _derivatives(lenses, place, seen, time)
        if gain < _GAIN:
            break
    return prior.walled(place), np.linalg.pinv(information), value


def _derivatives(lenses: Lenses, place: np.ndarray, seen: Tensor, time: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the slope of the log-probability, (d,), and its curvature, (d, d): counts are about as Gaussian."""
    above, below, slopes = _slopes(lenses, place, time)
    normal = lenses.prior.normal
    slope = (lenses.of_flux(above, seen, time) - lenses.of_flux(below, seen, time)) / (2 * _lengths(lenses.prior))
    return slope - np.where(normal, place, 0.0), slopes @ slopes.T + np.diag(normal.astype(float))


def _slopes(lenses: Lenses, place: np.ndarray, time: float) -> tuple[Tensor, Tensor, np.ndarray]:
    """Return fluxes (d, H, W) a step above and below a place, and how the image rises, in sigma, (d, pixels)."""
    # beyond the cube's walls too: bounds are no more than where numbers come from
    length = _lengths(lenses.prior)
    above, below = (lenses.binned(lenses.prior.walled(place + way * np.diag(length))) for way in (1, -1))
    (high, variance), (low, _) = (moments(flux, time, lenses.detector) for flux in (above, below))
    return above, below, ((high - low) / variance.sqrt()).flatten(1).double().numpy() / (2 * length[:, None])


def _lengths(prior: Prior) -> np.ndarray:
    return np.where(prior.normal, _NORMAL_STEP, _STEP)
