"""Galaxies to be lensed: real ones where the user has them, else a stand-in that needs no download.

The published Model IV lenses galaxies of Galaxy10 DECaLS (``Galaxy10_DECals.h5``, https://github.com/henrysky/Galaxy10).
The stand-in has what makes those hard to reconstruct and a Sérsic profile lacks: a bulge in a disc, spiral arms, and
clumps of star formation along them. Real galaxies are brought to one width; what noise they have is lensed too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenssr.data.sky.parameters import SPLITS
from lenssr.data.sky.stamps import SIDE, catalogue, folder
from lenssr.errors import ConfigError, DataError, did_you_mean

__all__ = ["Galaxies", "galaxies"]

_REAL = {"catalogue": catalogue, "folder": folder}


@dataclass(frozen=True)
class Galaxies:
    """Stamps of galaxies.

    Attributes:
        stamps: float32 (S, H, H), each with a sum of one, as image[row = y, column = x]; those of the training split
            first, then validation's, then the test's, as many each.
        width: of a stamp, in arcsec.
    """

    stamps: NDArray[np.float32]
    width: float


def galaxies(kind: str, width: float, count: int, seed: int, path: str | None = None) -> Galaxies:
    """Return galaxies to be lensed.

    Args:
        kind: ``stand_in``, ``galaxy10``, ``catalogue`` (GalSim's RealGalaxy) or ``folder`` (of FITS, .npy, .h5).
        width: of a stamp, in arcsec; the published one is 256 px of 0.0025 arcsec.
        count: how many for each split; no galaxy is in two of them.
        seed: of the stand-ins.
        path: of ``Galaxy10_DECals.h5``, the catalogue's .fits file, or the folder.

    Raises:
        ConfigError: the kind is unknown or its file is not there.
        DataError: the file is not what it should be, or holds too few galaxies.
    """
    total = len(SPLITS) * count
    if kind == "stand_in":
        stamps = np.stack([_stand_in(np.random.default_rng([seed, number])) for number in range(total)])
    elif kind == "galaxy10":
        stamps = _galaxy10(path, total)
    elif kind in _REAL:
        stamps = _REAL[kind](path, total)
    else:
        known = ["stand_in", "galaxy10", *_REAL]
        raise ConfigError(f"dataset.source.galaxies.kind={kind} is unknown. {did_you_mean(kind, known)}")
    stamps = np.clip(stamps, 0, None)
    return Galaxies((stamps / stamps.sum((1, 2), keepdims=True)).astype(np.float32), width)


def _stand_in(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw one spiral: exponential disc, Gaussian bulge, logarithmic arms, and clumps along them."""
    axis = np.linspace(-1, 1, SIDE)
    x, y = np.meshgrid(axis, axis / rng.uniform(0.4, 1.0))
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    scale, arms = rng.uniform(0.14, 0.22), rng.integers(2, 5)
    twist, phase = 1 / np.tan(np.radians(rng.uniform(12, 30))), rng.uniform(0, 2 * np.pi)
    wave = np.cos(arms * (angle - twist * np.log(radius + 0.02)) + phase)
    disc = np.exp(-radius / scale) * (1 + rng.uniform(0.3, 0.9) * wave * np.clip(radius / scale, 0, 1))
    bulge = rng.uniform(1, 4) * np.exp(-0.5 * (radius / (0.35 * scale)) ** 2)
    image = disc + bulge
    for _ in range(rng.integers(15, 45)):
        at = min(rng.exponential(2 * scale), 0.7)
        turn = (2 * np.pi * rng.integers(arms) - phase) / arms + twist * np.log(at + 0.02) + rng.normal(0, 0.15)
        distance = np.hypot(x - at * np.cos(turn), y - at * np.sin(turn))
        size = rng.uniform(0.012, 0.035)
        image += rng.lognormal(-1.2, 0.6) * np.exp(-at / (2 * scale)) * np.exp(-0.5 * (distance / size) ** 2)
    return image * (np.hypot(*np.meshgrid(axis, axis)) < 1)


def _galaxy10(path: str | None, count: int) -> NDArray[np.float64]:
    """Read nearby round-armed galaxies (class 6, redshift below 0.02), as the published simulator chooses them."""
    if path is None or not Path(path).is_file():
        raise ConfigError(
            f"dataset.source.galaxies.path={path} is no file; give Galaxy10_DECals.h5, or use "
            "dataset.source.galaxies.kind=stand_in."
        )
    try:
        import h5py
    except ImportError:
        raise ConfigError("Reading Galaxy10 needs h5py; install it with pip install h5py.") from None
    try:
        with h5py.File(path) as file:
            redshift = file["redshift"][:]
            chosen = np.flatnonzero((file["ans"][:] == 6) & (redshift > 0) & (redshift < 0.02))[:count]
            images = file["images"][chosen].astype(float).mean(-1)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"{path} cannot be read as Galaxy10_DECals.h5: {error}") from error
    if len(images) < count:
        raise DataError(
            f"{path} holds {len(images)} galaxies of class 6 with a redshift below 0.02; with "
            f"dataset.source.galaxies.count={len(images) // len(SPLITS)} every split has its own."
        )
    background: Any = np.median(images[:, :50, :50], axis=(1, 2), keepdims=True)
    return images - background
