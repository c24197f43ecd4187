"""Galaxies that are taken for lenses: one with a companion, a spiral, a ring, a merger; or a stamp of a galaxy.

An impostor is the field of a lens, its galaxy, neighbour and star, without the mass and the source. What the arcs
would have given is given by a feature of the same flux: light along a logarithmic spiral about the galaxy (an arm, a
tail; with no pitch and a whole turn a ring) and a Sersic profile (a disc, a companion). So neither brightness nor field
tells a lens from an impostor.

Conventions are those of :mod:`lenssr.data.sky.lensing`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lenssr.data.sky.galaxies import Galaxies
from lenssr.data.sky.lensing import sersic, stamps
from lenssr.data.sky.parameters import addressed, draw, sersic_flux
from lenssr.data.sky.scene import brightness
from lenssr.errors import ConfigError, did_you_mean

__all__ = ["KINDS", "impostors", "sky"]

_BLOBS = 128  # round Gaussians that a spiral is made of
_ROWS = 48  # of rays that are worked on at once
_FLATTEST = 0.8  # largest ellipticity of a companion
_SPIRAL = ("radius", "width", "angle", "pitch", "span", "arms", "axis_ratio", "tilt", "clumps", "phase")
_SERSIC = ("x", "y", "e1", "e2", "radius", "index", "amplitude")


def sky(parameters: Mapping[str, Tensor], axis: Tensor, supersampling: int, galaxies: Galaxies | None = None) -> Tensor:
    """Return surface brightness at the rays, of lenses and of impostors, flux / arcsec^2 / unit time, (B, M, M).

    Args:
        parameters: of :func:`lenssr.data.sky.scene.brightness`, and the columns of :func:`impostors`.
        axis: coordinates of the rays along a side, arcsec (M,).
        supersampling: rays along a side of a pixel.
        galaxies: see :func:`lenssr.data.sky.scene.brightness`.
    """
    theirs = parameters["feature_flux"] > 0
    found = axis.new_empty(len(theirs), len(axis), len(axis))
    kinds: list[tuple[Tensor, Callable[..., Tensor]]] = [(~theirs, brightness), (theirs, _unlensed)]
    for some, light in kinds:
        if bool(some.any()):
            found[some] = light(
                {name: value[some] for name, value in parameters.items()}, axis, supersampling, galaxies
            )
    return found


def _unlensed(parameters: Mapping[str, Tensor], axis: Tensor, _: int, galaxies: Galaxies | None) -> Tensor:
    """Return the brightness of galaxies with their features and neighbours."""
    p = {name: value.view(-1, 1, 1) for name, value in parameters.items() if value.ndim == 1}
    found = _spirals(parameters, axis)
    x = axis.view(1, 1, -1)
    for start in range(0, len(axis), _ROWS):
        rows = slice(start, start + _ROWS)
        y = axis[rows].view(1, -1, 1)
        for name in ("deflector", "neighbour", "companion"):
            some = parameters[f"{name}_amplitude"] > 0
            if bool(some.any()):
                own = {f"{name}_{key}": p[f"{name}_{key}"][some] for key in _SERSIC}
                found[some, rows] += sersic(own, x, y, name)
        some = parameters["stamp_width"] > 0
        if bool(some.any()) and galaxies is not None:
            found[some, rows] += _stamped({name: value[some] for name, value in p.items()}, x, y, galaxies)
    return found


def _stamped(p: Mapping[str, Tensor], x: Tensor, y: Tensor, galaxies: Galaxies) -> Tensor:
    """Return the brightness of stamps as wide as ``stamp_width``, in arcsec, about the galaxies."""
    zoom = galaxies.width / p["stamp_width"]
    own = {**p, "source_x": 0 * zoom, "source_y": 0 * zoom, "source_flux": p["feature_flux"] * zoom**2}
    return stamps(own, (x - p["deflector_x"]) * zoom, (y - p["deflector_y"]) * zoom, galaxies)


def _spirals(parameters: Mapping[str, Tensor], axis: Tensor) -> Tensor:
    """Return the brightness of arms, tails and rings (B, M, M): round Gaussians, whose flux is exact, on a curve."""
    p = {name: parameters[f"feature_{name}"].unsqueeze(1) for name in (*_SPIRAL, "curve_flux")}
    number = torch.arange(_BLOBS, device=axis.device, dtype=axis.dtype).unsqueeze(0)
    arm = number % p["arms"]
    t = (torch.div(number, p["arms"], rounding_mode="floor") + 0.5) * p["arms"] / _BLOBS * p["span"]
    turn = p["pitch"].tan() * (t - 0.5 * p["span"])
    radius = p["radius"] * turn.exp()
    angle = p["angle"] + t + 2 * math.pi * arm / p["arms"]
    weight = radius * (1 + p["clumps"] * (3 * t + p["phase"]).cos()) * (-(radius / p["radius"])).exp()
    weight = weight / weight.sum(1, keepdim=True) * p["curve_flux"]
    u, v = radius * angle.cos(), radius * angle.sin() * p["axis_ratio"]
    cos, sin = p["tilt"].cos(), p["tilt"].sin()
    across, up = (
        torch.exp(-0.5 * ((axis - place.unsqueeze(-1)) / p["width"].unsqueeze(-1)).square())
        for place in (
            parameters["deflector_x"].unsqueeze(1) + cos * u - sin * v,
            parameters["deflector_y"].unsqueeze(1) + sin * u + cos * v,
        )
    )
    height = (weight / (2 * math.pi * p["width"].square())).unsqueeze(-1)
    return torch.bmm((up * height).transpose(1, 2), across)


def impostors(
    node: Mapping[str, Any], table: pd.DataFrame, flux: np.ndarray, seed: int, split: str, zero_point: float
) -> pd.DataFrame:
    """Draw what impostors have instead of arcs, one row a row of ``table``; 0 and no kind where a row stays a lens.

    Columns: ``kind``; ``feature_flux`` in units of the zero point and ``feature_magnitude``; ``feature_...`` of the
    light along the spiral, whose part of the flux is ``feature_curve_flux``; ``companion_...``, a Sersic profile with
    the rest; ``stamp_width``. Lengths in arcsec, angles in radians.

    Args:
        node: ``dataset.source.impostors``: ``kinds`` in turns and the distributions of their numbers.
        table: of :func:`lenssr.data.sky.population.population`.
        flux: of each row's feature (N,); 0 for a row that stays a lens.
        seed: of the sky.
        split: its name.
        zero_point: magnitude of one unit of flux.

    Raises:
        ConfigError: there is no such kind.
    """
    kinds = list(node["kinds"])
    for name in kinds:
        if name not in KINDS:
            raise ConfigError(f"dataset.source.impostors.kinds: there is no '{name}'. {did_you_mean(name, KINDS)}")
    rows: list[dict[str, Any]] = []
    rng, at = addressed(seed, split, stream=3)
    count = 0
    for place, light in enumerate(flux):
        row = table.iloc[place]
        found: dict[str, Any] = {**_NOTHING, "feature_flux": float(light), "feature_magnitude": float("nan")}
        if light > 0:
            at(int(row["index"]))
            found["kind"] = kinds[count % len(kinds)]
            found["feature_magnitude"] = float(zero_point - 2.5 * np.log10(light))
            found |= KINDS[found["kind"]](node, row, float(light), rng)
            count += 1
        rows.append(found)
    return pd.DataFrame(rows)


_NOTHING: dict[str, Any] = {
    "kind": "lens",
    **{f"feature_{name}": 1.0 if name in ("radius", "width", "arms") else 0.0 for name in _SPIRAL},
    "feature_curve_flux": 0.0,
    **{f"companion_{name}": 1.0 if name in ("radius", "index") else 0.0 for name in _SERSIC},
    "stamp_width": 0.0,
}


def _plane(node: Mapping[str, Any], row: pd.Series, rng: np.random.Generator) -> dict[str, float]:
    """Draw where a feature lies about its galaxy."""
    radius = float(draw(node["radius"], rng)) * row["theta_E"]
    return {
        "feature_radius": radius,
        "feature_width": min(float(draw(node["width"], rng)), 0.4 * radius),
        "feature_angle": float(rng.uniform(0, 2 * np.pi)),
        "feature_axis_ratio": float(draw(node["axis_ratio"], rng)),
        "feature_tilt": float(rng.uniform(0, np.pi)),
        "feature_clumps": float(draw(node["clumps"], rng)),
        "feature_phase": float(rng.uniform(0, 2 * np.pi)),
    }


def _galaxy(
    node: Mapping[str, Any], flux: float, x: float, y: float, rng: np.random.Generator, radius: float | None = None
) -> dict[str, float]:
    """Draw a Sersic profile at a place; with a radius it is a disc."""
    size = float(draw(node["radius"], rng)) if radius is None else radius
    index = float(draw(node["index"], rng)) if radius is None else 1.0
    e1, e2 = (float(draw(node["ellipticity"], rng)) for _ in range(2))
    shrink = min(1.0, _FLATTEST / max(float(np.hypot(e1, e2)), 1e-9))
    found = {"x": x, "y": y, "e1": shrink * e1, "e2": shrink * e2, "radius": size, "index": index}
    found["amplitude"] = flux / sersic_flux(size, index)
    return {f"companion_{name}": value for name, value in found.items()}


def _around(row: pd.Series, found: Mapping[str, float], radius: float, angle: float) -> tuple[float, float]:
    """Return the place at a radius and an angle in the plane of a feature."""
    u, v = radius * np.cos(angle), radius * np.sin(angle) * found["feature_axis_ratio"]
    cos, sin = np.cos(found["feature_tilt"]), np.sin(found["feature_tilt"])
    return row["deflector_x"] + float(cos * u - sin * v), row["deflector_y"] + float(sin * u + cos * v)


def _companion(node: Mapping[str, Any], row: pd.Series, flux: float, rng: np.random.Generator) -> dict[str, float]:
    """An elliptical, and a galaxy where an arc could be."""
    found = _plane(node, row, rng)
    place = _around(row, found, found["feature_radius"], found["feature_angle"])
    return found | _galaxy(node["companion"], flux, *place, rng)


def _spiral(node: Mapping[str, Any], row: pd.Series, flux: float, rng: np.random.Generator) -> dict[str, float]:
    """A bulge, logarithmic arms and a disc."""
    found = _plane(node, row, rng)
    found["feature_arms"] = float(rng.integers(2, 4))
    sense = 1 if rng.uniform() < 0.5 else -1
    found["feature_pitch"] = sense * float(np.radians(draw(node["pitch"], rng)))
    found["feature_span"] = float(draw(node["arms"], rng))
    disc = float(draw(node["disc"], rng))
    found["feature_curve_flux"] = (1 - disc) * flux
    found |= _galaxy(
        node["companion"], disc * flux, row["deflector_x"], row["deflector_y"], rng, found["feature_radius"]
    )
    q = (1 - found["feature_axis_ratio"]) / (1 + found["feature_axis_ratio"])
    turn = 2 * found["feature_tilt"]
    return found | {"companion_e1": float(q * np.cos(turn)), "companion_e2": float(q * np.sin(turn))}


def _ring(node: Mapping[str, Any], row: pd.Series, flux: float, rng: np.random.Generator) -> dict[str, float]:
    """A ring about a bulge, as of Hoag's object or after a collision."""
    found = _plane(node, row, rng)
    return found | {"feature_span": 2 * np.pi, "feature_arms": 1.0, "feature_curve_flux": flux}


