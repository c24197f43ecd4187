"""The prior of a set's images: a point of the unit cube is a lens, a source and its substructure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lenssr.data.sky.parameters import einstein_radius
from lenssr.errors import ConfigError

__all__ = ["Prior"]


class Prior:
    """What is drawn for the images of a class, and the parameters that a point of the unit cube stands for.

    A vortex is a line through the lens, the same after half a turn: its angle goes from 0 to pi alone.

    The some 75 numbers of a CDM image's sub-haloes are not drawn but told: less is unknown then than a network has to
    find, so that what comes out still bounds it.

    Args:
        physics: as :class:`lenssr.data.sets.simulated.SimulatedSource` has it.
        name: class, ``no_sub``, ``axion``, or ``cdm`` with its sub-haloes.
        told: sub-haloes of one image, (3, K): x, y and Einstein radius, arcsec.

    Attributes:
        names: of the coordinates; those of the set's parameters, and ``mass`` of the lens.
        periodic: which of them come round, bool (d,).
        normal: which of them are of a normal distribution, bool (d,).

    Raises:
        ConfigError: a distribution has no inverse here.
    """

    def __init__(self, physics: Mapping[str, Any], name: str, told: np.ndarray | None = None) -> None:
        self.told = np.zeros((3, 0)) if told is None else told
        self.physics, self.axion = physics, physics["axion"] if name == "axion" else None
        nodes = {("lens_" + k if k in ("x", "y") else k): v for k, v in physics["macro"].items()}
        nodes |= {f"source_{k}": v for k, v in physics["source"].items()}
        if self.axion:
            nodes |= {"log10_axion_mass": self.axion["log10_mass"], "vortex_angle": {"uniform": [0.0, np.pi]}}
        self.fixed = {key: float(value) for key, value in nodes.items() if not isinstance(value, Mapping)}
        self.free = {key: value for key, value in nodes.items() if isinstance(value, Mapping)}
        for key, value in self.free.items():
            if next(iter(value)) not in _INVERSES:
                raise ConfigError(f"{key}: the distribution '{next(iter(value))}' cannot be inverted.")
        self.names = list(self.free)
        self.periodic = np.array([key == "vortex_angle" for key in self.names], bool)
        self.normal = np.array(["normal" in self.free[key] for key in self.names], bool)

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Return what the places of :meth:`unwalled` lie between, (d,) each, infinite where nothing bounds them."""
        free = self.normal | self.periodic
        return np.where(free, -np.inf, 0.0), np.where(free, np.inf, 1.0)

    def log_normal(self, places: np.ndarray) -> np.ndarray:
        """Return the logarithm of the prior of the normal coordinates of places (..., d), but for a constant."""
        return -0.5 * np.where(self.normal, np.square(places), 0.0).sum(-1)

    def unwalled(self, points: np.ndarray) -> np.ndarray:
        """Return points with their normal coordinates in standard deviations from the mean, the others as they are.

        A step of one size means as much there everywhere, where the unit cube squeezes a normal's tails to its walls.
        """
        return np.where(self.normal, _normal((0.0, 1.0), points), points)

    def walled(self, places: np.ndarray) -> np.ndarray:
        """Return the points of the unit cube again: the inverse of :meth:`unwalled`."""
        return np.where(self.normal, _normal_place((0.0, 1.0), places), places)

    def columns(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """Return the numbers that points (n, d) stand for, (n,) each."""
        values: dict[str, np.ndarray] = {key: np.full(len(points), value) for key, value in self.fixed.items()}
        for key, place in zip(self.names, points.T, strict=True):
            ((kind, argument),) = self.free[key].items()
            values[key] = _INVERSES[kind](argument, place)
        if "theta_E" not in values:
            values["theta_E"] = einstein_radius(values["mass"], self.physics["cosmology"])
        return values

    def places(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return where parameters lie in the unit cube, (n, d): the inverse of :meth:`columns`.

        Args:
            columns: (n,) each, as a set has them: an Einstein radius stands for the lens's mass.
        """
        found = []
        for key in self.names:
            ((kind, argument),) = self.free[key].items()
            values = np.asarray(columns["theta_E" if key == "mass" else key], float)
            if key == "mass":
                values = (values / einstein_radius(1.0, self.physics["cosmology"])) ** 2
            found.append(_FORWARDS[kind](argument, values % np.pi if key == "vortex_angle" else values))
        return np.stack(found, axis=1)

    def parameters(self, points: np.ndarray) -> dict[str, Tensor]:
        """Return the same as :func:`lenssr.data.sky.lensing.render` takes them."""
        values = self.columns(points)
        found = {key: torch.from_numpy(value.astype(np.float32)) for key, value in values.items()}
        for name, value in zip(("x", "y", "theta_E"), self._masses(values), strict=True):
            found[f"subhalo_{name}"] = torch.from_numpy(value.astype(np.float32))
        return found

    def _masses(self, values: Mapping[str, np.ndarray]) -> Sequence[np.ndarray]:
        """Return x, y and Einstein radius of the point masses, (n, K) each."""
        if not self.axion:
            return [np.repeat(row[None], len(values["theta_E"]), 0) for row in self.told]
        count, angle = self.axion["points"], values["vortex_angle"][:, None]
        half = self.axion["length_at_1e-22"] * 10.0 ** (-22.0 - values["log10_axion_mass"])
        along = half[:, None] * np.linspace(-1, 1, count)
        radius = float(einstein_radius(self.axion["total_mass"] / count, self.physics["cosmology"]))
        x, y = along * np.cos(angle), along * np.sin(angle)
        return values["lens_x"][:, None] + x, values["lens_y"][:, None] + y, np.full_like(x, radius)


def _normal(argument: Any, place: np.ndarray) -> np.ndarray:
    from scipy.special import ndtri

    return np.asarray(argument[0] + argument[1] * ndtri(np.clip(place, 1e-12, 1 - 1e-12)))


def _normal_place(argument: Any, value: np.ndarray) -> np.ndarray:
    from scipy.special import ndtr

    return np.asarray(ndtr((value - argument[0]) / argument[1]))


_INVERSES = {
    "uniform": lambda a, u: a[0] + (a[1] - a[0]) * u,
    "log_uniform": lambda a, u: a[0] * (a[1] / a[0]) ** u,
    "normal": _normal,
}
_FORWARDS = {
    "uniform": lambda a, x: (x - a[0]) / (a[1] - a[0]),
    "log_uniform": lambda a, x: np.log(x / a[0]) / np.log(a[1] / a[0]),
    "normal": _normal_place,
}
