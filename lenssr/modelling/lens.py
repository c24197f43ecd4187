"""The numbers that a modeller fits: their names, where they may lie, and what is known of them beforehand.

An elliptical power law with external shear, a Sersic source, and a Sersic lens light about the mass's centre.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["DEFLECTOR", "MASS", "NAMES", "SOURCE", "bounds", "clipped", "prior", "rendered", "steps", "told"]


@dataclass(frozen=True)
class _Number:
    """One number: least, largest, step of its derivative, and mean and standard deviation of a Gaussian prior."""

    least: float
    largest: float
    step: float
    mean: float = 0.0
    spread: float = math.inf


_GALAXY = {"e1": _Number(-0.7, 0.7, 1e-2, 0.0, 0.25), "e2": _Number(-0.7, 0.7, 1e-2, 0.0, 0.25)}
# priors are broader than any population of lenses, but for the slope's, which single images hardly know (Auger et al.
# 2010, arXiv:1007.2880), and for the radius and index of the source
_TABLE = {
    "theta_E": _Number(0.1, 5.0, 1e-3),
    "slope": _Number(1.3, 2.8, 5e-3, 2.08, 0.16),
    "e1": _Number(-0.6, 0.6, 3e-3, 0.0, 0.25),
    "e2": _Number(-0.6, 0.6, 3e-3, 0.0, 0.25),
    "gamma1": _Number(-0.3, 0.3, 1e-3, 0.0, 0.1),
    "gamma2": _Number(-0.3, 0.3, 1e-3, 0.0, 0.1),
    "lens_x": _Number(-1.0, 1.0, 1e-3),
    "lens_y": _Number(-1.0, 1.0, 1e-3),
    "source_x": _Number(-4.0, 4.0, 1e-3),
    "source_y": _Number(-4.0, 4.0, 1e-3),
    "source_log_flux": _Number(-12.0, 12.0, 1e-2),
    "source_log_radius": _Number(-4.6, 1.0, 1e-2, math.log(0.2), 0.6),
    "source_index": _Number(0.4, 5.0, 2e-2, 1.5, 0.8),
    **{f"source_{key}": number for key, number in _GALAXY.items()},
    "deflector_log_flux": _Number(-12.0, 14.0, 1e-2),
    "deflector_log_radius": _Number(-4.0, 2.5, 1e-2, 0.0, 1.0),
    "deflector_index": _Number(0.6, 8.0, 3e-2, 4.0, 1.0),
    **{f"deflector_{key}": number for key, number in _GALAXY.items()},
}

NAMES = tuple(_TABLE)
"""All numbers, in their order."""

MASS = [NAMES.index(name) for name in ("theta_E", "slope", "e1", "e2", "gamma1", "gamma2", "lens_x", "lens_y")]
"""Places of the mass's numbers."""

SOURCE = [i for i, name in enumerate(NAMES) if name.startswith("source_")]
"""Places of the source's."""

DEFLECTOR = [i for i, name in enumerate(NAMES) if name.startswith(("deflector_", "lens_"))]
"""Places of the lens light's, its centre with them."""


def bounds() -> Tensor:
    """Return the least and the largest of each number, (2, P)."""
    return torch.tensor([[n.least for n in _TABLE.values()], [n.largest for n in _TABLE.values()]])


def steps() -> Tensor:
    """Return the steps of derivatives, (P,)."""
    return torch.tensor([number.step for number in _TABLE.values()])


def prior() -> tuple[Tensor, Tensor]:
    """Return means and inverse variances of the priors, (P,); zero where nothing is known."""
    found = [(n.mean, n.spread**-2) for n in _TABLE.values()]
    return torch.tensor([mean for mean, _ in found]), torch.tensor([weight for _, weight in found])


def clipped(points: Tensor) -> Tensor:
    """Return points (..., P) inside the bounds."""
    low, high = bounds().to(points)
    return torch.minimum(torch.maximum(points, low), high)


def _unit_flux(radius: Tensor, n: Tensor) -> Tensor:
    """Return the flux of a Sersic profile of amplitude 1 (Graham & Driver 2005, eq. 2)."""
    b = 1.9992 * n - 0.3271
    return 2 * math.pi * n * radius.square() * torch.exp(b - 2 * n * b.log() + torch.lgamma(2 * n))


def rendered(points: Tensor) -> dict[str, Tensor]:
    """Return points (N, P) as :func:`lenssr.data.sky.scene.brightness` names them, (N, 1, 1) each."""
    found = {name: points[:, i].view(-1, 1, 1) for i, name in enumerate(NAMES)}
    for galaxy in ("source", "deflector"):
        radius = found.pop(f"{galaxy}_log_radius").exp()
        found[f"{galaxy}_radius"] = radius
        unit = _unit_flux(radius, found[f"{galaxy}_index"])
        found[f"{galaxy}_amplitude"] = found.pop(f"{galaxy}_log_flux").exp() / unit
    found["deflector_x"], found["deflector_y"] = found["lens_x"], found["lens_y"]
    return found


def told(parameters: Mapping[str, Tensor]) -> Tensor:
    """Return the points (B, P) of a set's parameters, (B,) each: what a perfect fit finds."""
    columns = []
    for name in NAMES:
        value = parameters[name.replace("log_", "")]
        columns.append(value.log() if "log_" in name else value)
    return torch.stack(columns, dim=1)
