"""Truncated NFW haloes: how many, how heavy, how concentrated, and the deflection of light by them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lenssr.errors import ConfigError

__all__ = ["HEAVY", "Haloes", "add_haloes_", "concentration", "mean_number", "projected", "scale_radius", "total_mass"]

_PIVOT = 1e8  # solar masses, of the mass function
_OVERDENSITY = 200.0

HEAVY = 0.0125
"""Einstein radius in arcsec above which a halo is traced on every ray: 1e8 solar masses at redshifts 0.5 and 1."""

_COARSE = 0.06  # arcsec; the light haloes' deflection is made on a grid that is no coarser
_LOG_RANGE, _NODES = (math.log(1e-3), math.log(1e5)), 4096  # of r / r_s in the radial table


@cache
def _plane(H0: float, Om0: float, z_lens: float) -> tuple[float, float]:
    """Return kpc per arcsec at the lens, and the critical density there in solar masses per kpc^3."""
    from astropy import units
    from astropy.cosmology import FlatLambdaCDM

    model = FlatLambdaCDM(H0=H0, Om0=Om0)
    density = model.critical_density(z_lens).to_value(units.M_sun / units.kpc**3)
    return float(model.angular_diameter_distance(z_lens).to_value(units.kpc) * units.arcsec.to(units.rad)), density


def _of(cosmology: Mapping[str, Any]) -> tuple[float, float]:
    return _plane(cosmology["H0"], cosmology["Om0"], cosmology["z_lens"])


def mean_number(sigma_sub: float, cdm: Mapping[str, Any], cosmology: Mapping[str, Any]) -> float:
    """Return the mean number of haloes of an image.

    Subhaloes have d^2N / (dm dA) = sigma_sub / 1e8 * (m / 1e8)^slope (Gilman et al. 2020, arXiv:1908.06983,
    without the scaling with the host), all over the disc; haloes along the line of sight are so many more of them, in
    the lens plane.

    Args:
        sigma_sub: in kpc^-2.
        cdm: ``slope``, ``range`` in solar masses, ``radius`` of the disc in arcsec, ``line_of_sight``.
        cosmology: ``H0``, ``Om0``, ``z_lens``.

    Raises:
        ConfigError: a number that must not be negative is.
    """
    if sigma_sub < 0 or cdm["line_of_sight"] < 0:
        raise ConfigError(
            f"physics.cdm has sigma_sub={sigma_sub:g} and line_of_sight={cdm['line_of_sight']}; give 0 or more "
            "for both."
        )
    low, high = (mass / _PIVOT for mass in cdm["range"])
    power = cdm["slope"] + 1.0
    integral = math.log(high / low) if power == 0 else (high**power - low**power) / power
    area = math.pi * (cdm["radius"] * _of(cosmology)[0]) ** 2
    return float(sigma_sub * area * integral * (1.0 + cdm["line_of_sight"]))


def concentration(mass: Any, cosmology: Mapping[str, Any]) -> Any:
    """Return the median c200 of haloes of M200 in solar masses at z_lens (Dutton & Maccio 2014).

    arXiv:1402.7073. It was fitted to haloes above 1e10 solar masses and is continued to lighter ones.
    """
    z = cosmology["z_lens"]
    a = 0.520 + (0.905 - 0.520) * math.exp(-0.617 * z**1.21)
    b = -0.101 + 0.026 * z
    return 10.0 ** (a + b * np.log10(np.asarray(mass) * cosmology["H0"] / 100.0 / 1e12))


def scale_radius(mass: Any, cosmology: Mapping[str, Any]) -> Any:
    """Return r_s = r200 / c200 in arcsec of haloes of M200 in solar masses; r200 holds 200 critical densities."""
    kpc, critical = _of(cosmology)
    r200 = np.cbrt(np.asarray(mass) * 3.0 / (4.0 * math.pi * _OVERDENSITY * critical))
    return r200 / concentration(mass, cosmology) / kpc


def total_mass(mass: Any, truncation: float, cosmology: Mapping[str, Any]) -> Any:
    """Return the whole mass of a truncated halo whose untruncated NFW profile has M200 within r200.

    rho = M0 / (4 pi r (r + r_s)^2) r_t^2 / (r^2 + r_t^2) (Baltz, Marshall & Oguri 2009, arXiv:0705.0682, n = 1).

    Args:
        mass: M200 in solar masses.
        truncation: tau = r_t / r_s.
        cosmology: see :func:`concentration`.
    """
    c = concentration(mass, cosmology)
    return np.asarray(mass) / (np.log1p(c) - c / (1.0 + c)) * _whole(truncation)


def _whole(tau: float) -> float:
    """Return the total mass in units of M0."""
    if tau <= 0:
        raise ConfigError(f"physics.cdm.truncation={tau} is not above 0; give r_t / r_s, as 5.0.")
    square = tau**2
    return square / (square + 1) ** 2 * ((square - 1) * math.log(tau) + math.pi * tau - (square + 1))


def projected(x: np.ndarray, tau: float) -> np.ndarray:
    """Return the fraction of a truncated halo's mass within the projected radius x r_s (Baltz et al. 2009, n = 1).

    Float64; the closed form cancels below x = 1e-4, and above 1e6.
    """
    x, square = np.asarray(x, np.float64), tau**2
    with np.errstate(invalid="ignore", divide="ignore"):
        F_x = np.where(x < 1, np.arccosh(1 / x), np.arccos(1 / x)) / np.sqrt(np.abs(x**2 - 1))
    F_x = np.where(np.abs(x - 1) < 1e-6, 1.0, F_x)
    root = np.sqrt(square + x**2)
    log = np.log(x / (root + tau))
    inside = (square + 1 + 2 * (x**2 - 1)) * F_x + tau * np.pi + (square - 1) * np.log(tau)
    inside += root * (-np.pi + (square - 1) / tau * log)
    return square / (square + 1) ** 2 * inside / _whole(tau)


@cache
def _table(tau: float) -> tuple[Tensor, Tensor]:
    """Return f(x) / x^2 at the nodes, which are even in log x, and its steps, float64."""
    x = np.exp(np.linspace(*_LOG_RANGE, _NODES))
    values = torch.from_numpy(projected(x, tau) / x**2)
    return values, values.diff()


@dataclass(frozen=True)
class Haloes:
    """The truncated haloes of B images.

    Attributes:
        x: arcsec, shape (B, K), the heaviest first.
        y: likewise.
        theta: Einstein radii of points of their whole masses; haloes with 0 add nothing.
        scale: their r_s in arcsec.
        truncation: tau = r_t / r_s of all.
    """

    x: Tensor
    y: Tensor
    theta: Tensor
    scale: Tensor
    truncation: float

    def only(self, chosen: Tensor) -> Haloes:
        """Return the haloes that a (B, K) mask chooses, without the columns that have none."""
        chosen = chosen & (self.theta > 0)
        here = chosen.any(0)
        theta = self.theta * chosen
        return Haloes(self.x[:, here], self.y[:, here], theta[:, here], self.scale[:, here], self.truncation)


def add_haloes_(ax: Tensor, ay: Tensor, axis: Tensor, haloes: Haloes, supersampling: int = 1) -> None:
    """Add, in place, the deflection theta_E^2 f(r / r_s) / r of truncated haloes to (B, N, N) maps.

    f is the :func:`projected` fraction of mass. Light haloes bend by less than a thousandth of an arcsec and are
    many: their sum is made on a coarser grid and is bilinear between its points.

    Args:
        ax: x deflection in arcsec, shape (B, N, N).
        ay: y deflection.
        axis: evenly spaced coordinates of the grid along a side, shape (N,).
        haloes: of the images.
        supersampling: N is a multiple of it; the coarse grid has 1 / as many points or more.
    """
    heavy = haloes.theta >= HEAVY
    _add_(ax, ay, axis, haloes.only(heavy))
    light, step = haloes.only(~heavy), float(axis[1] - axis[0])
    factor = max(k for k in range(1, supersampling + 1) if supersampling % k == 0 and (k == 1 or k * step <= _COARSE))
    if factor == 1:
        _add_(ax, ay, axis, light)
        return
    # one point more on every side, so that no ray lies outside of them
    count = len(axis) // factor + 2
    places = torch.arange(count, device=axis.device, dtype=axis.dtype) - (count - 1) / 2
    coarse = ax.new_zeros(2, len(ax), count, count)
    _add_(coarse[0], coarse[1], axis.mean() + places * step * factor, light)
    fine = F.interpolate(coarse, scale_factor=factor, mode="bilinear")[..., factor:-factor, factor:-factor]
    ax.add_(fine[0])
    ay.add_(fine[1])


def _add_(ax: Tensor, ay: Tensor, axis: Tensor, haloes: Haloes) -> None:
    """Add to the maps all haloes at every point; a loop keeps the working set in cache, as that of point masses."""
    values, steps = (v.to(ax.device, ax.dtype) for v in _table(haloes.truncation))
    low, high = _LOG_RANGE
    density = 0.5 * (_NODES - 1) / (high - low)  # nodes per unit of log x^2
    dx, dy = axis - haloes.x.unsqueeze(-1), axis - haloes.y.unsqueeze(-1)  # (B, K, N)
    inverse = haloes.scale.clamp(min=1e-6).square().reciprocal().unsqueeze(-1)  # 1e-6: of the padding
    x2, y2 = dx.square() * inverse, dy.square() * inverse
    strength = haloes.theta.square().unsqueeze(-1) * inverse
    wx, wy = dx * strength, dy * strength
    place = torch.empty_like(ax)
    for k in range(haloes.x.shape[1]):
        torch.add(x2[:, k].unsqueeze(1), y2[:, k].unsqueeze(2), out=place)
        # a ray that meets the centre: log 0 becomes the first node, and d = 0 the deflection
        place.log_().sub_(2 * low).mul_(density).clamp_(0.0, _NODES - 1.01)
        node = place.int()
        place.sub_(node)
        node = node.flatten()
        weight = values.index_select(0, node).addcmul_(steps.index_select(0, node), place.flatten()).view_as(ax)
        ax.addcmul_(weight, wx[:, k].unsqueeze(1))
        ay.addcmul_(weight, wy[:, k].unsqueeze(2))
