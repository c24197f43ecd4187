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
    ax, ay = power_law_deflection(p, x, y)
    ax.add_(p["gamma1"] * x).add_(p["gamma2"] * y)
    ay.add_(p["gamma2"] * x).sub_(p["gamma1"] * y)
    add_substructure_(ax, ay, axis, parameters, supersampling)
    beta_x, beta_y = ax.neg_().add_(x), ay.neg_().add_(y)
    sky = sersic(p, beta_x, beta_y) if galaxies is None else stamps(p, beta_x, beta_y, galaxies)
    sky.add_(sersic(p, x, y, "deflector"))
    there = parameters["neighbour_amplitude"] > 0
    if bool(there.any()):
        some = {name: value[there] for name, value in p.items() if name.startswith("neighbour_")}
        sky[there] += sersic(some, x, y, "neighbour")
    return sky


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
    # the series in f exp(2 i angle), from its last term to its first
    ux, uy = (zx.square() - zy.square()).div_(square).mul_(-e), (2 * zx * zy).div_(square).mul_(-e)
    terms = max(2, math.ceil(math.log(_ACCURACY) / math.log(max(float(e.max()), 1e-3))))
    sx, sy = torch.ones_like(ux), torch.zeros_like(ux)
    for n in range(terms, 0, -1):
        factor = (2 * n - (2 - t)) / (2 * n + (2 - t))
        vx = torch.mul(ux, sx).addcmul_(uy, sy, value=-1).mul_(factor).add_(1)
        sy = torch.mul(ux, sy).addcmul_(uy, sx).mul_(factor)
        sx = vx
    strength = square.pow_(-t / 2).mul_(2 / (1 + q) * (p["theta_E"] * q.sqrt()) ** t)
    rx, ry = (zx * sx - zy * sy).mul_(strength), (zx * sy + zy * sx).mul_(strength)
    return cos * rx - sin * ry, sin * rx + cos * ry
