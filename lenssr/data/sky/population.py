"""Lenses as surveys find them: redshifts, velocity dispersions, light and sources drawn from published distributions.

An Einstein radius follows from a velocity dispersion and angular-diameter distances, as of a singular isothermal
sphere, theta_E = 4 pi (sigma / c)^2 D_LS / D_S; a lens's light follows from the same dispersion and redshift by the
Faber-Jackson and size-luminosity relations. ``configs/physics/survey.yaml`` has the distributions and their sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from lenssr.data.sky.parameters import SPLITS, add_substructure, addressed, draw, sersic_flux
from lenssr.errors import ConfigError

__all__ = ["angular_diameter_distance", "population", "sis_radius"]

_TRIES = 10_000  # of a lens whose Einstein radius is in range
_LIGHT_SPEED = 299_792.458  # km / s
_ARCSEC = np.degrees(1) * 3600
_FARTHEST, _NODES = 12.0, 4096  # redshift, nodes of the table of distances
_FLATTEST = 0.8  # largest ellipticity, an axis ratio of 0.11


@cache
def _comoving(H0: float, Om0: float) -> tuple[np.ndarray, np.ndarray]:
    """Return redshifts and comoving distances in Mpc."""
    from astropy.cosmology import FlatLambdaCDM

    z = np.linspace(0.0, _FARTHEST, _NODES)
    return z, FlatLambdaCDM(H0=H0, Om0=Om0).comoving_distance(z).value


def angular_diameter_distance(z: float, cosmology: Mapping[str, Any], before: float = 0.0) -> float:
    """Return the angular-diameter distance in Mpc of redshift ``z`` as seen from redshift ``before``; flat space."""
    nodes, distance = _comoving(float(cosmology["H0"]), float(cosmology["Om0"]))
    return float((np.interp(z, nodes, distance) - np.interp(before, nodes, distance)) / (1 + z))


def sis_radius(sigma: float, z_lens: float, z_source: float, cosmology: Mapping[str, Any]) -> float:
    """Return 4 pi (sigma / c)^2 D_LS / D_S in arcsec, of a dispersion in km / s."""
    ratio = angular_diameter_distance(z_source, cosmology, z_lens) / angular_diameter_distance(z_source, cosmology)
    return float(4 * np.pi * (sigma / _LIGHT_SPEED) ** 2 * ratio * _ARCSEC)


def population(
    physics: Mapping[str, Any],
    classes: list[str],
    seed: int,
    split: str,
    count: int,
    zero_point: float,
    pixel: float,
    field: float,
    galaxies: int = 0,
) -> pd.DataFrame:
    """Draw the parameters of the first ``count`` skies of a split, one row a sky, classes in turns.

    Lengths are in arcsec, angles in radians counter-clockwise from +x. The columns of
    :func:`lenssr.data.sky.parameters.sample`, and ``z_lens``, ``z_source``, ``velocity_dispersion`` in km / s, the
    ``slope`` of the density, ``deflector_...`` of the lens's light, ``neighbour_...`` and ``star_...``: their amplitude
    and flux are 0, and their magnitudes NaN, where there is none.

    Args:
        physics: ``configs/physics/survey.yaml``.
        classes: of substructure.
        seed: of the sky.
        split: its name.
        count: of skies.
        zero_point: magnitude of one unit of flux.
        pixel: of the coarser camera, arcsec, within which a lens lies anywhere.
        field: width in arcsec, within which neighbours and stars lie.
        galaxies: stamps that each split chooses its sources from; 0: Sersic profiles.
    """
    if "deflector" not in physics:
        raise ConfigError(f"physics={physics.get('name')} has no lens light; dataset=survey needs physics=survey.")
    rows = []
    rng, at = addressed(seed, split, stream=1)
    for index in range(count):
        at(index)
        name = classes[index % len(classes)]
        row = _one(physics, zero_point, pixel, field, rng)
        cosmology = {**physics["cosmology"], "z_lens": round(row["z_lens"], 2), "z_source": round(row["z_source"], 2)}
        row |= {"log10_axion_mass": float("nan"), "vortex_angle": float("nan")}
        add_substructure(row, {**physics, "cosmology": cosmology}, name, rng)
        if galaxies:
            row["source_stamp"] = float(SPLITS[split] * galaxies + rng.integers(galaxies))
            row["source_angle"] = float(rng.uniform(-np.pi, np.pi))
        rows.append({"index": index, "class": name, **row})
    return pd.DataFrame(rows)


def _one(
    physics: Mapping[str, Any], zero_point: float, pixel: float, field: float, rng: np.random.Generator
) -> dict[str, Any]:
    lens, cosmology = physics["lens"], physics["cosmology"]
    row = _halo(lens, cosmology, rng)
    row |= {f"lens_{axis}": float(rng.uniform(-0.5, 0.5) * pixel) for axis in "xy"}  # the dither
    row |= _deflector(physics["deflector"], row, cosmology, zero_point, rng)
    for part in ("e1", "e2"):
        row[part] = row[f"deflector_{part}"] + float(draw(lens["misalignment"], rng))
    _rounder(row, "")
    row |= {name: float(draw(lens[name], rng)) for name in ("slope", "gamma1", "gamma2")}
    row |= _sersic("source", physics["source"], zero_point, rng)
    radius, angle = row["theta_E"] * float(draw(physics["source"]["offset"], rng)), rng.uniform(0, 2 * np.pi)
    row["source_x"] = row["lens_x"] + float(radius * np.cos(angle))
    row["source_y"] = row["lens_y"] + float(radius * np.sin(angle))
    for name in ("neighbour", "star"):
        there = bool(rng.uniform() < physics[name]["probability"])
        place = {f"{name}_{axis}": float(rng.uniform(-0.5, 0.5) * field) for axis in "xy"}
        if name == "neighbour":
            found = _sersic(name, physics[name], zero_point, rng)
            found["neighbour_amplitude"] *= there
        else:
            found = {"star_magnitude": float(draw(physics[name]["magnitude"], rng))}
            found["star_flux"] = _flux(found["star_magnitude"], zero_point) * there
        found[f"{name}_magnitude"] = found[f"{name}_magnitude"] if there else float("nan")
        row |= place | found
    return row


def _halo(lens: Mapping[str, Any], cosmology: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Draw redshifts and dispersion until the Einstein radius is one that the survey sees."""
    low, high = lens["theta_E"]
    for _ in range(_TRIES):
        z_lens, z_source = float(draw(lens["redshift"], rng)), float(draw(lens["source_redshift"], rng))
        sigma = float(draw(lens["velocity_dispersion"], rng))
        if not 0.05 < z_lens < z_source - 0.1 < _FARTHEST - 0.1:
            continue
        theta = sis_radius(sigma, z_lens, z_source, cosmology)
        if low <= theta <= high:
            return {"theta_E": theta, "z_lens": z_lens, "z_source": z_source, "velocity_dispersion": sigma}
    raise ConfigError(
        f"physics.lens.theta_E={[low, high]} arcsec: none of {_TRIES} lenses has such an Einstein radius; give a wider "
        "range, as [0.5, 2.5]."
    )


