"""Does one subhalo more fit an image better? Its gain in chi-squared, with the smooth lens free to follow.

The image is linear in a small halo's mass: its deflection shifts the source's light along its gradient. What the smooth
lens can imitate is projected out, by the derivatives at its best fit (as in Vegetti et al. 2014, arXiv:1405.3666, where
mass is also sought as a linear correction).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lenssr.data.sky import haloes
from lenssr.data.sky.parameters import einstein_radius
from lenssr.modelling.fit import derivatives
from lenssr.modelling.lens import prior
from lenssr.modelling.view import View, source_brightness

__all__ = ["Gain", "Search", "arc_of", "injected"]

_RAYS = 2
_SHIFT = 2e-3  # arcsec, of the source's gradient
_THETA = 0.1  # Einstein radius of the templates, arcsec
_BRIGHT = 0.1  # of the arc's peak: haloes are sought where the source is brighter
_NEAR = 0.3  # arcsec about such places


@dataclass(frozen=True)
class Gain:
    """What the best subhalo gains.

    Attributes:
        chi2: by how much chi-squared falls; 0 where a fit that failed shows no arc in the field, to have one near.
        x: its place, arcsec; NaN where there is none.
        y: likewise.
    """

    chi2: float
    x: float
    y: float


class Search:
    """Seeks a subhalo in images of one lens.

    Args:
        view: what the images are.
        point: the best fit of a smooth lens, (P,).
        weights: one over the pixels' standard deviation, (pixels,).
        scales: scale radii of the haloes that are tried, arcsec.
        truncation: r_t / r_s of these.
        spacing: of their places, arcsec.
    """

    def __init__(
        self, view: View, point: Tensor, weights: Tensor, scales: Sequence[float], truncation: float, spacing: float
    ) -> None:
        axis, one = view.axis(_RAYS), point.unsqueeze(0)
        sides = [
            source_brightness(one, axis, lambda _, x=x, y=y: (x, y))  # type: ignore[misc]
            for x, y in ((_SHIFT, 0.0), (-_SHIFT, 0.0), (0.0, _SHIFT), (0.0, -_SHIFT))
        ]
        along = (sides[0] - sides[1]) / (2 * _SHIFT), (sides[2] - sides[3]) / (2 * _SHIFT)
        places = _places(source_brightness(one, axis)[0], axis, spacing, 0.5 * view.size * view.pixel)
        self.x, self.y = (part.repeat(len(scales)) for part in places.T)
        if not len(places):
            return
        images = [
            view.seen(_template(axis, part, scale, truncation, along), _RAYS)
            for scale in scales
            for part in places.split(4)
        ]
        self.templates = torch.cat(images) * weights
        self.slopes = derivatives(view, one, _RAYS)[0] * weights.unsqueeze(1)
        mean, known = prior()
        self._pull = (point.double() - mean) * known
        crossed = (self.templates @ self.slopes).double()
        information = (self.slopes.T @ self.slopes).double() + torch.diag(known.double())
        self._crossed = torch.linalg.solve(information, crossed.T).T
        self._norm = self.templates.double().square().sum(1) - (self._crossed * crossed).sum(1)

    def __call__(self, residual: Tensor) -> Gain:
        """Return the best subhalo's gain for weighted residuals (pixels,) of the smooth fit."""
        if not len(self.x):
            return Gain(0.0, math.nan, math.nan)
        slope = (self.slopes.T @ residual).double() - self._pull
        along = (self.templates @ residual).double() - self._crossed @ slope
        gain = along.clamp(min=0).square() / self._norm.clamp(min=1e-9 * float(self._norm.max()) + 1e-30)
        best = int(gain.argmax())
        return Gain(float(gain[best]), float(self.x[best]), float(self.y[best]))


def _template(axis: Tensor, places: Tensor, scale: float, truncation: float, along: tuple[Tensor, Tensor]) -> Tensor:
    """Return the change of surface brightness by haloes at places (N, 2), (N, M, M)."""
    ax, ay = (torch.zeros(len(places), len(axis), len(axis)) for _ in range(2))
    one = torch.ones(len(places), 1)
    made = haloes.Haloes(places[:, :1], places[:, 1:], _THETA * one, scale * one, truncation)
    haloes.add_haloes_(ax, ay, axis, made)
    return along[0] * ax + along[1] * ay


def _places(sky: Tensor, axis: Tensor, spacing: float, half: float) -> Tensor:
    """Return the places (N, 2) of a grid that are near to bright parts of the source's image."""
    rows, columns = torch.nonzero(sky > _BRIGHT * sky.max(), as_tuple=True)
    bright = torch.stack([axis[columns], axis[rows]], dim=1)
    line = torch.arange(-half + spacing, half - 0.5 * spacing, spacing)
    grid = torch.cartesian_prod(line, line)
    bright = bright[:: max(1, len(bright) // 2000)]
    if not len(bright):
        return grid[:0]
    return grid[torch.cdist(grid, bright).amin(1) < _NEAR]


def arc_of(view: View, point: Tensor) -> tuple[float, float]:
    """Return the brightest place of the lensed source, arcsec."""
    axis = view.axis(_RAYS)
    sky = source_brightness(point.unsqueeze(0), axis)[0]
    row, column = divmod(int(sky.argmax()), len(axis))
    return float(axis[column]), float(axis[row])


def injected(
    row: pd.Series, place: tuple[float, float], mass: float, distance: float, physics: Mapping[str, Any]
) -> pd.DataFrame:
    """Return a sky's parameters with one subhalo more.

    Args:
        row: of the set's parameters.
        place: on the arc, arcsec.
        mass: M200 in solar masses.
        distance: from the place, away from the lens, arcsec.
        physics: cosmology, and ``cdm.truncation``.
    """
    cosmology = {**physics["cosmology"], "z_lens": round(row["z_lens"], 2), "z_source": round(row["z_source"], 2)}
    truncation = float(physics["cdm"]["truncation"])
    out = np.array([place[0] - row["lens_x"], place[1] - row["lens_y"]])
    x, y = np.array(place) + distance * out / max(float(np.hypot(*out)), 1e-9)
    theta = einstein_radius(haloes.total_mass(mass, truncation, cosmology), cosmology)
    values = (x, y, theta, haloes.scale_radius(mass, cosmology))
    names = ("subhalo_x", "subhalo_y", "subhalo_theta_E", "subhalo_scale")
    found = pd.DataFrame([row.to_dict() | {"halo_truncation": truncation}])
    for name, value in zip(names, values, strict=True):
        found[name] = pd.Series([np.array([float(value)])], dtype=object)
    return found
