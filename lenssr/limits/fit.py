"""What a lens modeller does instead of super-resolution: fit the numbers that made the image, and draw it.

The likelihood's maximum by scoring: steps along the Fisher information, damped as Levenberg and Marquardt do, from the
likeliest of many draws of the prior. What a vortex adds to a smooth lens is sought with the source where the smooth
lens's fit has it. Of the two the one with the better Bayesian information criterion stays (Schwarz 1978,
doi:10.1214/aos/1176344136).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lenssr.limits.lenses import Lenses
from lenssr.limits.likelihood import moments

__all__ = ["Fitted", "Fitter"]

_STEP = 1e-3  # of the unit cube, for derivatives
_MOST, _GAIN = 15, 0.01  # steps of a fit; log-likelihood that one must gain to go on
_DAMPED, _FACTOR = 1e-2, 6.0  # damping at first, and how it changes
_TRIED = 96  # vortices on a smooth fit


@dataclass(frozen=True)
class Fitted:
    """The best fit of one image.

    Attributes:
        point: in the unit cube of the class's prior, (d,).
        covariance: of the point, the inverse of the Fisher information, (d, d).
        log_likelihood: there.
        name: the class.
    """

    point: np.ndarray
    covariance: np.ndarray
    log_likelihood: float
    name: str


class Fitter:
    """Fits the lenses of a set.

    Args:
        lenses: by class: ``no_sub``, and ``axion`` if vortices are tried.
        starts: fits of an image and a class.
        seed: of the vortices that are tried.
    """

    def __init__(self, lenses: dict[str, Lenses], starts: int, seed: int = 0) -> None:
        self.lenses, self.starts, self.seed = lenses, starts, seed

    @torch.inference_mode()
    def __call__(self, seen: Tensor, time: float) -> Fitted:
        """Return the best fit to an exposure.

        Args:
            seen: flux rate in the camera's pixels, (H, W).
            time: of the exposure.
        """
        smooth = self.of_class("no_sub", seen, time)
        found = [smooth, self._vortex(smooth, seen, time)] if "axion" in self.lenses else [smooth]
        return min(found, key=lambda one: len(one.point) * np.log(seen.numel()) - 2 * one.log_likelihood)

    @torch.inference_mode()
    def of_class(self, name: str, seen: Tensor, time: float) -> Fitted:
        """Return the best fit of one class."""
        if name == "axion":
            return self._vortex(self.of_class("no_sub", seen, time), seen, time)
        return self._best(name, self.lenses[name].likeliest(seen, time, self.starts), seen, time)

    def _vortex(self, smooth: Fitted, seen: Tensor, time: float) -> Fitted:
        return self._best("axion", self._vortices(smooth.point, seen, time), seen, time)

    def _vortices(self, smooth: np.ndarray, seen: Tensor, time: float) -> np.ndarray:
        """Return the likeliest points of a vortex whose other numbers are those of a smooth lens."""
        lenses = self.lenses["axion"]
        points = np.random.default_rng(self.seed).uniform(size=(_TRIED, len(lenses.prior.names)))
        points[:, : len(smooth)] = smooth  # a vortex's own numbers come last
        return points[np.argsort(-lenses.log_likelihood(points, seen, time))[: self.starts]]

    def _best(self, name: str, starts: np.ndarray, seen: Tensor, time: float) -> Fitted:
        fits = [_scored(self.lenses[name], start, seen, time) for start in starts]
        point, covariance, value = max(fits, key=lambda one: one[2])
        return Fitted(point, covariance, value, name)


def _scored(lenses: Lenses, point: np.ndarray, seen: Tensor, time: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the likelihood's maximum near a point, its covariance and the log-likelihood there."""
    value = float(lenses.log_likelihood(point[None], seen, time)[0])
    damping = _DAMPED
    slope, information = _derivatives(lenses, point, seen, time)
    for _ in range(_MOST):
        step = np.linalg.solve(information + damping * np.diag(np.diag(information) + 1e-9), slope)
        new = np.where(lenses.prior.periodic, (point + step) % 1, np.clip(point + step, 0.0, 1.0))
        found = float(lenses.log_likelihood(new[None], seen, time)[0])
        if found <= value:
            damping *= _FACTOR
            if damping > 1e4:
                break
            continue
        gain, point, value, damping = found - value, new, found, damping / _FACTOR
        slope, information = _derivatives(lenses, point, seen, time)
        if gain < _GAIN:
            break
    return point, np.linalg.pinv(information), value


def _derivatives(lenses: Lenses, point: np.ndarray, seen: Tensor, time: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the log-likelihood's slope, (d,), and the Fisher information of counts about as Gaussian, (d, d)."""
    size = len(point)
    # beyond the cube's walls too: a prior is no more than where its numbers come from
    around = np.concatenate([point + _STEP * np.eye(size), point - _STEP * np.eye(size)])
    flux = lenses.binned(around)
    values = lenses.of_flux(flux, seen, time)
    mean, variance = moments(flux, time, lenses.detector)
    slopes = ((mean[:size] - mean[size:]) / (2 * _STEP) / variance[:size].sqrt()).flatten(1).double().numpy()
    return (values[:size] - values[size:]) / (2 * _STEP), slopes @ slopes.T
