"""What a lens modeller does instead of super-resolution: fit the numbers that made the image, and draw it.

The posterior's maximum by scoring: steps along the Fisher information, damped as Levenberg and Marquardt do, from the
likeliest of many draws of the prior. Numbers of a normal distribution are fitted in its standard deviations and held
by it; the others are free between their bounds. What a vortex adds is sought about the smooth lens's fit, whose
numbers give way as far as they are linear. Of the two the one with the better Bayesian information criterion stays
(Schwarz 1978, doi:10.1214/aos/1176344136).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lenssr.limits.lenses import Lenses
from lenssr.limits.likelihood import moments
from lenssr.limits.prior import Prior

__all__ = ["VORTEX", "Fitted", "Fitter"]

VORTEX = ("log10_axion_mass", "vortex_angle")  # a vortex's own numbers, the last of its prior

_STEP = 1e-3  # of the unit cube, or of a standard deviation, for derivatives
_MOST, _GAIN = 40, 0.01  # steps of a fit; log-probability that one must gain to go on
_DAMPED, _FACTOR = 1e-2, 6.0  # damping at first, and how it changes
_TRIED = (8, 12)  # masses and angles of the vortices that are put on a smooth fit


@dataclass(frozen=True)
class Fitted:
    """The best fit of one image.

    Attributes:
        point: in the unit cube of the class's prior, (d,).
        covariance: of the point, its normal coordinates in standard deviations (:meth:`.Prior.unwalled`): the inverse
            of the Fisher information and of what the prior adds to it, (d, d).
        log_likelihood: there, with the logarithm of the prior of the normal coordinates.
        name: the class.
    """

    point: np.ndarray
    covariance: np.ndarray
    log_likelihood: float
    name: str

    def pulls(self, fitted: Prior, columns: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Return how far each true number is from the fit's, in its standard deviations.

        Of a vortex that was not seen, or is none, the numbers of lens and source alone.

        Args:
            fitted: the prior of the class that was fitted.
            columns: the true parameters, (1,) each; of no vortex the mass is NaN.
        """
        known = {key: value for key, value in columns.items() if np.isfinite(value).all()}
        true = fitted.places({name: known.get(name, np.zeros(1)) for name in ("theta_E", *fitted.names)})[0]
        away = fitted.unwalled(true) - fitted.unwalled(self.point)
        away = np.where(fitted.periodic, (away + 0.5) % 1 - 0.5, away) / np.sqrt(np.diag(self.covariance))
        kept = set(fitted.names) - (set() if "log10_axion_mass" in known else set(VORTEX))
        return {name: float(pull) for name, pull in zip(fitted.names, away, strict=True) if name in kept}


class Fitter:
    """Fits the lenses of a set.

    Args:
        lenses: by class: ``no_sub``, and ``axion`` if vortices are tried.
        starts: fits of an image and a class.
        tried: the classes that a lens may be of.
    """

    def __init__(self, lenses: dict[str, Lenses], starts: int, tried: Sequence[str] = ("no_sub", "axion")) -> None:
        self.lenses, self.starts, self.tried = lenses, starts, [name for name in tried if name in lenses]

    @torch.inference_mode()
    def __call__(self, seen: Tensor, time: float) -> Fitted:
        """Return the best fit to an exposure.

        Args:
            seen: flux rate in the camera's pixels, (H, W).
            time: of the exposure.
        """
        smooth = self._best("no_sub", self.lenses["no_sub"].likeliest(seen, time, self.starts), seen, time)
        found = [self._vortex(smooth, seen, time) if name == "axion" else smooth for name in self.tried]
        return min(found, key=lambda one: len(one.point) * np.log(seen.numel()) - 2 * one.log_likelihood)

    def _vortex(self, smooth: Fitted, seen: Tensor, time: float) -> Fitted:
        return self._best("axion", vortices(self.lenses, smooth, seen, time, self.starts), seen, time)

    def _best(self, name: str, starts: np.ndarray, seen: Tensor, time: float) -> Fitted:
        fits = [_scored(self.lenses[name], start, seen, time) for start in starts]
        point, covariance, value = max(fits, key=lambda one: one[2])
        return Fitted(point, covariance, value, name)