def _merger(node: Mapping[str, Any], row: pd.Series, flux: float, rng: np.random.Generator) -> dict[str, float]:
    """A companion, and a tidal tail that begins where it is."""
    found = _plane(node, row, rng)
    sense = 1 if rng.uniform() < 0.5 else -1
    pitch, span = float(np.radians(draw(node["pitch"], rng))), float(draw(node["tail"], rng))
    found |= {"feature_arms": 1.0, "feature_pitch": sense * pitch, "feature_span": span}
    part = float(draw(node["disc"], rng))
    found["feature_curve_flux"] = (1 - part) * flux
    begin = found["feature_radius"] * float(np.exp(-0.5 * np.tan(sense * pitch) * span))
    place = _around(row, found, begin, found["feature_angle"])
    return found | _galaxy(node["companion"], part * flux, *place, rng)


def _stamp(node: Mapping[str, Any], row: pd.Series, flux: float, rng: np.random.Generator) -> dict[str, float]:
    """A galaxy out of ``dataset.source.galaxies``, a stand-in or a real one, as it is."""
    found = _plane(node, row, rng)
    return found | {"stamp_width": float(draw(node["stamp"], rng)) * found["feature_radius"]}


_Kind = Callable[[Mapping[str, Any], pd.Series, float, np.random.Generator], dict[str, float]]
KINDS: dict[str, _Kind] = {
    "companion": _companion, "spiral": _spiral, "ring": _ring, "merger": _merger, "stamp": _stamp,
}  # fmt: skip