def _deflector(
    light: Mapping[str, Any],
    row: Mapping[str, Any],
    cosmology: Mapping[str, Any],
    zero_point: float,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return the light of a lens: L ~ sigma^4 and R ~ L^slope, each with its scatter, at its redshift."""
    distance = angular_diameter_distance(row["z_lens"], cosmology)
    brighter = 10 * np.log10(row["velocity_dispersion"] / 200) + float(draw(light["scatter"], rng))
    modulus = 5 * np.log10(distance * (1 + row["z_lens"]) ** 2 * 1e5)
    magnitude = light["absolute_magnitude"] - brighter + modulus + light["dimming"] * row["z_lens"]
    kpc = light["radius"] * 10 ** (0.4 * light["radius_slope"] * brighter + float(draw(light["radius_scatter"], rng)))
    found: dict[str, Any] = {
        "deflector_x": row["lens_x"],
        "deflector_y": row["lens_y"],
        "deflector_radius": float(kpc / (distance * 1e3) * _ARCSEC),
        "deflector_index": float(draw(light["index"], rng)),
        "deflector_magnitude": float(magnitude),
        **{f"deflector_{part}": float(draw(light["ellipticity"], rng)) for part in ("e1", "e2")},
    }
    _rounder(found, "deflector_")
    return found | _amplitude("deflector", found, zero_point)


def _sersic(name: str, node: Mapping[str, Any], zero_point: float, rng: np.random.Generator) -> dict[str, Any]:
    """Draw a galaxy of a given magnitude, radius, index and ellipticity."""
    found: dict[str, Any] = {f"{name}_{key}": float(draw(node[key], rng)) for key in ("magnitude", "radius", "index")}
    found |= {f"{name}_{part}": float(draw(node["ellipticity"], rng)) for part in ("e1", "e2")}
    _rounder(found, f"{name}_")
    return found | _amplitude(name, found, zero_point)


def _amplitude(name: str, found: Mapping[str, Any], zero_point: float) -> dict[str, Any]:
    flux = _flux(found[f"{name}_magnitude"], zero_point)
    unit = sersic_flux(found[f"{name}_radius"], found[f"{name}_index"])
    return {f"{name}_flux": flux, f"{name}_amplitude": flux / unit}


def _flux(magnitude: float, zero_point: float) -> float:
    return float(10 ** (-0.4 * (magnitude - zero_point)))


def _rounder(row: dict[str, Any], prefix: str) -> None:
    """Bring an ellipticity that is none below the largest, in place."""
    size = float(np.hypot(row[f"{prefix}e1"], row[f"{prefix}e2"]))
    if size > _FLATTEST:
        for part in ("e1", "e2"):
            row[f"{prefix}{part}"] *= _FLATTEST / size
