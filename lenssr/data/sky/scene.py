"""The surface brightness of a sky on a grid of rays: lens light, lensed source and neighbour, in one pass of torch.

Conventions are those of :mod:`lenssr.data.sky.lensing`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from lenssr.data.sky.galaxies import Galaxies
from lenssr.data.sky.lensing import add_substructure_, sersic, stamps

__all__ = ["brightness", "power_law_deflection"]

_ACCURACY = 1e-7  # of the deflection, at which its series ends
_ROWS = 48  # of rays that are worked on at once
_CORE = 1e-10  # arcsec^2; without it a ray through the lens is NaN


def brightness(
    parameters: Mapping[str, Tensor], axis: Tensor, supersampling: int, galaxies: Galaxies | None = None
) -> Tensor:
    """Return surface brightness at the rays, flux / arcsec^2 / unit time, (B, M, M).

    Args:
        parameters: tensors of shape (B,), named as the columns of :func:`lenssr.data.sky.population.population`, and
            sub-haloes (B, K), see :func:`lenssr.data.sky.lensing.render`.
        axis: coordinates of the rays along a side, arcsec (M,).
        supersampling: rays along a side of a pixel.
        galaxies: the sources that ``source_stamp`` numbers; None: Sersic profiles.
    """
    p = {name: value.view(-1, 1, 1) for name, value in parameters.items() if value.ndim == 1}
    x, y = axis.view(1, 1, -1), axis.view(1, -1, 1)
    ax, ay = (x.new_empty(len(parameters["theta_E"]), len(axis), len(axis)) for _ in range(2))
    blocks = [slice(start, start + _ROWS) for start in range(0, len(axis), _ROWS)]  # whose maps stay in a CPU's cache
    for rows in blocks:
        ax[:, rows], ay[:, rows] = _deflection(p, x, y[:, rows])
    add_substructure_(ax, ay, axis, parameters, supersampling)
    some = parameters["neighbour_amplitude"] > 0
    there = bool(some.any())
    near = {name: value[some] for name, value in p.items() if name.startswith("neighbour_")}
    for rows in blocks:
        beta_x, beta_y = x - ax[:, rows], y[:, rows] - ay[:, rows]
        sky = sersic(p, beta_x, beta_y) if galaxies is None else stamps(p, beta_x, beta_y, galaxies)
        sky += sersic(p, x, y[:, rows], "deflector")
        if there:
            sky[some] += sersic(near, x, y[:, rows], "neighbour")
        ax[:, rows] = sky  # which is no longer needed
    return ax


def _deflection(p: Mapping[str, Tensor], x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the deflection of the lens and of external shear, arcsec."""
    ax, ay = power_law_deflection(p, x, y)
    ax += p["gamma1"] * x + p["gamma2"] * y
    ay += p["gamma2"] * x - p["gamma1"] * y
    return ax, ay


def power_law_deflection(p: Mapping[str, Tensor], x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the deflection of an elliptical power law in arcsec (Tessore & Metcalf 2015, arXiv:1507.01819, eq. 13).

    kappa = (3 - slope) / 2 (theta_E / sqrt(q x^2 + y^2 / q))^(slope - 1) along the axes, lenstronomy's EPL.

    Args:
        p: ``theta_E``, ``slope``, ``e1``, ``e2``, ``lens_x``, ``lens_y``, (B, 1, 1).
        x: coordinates, arcsec, broadcastable to (B, M, M).
        y: likewise.
    """
    e = torch.hypot(p["e1"], p["e2"]).clamp(max=0.9999)
    phi, q, t = torch.atan2(p["e2"], p["e1"]) / 2, (1 - e) / (1 + e), p["slope"] - 1
    cos, sin = phi.cos(), phi.sin()
    dx, dy = x - p["lens_x"], y - p["lens_y"]
    zx, zy = q * (cos * dx + sin * dy), cos * dy - sin * dx
    square = (zx.square() + zy.square()).add_(_CORE)
    # sum of a_n exp(i n u), u twice the angle, by Clenshaw's recurrence, which serves cosine and sine at once
    twice = (zx.square() - zy.square()).div_(square).mul_(2)
    last, before = torch.zeros_like(twice), torch.zeros_like(twice)
    for a in reversed(_coefficients(e, t)):
        before.neg_().addcmul_(twice, last).add_(a)
        last, before = before, last
    sx = (twice * last).mul_(0.5).sub_(before).add_(1)
    sy = (zx * zy).div_(square).mul_(2).mul_(last)
    strength = square.pow_(-t / 2).mul_(2 / (1 + q) * (p["theta_E"] * q.sqrt()) ** t)
    rx, ry = (zx * sx - zy * sy).mul_(strength), (zx * sy + zy * sx).mul_(strength)
    return cos * rx - sin * ry, sin * rx + cos * ry


def _coefficients(e: Tensor, t: Tensor) -> list[Tensor]:
    """Return a_1, a_2, ... of the series whose a_0 is 1, as many as the flattest lens needs; (B, 1, 1) each."""
    count = max(2, math.ceil(math.log(_ACCURACY) / math.log(max(float(e.max()), 1e-3))))
    found = [torch.ones_like(e)]
    for n in range(1, count + 1):
        found.append(found[-1] * -e * (2 * n - (2 - t)) / (2 * n + (2 - t)))
    return found[1:]
