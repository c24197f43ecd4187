"""Physical parameters of lens images, drawn by address: (seed, split, index) fixes every number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import gamma
from typing import Any

import numpy as np
import pandas as pd

from lenssr.data.sky import haloes
from lenssr.errors import ConfigError, did_you_mean

__all__ = ["SPLITS", "Scene", "add_substructure", "addressed", "draw", "einstein_radius", "sample", "sersic_flux"]

# a split's number is part of the address of its samples; never renumber
SPLITS = {"train": 0, "validation": 1, "test": 2}
_SUBHALO_COLUMNS = ("subhalo_x", "subhalo_y", "subhalo_theta_E")
# further columns; the rows of _SUBHALO_COLUMNS; scale radii, None where all are points
_Drawn = tuple[dict[str, float], np.ndarray, np.ndarray | None]


def draw(value: Any, rng: np.random.Generator, size: int | None = None) -> Any:
    """Draw from a distribution written as ``{name: arguments}``; a bare number is itself.

    Known names: ``constant``, ``uniform [low, high]``, ``log_uniform [low, high]``, ``normal [mean, std]``,
    ``lognormal [median, sigma of the logarithm]``, ``poisson mean``, ``disc [inner, outer]`` (a radius, uniform in
    area), ``power_law {slope, range}`` (density proportional to x^slope) and
    ``schechter {scale, slope, power}`` (density proportional to x^slope exp(-(x / scale)^power)).

    Raises:
        ConfigError: the distribution is not one of these.
    """
    if not isinstance(value, Mapping):
        return value if size is None else np.full(size, value)
    ((name, argument),) = value.items()
    if name not in _DISTRIBUTIONS:
        raise ConfigError(f"There is no distribution '{name}'. {did_you_mean(name, _DISTRIBUTIONS)}")
    return _DISTRIBUTIONS[name](argument, rng, size)


def _power_law(a: Any, rng: np.random.Generator, size: int | None) -> Any:
    slope, (low, high) = a["slope"] + 1.0, a["range"]
    if slope == 0.0:
        return np.exp(rng.uniform(np.log(low), np.log(high), size))
    start, end = low**slope, high**slope  # the end is the smaller one where the slope is negative
    return (start + (end - start) * rng.uniform(0.0, 1.0, size)) ** (1.0 / slope)


_DISTRIBUTIONS = {
    "constant": lambda a, rng, size: a if size is None else np.full(size, a),
    "uniform": lambda a, rng, size: rng.uniform(a[0], a[1], size),
    "log_uniform": lambda a, rng, size: np.exp(rng.uniform(np.log(a[0]), np.log(a[1]), size)),
    "normal": lambda a, rng, size: rng.normal(a[0], a[1], size),
    "lognormal": lambda a, rng, size: a[0] * np.exp(rng.normal(0.0, a[1], size)),
    "poisson": lambda a, rng, size: rng.poisson(a, size),
    "disc": lambda a, rng, size: np.sqrt(rng.uniform(a[0] ** 2, a[1] ** 2, size)),
    "power_law": _power_law,
    "schechter": lambda a, rng, size: (
        a["scale"] * rng.gamma((a["slope"] + 1.0) / a["power"], 1.0, size) ** (1.0 / a["power"])
    ),
}


@dataclass(frozen=True)
class _Cosmology:
    H0: float
    Om0: float
    z_lens: float
    z_source: float
    distances: str


@cache
def _unit_radius(cosmology: _Cosmology) -> float:
    from astropy import constants, units
    from astropy.cosmology import FlatLambdaCDM

    model = FlatLambdaCDM(H0=cosmology.H0, Om0=cosmology.Om0)
    lens, source = cosmology.z_lens, cosmology.z_source
    if cosmology.distances == "luminosity":
        d_l, d_s = model.luminosity_distance(lens), model.luminosity_distance(source)
        d_ls = d_s - d_l
    elif cosmology.distances == "angular_diameter":
        d_l, d_s = model.angular_diameter_distance(lens), model.angular_diameter_distance(source)
        # flat space: comoving distances subtract
        d_ls = (model.comoving_distance(source) - model.comoving_distance(lens)) / (1 + source)
    else:
        raise ConfigError(
            f"physics.cosmology.distances={cosmology.distances} is neither 'luminosity' nor 'angular_diameter'."
        )
    length = 4 * constants.G * units.M_sun / constants.c**2 * d_ls / (d_l * d_s)
    return float(np.sqrt(length.decompose().value) * units.rad.to(units.arcsec))


def einstein_radius(mass: Any, cosmology: Mapping[str, Any]) -> Any:
    """Return the Einstein radius in arcsec of a mass in solar masses.

    With ``distances: luminosity`` this is DeepLenseSim's formula, which uses luminosity distances and
    D_LS = D_S - D_L; with ``angular_diameter`` it is the physical one (e.g. Schneider et al. 2006, eq. 21).
    """
    return _unit_radius(_Cosmology(**cosmology)) * np.sqrt(mass)


@cache
def _two_plane_factor(cosmology: _Cosmology, convention: float = 2.5) -> float:
    from astropy.cosmology import FlatLambdaCDM

    model = FlatLambdaCDM(H0=cosmology.H0, Om0=cosmology.Om0)
    lens, source, far = (model.comoving_distance(z).value for z in (cosmology.z_lens, cosmology.z_source, convention))
    return float((source - lens) / source * far / (far - lens))  # (D_LS / D_S) over its value for the convention


@dataclass(frozen=True)
class Scene:
    """What a published model does beside drawing lens and source.

    Attributes:
        two_planes: the Einstein radii are meant for a source at redshift 2.5, as DeepLenseSim's Models II to IV hand
            them to lenstronomy; at redshift 1 every deflection shrinks by 0.634. Applies to ``distances: luminosity``
            alone: the physical radii are those of the source's own redshift.
        flux: total flux of the source, per unit time; None: the amplitude decides.
        galaxies: number of stamps that each split chooses its sources from, and no other; 0: a Sersic profile.
    """

    two_planes: bool = False
    flux: float | None = None
    galaxies: int = 0


def sample(
    physics: Mapping[str, Any],
    exposure_time: Any,
    classes: list[str],
    seed: int,
    split: str,
    count: int,
    scene: Scene | None = None,
    first: int = 0,
) -> pd.DataFrame:
    """Draw the parameters of ``count`` images of a split, one row an image, from the image ``first`` on.

    The classes take turns, so every stretch of the set is balanced. Angles are in radians counter-clockwise
    from +x, lengths in arcsec, ``exposure_time`` in the unit of the flux rate's time.
    Sub-haloes are list columns: ``subhalo_x``, ``subhalo_y``, ``subhalo_theta_E``, the Einstein radius of a point of
    the whole mass. Where ``physics.cdm.profile`` is ``tnfw`` they have a ``subhalo_scale`` too, the scale radius of a
    truncated halo or 0 for a point, and ``halo_truncation`` is the truncation radius of all in units of it.
    """
    rows, scene = [], scene or Scene()
    rng, at = addressed(seed, split)
    for index in range(first, first + count):
        at(index)
        name = classes[index % len(classes)]
        row = {"index": index, "class": name, **_one(physics, exposure_time, name, rng)}
        _stage(row, scene, physics["cosmology"], SPLITS[split], rng)
        rows.append(row)
    return pd.DataFrame(rows)


def addressed(seed: int, split: str, stream: int = 0) -> tuple[np.random.Generator, Callable[[int], None]]:
    """Return a generator, and what puts it to the beginning of an image's numbers; quicker than one for each image.

    Streams of different numbers share nothing; one that is in use is never renumbered.
    """
    counter = np.array([stream, 0, 0, 0], dtype=np.uint64)
    bits = np.random.Philox(key=np.array([seed, SPLITS[split]], dtype=np.uint64), counter=counter)
    state = bits.state

    def at(index: int) -> None:
        state["state"]["counter"][3] = index
        bits.state = state

    return np.random.Generator(bits), at


def _stage(
    row: dict[str, Any], scene: Scene, cosmology: Mapping[str, Any], split: int, rng: np.random.Generator
) -> None:
    """Apply a scene to a row, in place; what it draws comes after everything else."""
    if scene.two_planes and cosmology["distances"] == "luminosity":
        factor = _two_plane_factor(_Cosmology(**cosmology))
        for name in ("theta_E", "gamma1", "gamma2"):
            row[name] *= factor
        row["subhalo_theta_E"] = row["subhalo_theta_E"] * np.sqrt(factor)  # a point mass deflects by its square
    if scene.flux is not None:
        row["source_flux"] = scene.flux
        row["source_amplitude"] = scene.flux / sersic_flux(row["source_radius"], row["source_index"])
    if scene.galaxies:
        row["source_stamp"] = float(split * scene.galaxies + rng.integers(scene.galaxies))
        row["source_angle"] = float(rng.uniform(-np.pi, np.pi))


def sersic_flux(radius: float, n: float) -> float:
    """Return the total flux of a Sersic profile of amplitude 1 (Graham & Driver 2005, eq. 2)."""
    b = 1.9992 * n - 0.3271
    return float(2 * np.pi * n * radius**2 * np.exp(b) * b ** (-2 * n) * gamma(2 * n))


def _one(physics: Mapping[str, Any], exposure_time: Any, name: str, rng: np.random.Generator) -> dict[str, Any]:
    macro = {key: float(draw(value, rng)) for key, value in physics["macro"].items()}
    source = {f"source_{key}": float(draw(value, rng)) for key, value in physics["source"].items()}
    row: dict[str, Any] = {
        "theta_E": float(einstein_radius(macro["mass"], physics["cosmology"])),
        **{("lens_" + k if k in ("x", "y") else k): v for k, v in macro.items() if k != "mass"},  # theta_E, if given
        **source,
        "exposure_time": float(draw(exposure_time, rng)),
        "log10_axion_mass": float("nan"),
        "vortex_angle": float("nan"),
    }
    add_substructure(row, physics, name, rng)
    return row


def add_substructure(row: dict[str, Any], physics: Mapping[str, Any], name: str, rng: np.random.Generator) -> None:
    """Draw the substructure of a class and add it to a row, in place, about the lens's centre.

    Raises:
        ConfigError: there is no such class.
    """
    if name not in _SUBSTRUCTURE:
        raise ConfigError(f"There is no class '{name}'. {did_you_mean(name, _SUBSTRUCTURE)}")
    extra, points, scales = _SUBSTRUCTURE[name](physics, rng)
    points[0] += row["lens_x"]  # substructure is the lens's, wherever that lies
    points[1] += row["lens_y"]
    row.update(extra)
    row.update(zip(_SUBHALO_COLUMNS, points, strict=True))
    if physics.get("cdm", {}).get("profile") == "tnfw":  # one set has one kind of row, whatever its classes
        row["subhalo_scale"] = np.zeros(points.shape[1]) if scales is None else scales
        row["halo_truncation"] = float(physics["cdm"]["truncation"])


def _no_sub(physics: Mapping[str, Any], rng: np.random.Generator) -> _Drawn:
    return {}, np.zeros((3, 0)), None


def _axion(physics: Mapping[str, Any], rng: np.random.Generator) -> _Drawn:
    axion = physics["axion"]
    log10_mass, angle = float(draw(axion["log10_mass"], rng)), float(draw(axion["angle"], rng))
    half_length = axion["length_at_1e-22"] * 10.0 ** (-22.0 - log10_mass)
    along = np.linspace(-half_length, half_length, axion["points"])
    radius = einstein_radius(axion["total_mass"] / axion["points"], physics["cosmology"])
    points = np.stack([along * np.cos(angle), along * np.sin(angle), np.full_like(along, radius)])
    return {"log10_axion_mass": log10_mass, "vortex_angle": angle}, points, None


def _cdm(physics: Mapping[str, Any], rng: np.random.Generator) -> _Drawn:
    profile = physics["cdm"].get("profile", "point")
    if profile not in _PROFILES:
        raise ConfigError(f"There is no physics.cdm.profile '{profile}'. {did_you_mean(profile, _PROFILES)}")
    return _PROFILES[profile](physics, rng)


def _points(physics: Mapping[str, Any], rng: np.random.Generator) -> _Drawn:
    cdm = physics["cdm"]
    count = int(draw(cdm["count"], rng))
    masses = draw(cdm["mass"], rng, count)
    radius, angle = draw(cdm["radius"], rng, count), rng.uniform(0.0, 2.0 * np.pi, count)
    theta = einstein_radius(masses, physics["cosmology"])
    return {}, np.stack([radius * np.cos(angle), radius * np.sin(angle), theta]), None


def _haloes(physics: Mapping[str, Any], rng: np.random.Generator) -> _Drawn:
    """Draw truncated haloes, the heaviest first, as rendering wants them."""
    cdm, cosmology = physics["cdm"], physics["cosmology"]
    count = int(rng.poisson(haloes.mean_number(float(draw(cdm["sigma_sub"], rng)), cdm, cosmology)))
    masses = np.sort(draw({"power_law": {"slope": cdm["slope"], "range": cdm["range"]}}, rng, count))[::-1]
    radius, angle = draw({"disc": [0.0, cdm["radius"]]}, rng, count), rng.uniform(0.0, 2.0 * np.pi, count)
    theta = einstein_radius(haloes.total_mass(masses, cdm["truncation"], cosmology), cosmology)
    places = np.stack([radius * np.cos(angle), radius * np.sin(angle), theta])
    return {}, places, haloes.scale_radius(masses, cosmology)


_PROFILES = {"point": _points, "tnfw": _haloes}
_SUBSTRUCTURE = {"no_sub": _no_sub, "axion": _axion, "cdm": _cdm}