def _scored(lenses: Lenses, start: np.ndarray, seen: Tensor, time: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the posterior's maximum near a point, its covariance and the log-probability there."""
    prior = lenses.prior

    def probable(place: np.ndarray) -> float:
        found = float(lenses.log_likelihood(prior.walled(place)[None], seen, time)[0])
        return found - 0.5 * float(np.square(place[prior.normal]).sum())

    place, damping = prior.unwalled(start), _DAMPED
    value = probable(place)
    slope, information = _derivatives(lenses, place, seen, time)
    for _ in range(_MOST):
        step = np.linalg.solve(information + damping * np.diag(np.diag(information) + 1e-9), slope)
        within = np.where(prior.periodic, (place + step) % 1, np.clip(place + step, 0.0, 1.0))
        new = np.where(prior.normal, place + step, within)
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


def vortices(lenses: dict[str, Lenses], smooth: Fitted, seen: Tensor, time: float, count: int) -> np.ndarray:
    """Return the likeliest points of lenses with a vortex, given the fit of a smooth one, (count, d).

    Each of a grid of vortices is put on the smooth lens, whose own mass is lessened by what of the vortex lies within
    the Einstein radius; then its other numbers give way as far as they are linear.
    """
    prior = lenses["axion"].prior
    points = np.stack([_with_vortex(prior, smooth.point, place) for place in _grid()])
    size = len(smooth.point)  # a vortex's own numbers come last
    slopes = _slopes(lenses["no_sub"], lenses["no_sub"].prior.unwalled(smooth.point), time)[2]
    mean, variance = moments(lenses["axion"].binned(points), time, lenses["axion"].detector)
    left = ((seen - mean) / variance.sqrt()).flatten(1).double().numpy()
    places, held = prior.unwalled(points), prior.normal[:size].astype(float)
    step = np.linalg.solve(slopes @ slopes.T + np.diag(held + 1e-9), (left @ slopes.T - held * places[:, :size]).T).T
    places[:, :size] += step
    misfit = np.square(left - step @ slopes).sum(1) + (held * np.square(places[:, :size])).sum(1)
    points = np.where(prior.normal, prior.walled(places), np.clip(places, 0.0, 1.0))
    return points[np.argsort(misfit)[:count]]


def _grid() -> np.ndarray:
    """Return numbers of vortices in the unit square: mass and angle."""
    mass, angle = ((np.arange(many) + 0.5) / many for many in _TRIED)
    return np.stack([side.ravel() for side in np.meshgrid(mass, angle, indexing="ij")], axis=1)


def _with_vortex(prior: Prior, smooth: np.ndarray, vortex: np.ndarray) -> np.ndarray:
    """Return a point of lenses with a vortex, the mass within whose Einstein radius is that of a smooth lens."""
    point = np.concatenate([smooth, vortex])
    if "mass" not in prior.names:
        return point
    values = prior.columns(point[None])
    assert prior.axion is not None
    half = prior.axion["length_at_1e-22"] * 10.0 ** (-22.0 - values["log10_axion_mass"])
    lessened = values["mass"] - prior.axion["total_mass"] * np.minimum(1.0, values["theta_E"] / half)
    values["theta_E"] = values["theta_E"] * np.sqrt(np.maximum(lessened, 0.0) / values["mass"])
    return np.where(np.array(prior.names) == "mass", np.clip(prior.places(values)[0], 0.0, 1.0), point)


def _derivatives(lenses: Lenses, place: np.ndarray, seen: Tensor, time: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the slope of the log-probability, (d,), and its curvature, (d, d): counts are about as Gaussian."""
    above, below, slopes = _slopes(lenses, place, time)
    normal = lenses.prior.normal
    slope = (lenses.of_flux(above, seen, time) - lenses.of_flux(below, seen, time)) / (2 * _STEP)
    return slope - np.where(normal, place, 0.0), slopes @ slopes.T + np.diag(normal.astype(float))


def _slopes(lenses: Lenses, place: np.ndarray, time: float) -> tuple[Tensor, Tensor, np.ndarray]:
    """Return fluxes (d, H, W) a step above and below a place, and how the image rises, in sigma, (d, pixels)."""
    # beyond the cube's walls too: bounds are no more than where numbers come from
    step = _STEP * np.eye(len(place))
    above, below = (lenses.binned(lenses.prior.walled(place + way)) for way in (step, -step))
    (high, variance), (low, _) = (moments(flux, time, lenses.detector) for flux in (above, below))
    return above, below, ((high - low) / (2 * _STEP) / variance.sqrt()).flatten(1).double().numpy()
