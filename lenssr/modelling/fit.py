"""The best fit of a lens to an image, for many lenses at once: Levenberg and Marquardt's damped steps.

Derivatives are differences of rendered images, on fewer rays than the residuals', which they need not match.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lenssr.modelling.lens import DEFLECTOR, MASS, NAMES, SOURCE, clipped, prior, steps
from lenssr.modelling.view import View

__all__ = ["Fit", "derivatives", "fit", "model"]

_DAMPED, _FACTOR, _MOST_DAMPED = 1e-2, 5.0, 1e5
_GAIN, _SHARE = 0.02, 1e-5  # of chi-squared and of its value, below whose sum a fit has converged


@dataclass(frozen=True)
class Fit:
    """Best fits of B images.

    Attributes:
        points: (B, P).
        covariance: inverse of the Fisher information and prior, (B, P, P).
        chi2: of the image alone, (B,).
        objective: chi-squared with the prior's, (B,).
        converged: (B,).
    """

    points: Tensor
    covariance: Tensor
    chi2: Tensor
    objective: Tensor
    converged: Tensor


def model(view: View, points: Tensor, rays: int) -> Tensor:
    """Return images (N, pixels) of lenses, flux per HR pixel."""
    return view.source(points, rays) + view.deflector(points, rays)


def derivatives(view: View, points: Tensor, rays: int, free: Sequence[int] = tuple(range(len(NAMES)))) -> Tensor:
    """Return derivatives of the images by the free numbers, (B, pixels, F): forward differences."""
    step, count = steps().to(points), len(points)
    parts = ((view.source, [*MASS, *SOURCE]), (view.deflector, DEFLECTOR))
    found = torch.zeros(len(free), count, 0)
    for draw, places in parts:
        own = [i for i in free if i in places]
        if not own:
            continue
        moved = points.repeat(len(own) + 1, 1)
        for row, i in enumerate(own, 1):
            moved[row * count : (row + 1) * count, i] += step[i]
        images = draw(moved, rays).unflatten(0, (len(own) + 1, count))
        if not found.shape[-1]:
            found = images.new_zeros(len(free), *images.shape[1:])
        for row, i in enumerate(own, 1):
            found[list(free).index(i)] += (images[row] - images[0]) / step[i]
    return found.permute(1, 2, 0)


def fit(
    view: View,
    images: Tensor,
    weights: Tensor,
    starts: Tensor,
    most: int = 25,
    free: Sequence[int] = tuple(range(len(NAMES))),
    rays: tuple[int, int] = (4, 2),
) -> Fit:
    """Fit lenses to images.

    Args:
        view: what the images are.
        images: flux per HR pixel, (B, pixels).
        weights: one over the standard deviation, zero where nothing is to be fitted, likewise.
        starts: (B, P).
        most: steps of each fit.
        free: places of the numbers that are fitted.
        rays: along a side of an HR pixel, of residuals and of derivatives.
    """
    state = _State(view, images, weights, starts.clone(), list(free), rays)
    for _ in range(most):
        if bool(state.done.all()):
            break
        state.step()
    return state.result()


class _State:
    """Fits under way."""

    def __init__(
        self, view: View, images: Tensor, weights: Tensor, points: Tensor, free: list[int], rays: tuple[int, int]
    ) -> None:
        self.view, self.images, self.weights, self.free, self.rays = view, images, weights, free, rays
        self.mean, self.known = (part.double()[free] for part in prior())
        self.points, count = points, len(points)
        self.damping = torch.full((count,), _DAMPED, dtype=torch.float64)
        self.done = torch.zeros(count, dtype=torch.bool)
        self.residual, self.chi2, self.objective = self._value(torch.arange(count), points)
        self.information = torch.zeros(count, len(free), len(free), dtype=torch.float64)
        self.slope = torch.zeros(count, len(free), dtype=torch.float64)
        self.stale = torch.ones(count, dtype=torch.bool)

    def _value(self, which: Tensor, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        residual = (self.images[which] - model(self.view, points, self.rays[0])) * self.weights[which]
        chi2 = residual.double().square().sum(1)
        off = points[:, self.free].double() - self.mean
        return residual, chi2, chi2 + (off.square() * self.known).sum(1)

    def _refresh(self) -> None:
        which = torch.nonzero(self.stale & ~self.done).flatten()
        for one in which.split(8) if len(which) else ():
            slopes = derivatives(self.view, self.points[one], self.rays[1], self.free) * self.weights[one].unsqueeze(-1)
            self.information[one] = (slopes.transpose(1, 2) @ slopes).double() + torch.diag(self.known)
            back = (slopes.transpose(1, 2) @ self.residual[one].unsqueeze(-1))[..., 0].double()
            self.slope[one] = back - (self.points[one][:, self.free].double() - self.mean) * self.known
        self.stale[which] = False

    def step(self) -> None:
        """Try a step of every fit that is not done."""
        self._refresh()
        which = torch.nonzero(~self.done).flatten()
        information = self.information[which]
        diagonal = torch.diag_embed(information.diagonal(dim1=1, dim2=2) + 1e-9)
        damped = information + self.damping[which].view(-1, 1, 1) * diagonal
        move = torch.linalg.solve(damped, self.slope[which].unsqueeze(-1))[..., 0]
        new = self.points[which].clone()
        new[:, self.free] += move.to(new)
        new = clipped(new)
        residual, chi2, objective = self._value(which, new)
        better = torch.isfinite(objective) & (objective < self.objective[which])
        gain, taken = self.objective[which] - objective, which[better]
        self.points[taken], self.residual[taken] = new[better], residual[better]
        self.chi2[taken], self.objective[taken] = chi2[better], objective[better]
        self.stale[taken] = True
        self.damping[which] *= torch.where(better, 1 / _FACTOR, _FACTOR)
        self.done[which] = (better & (gain < _GAIN + _SHARE * objective.abs())) | (self.damping[which] > _MOST_DAMPED)

    def result(self) -> Fit:
        """Return what was found."""
        finished = self.done.clone()
        self.done[:] = False
        self._refresh()
        covariance = torch.linalg.pinv(self.information, hermitian=True)
        return Fit(self.points, covariance, self.chi2, self.objective, finished)
