"""One sky through every instrument: what each one's pixels, PSF and noise leave of a lens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lenssr.config.compose import compose, plain
from lenssr.config.groups import CONFIGS
from lenssr.data.camera.telescope import Telescope

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["figure", "looks", "telescopes"]

_RAY = 0.0125  # arcsec between rays, or finer
_COLUMNS = 3
_FAINT = 2.0  # sigma of the sky, where the stretch turns from linear to logarithmic


def telescopes() -> dict[str, Telescope]:
    """Return every instrument of ``configs/instrument``, the sharpest first."""
    from omegaconf import OmegaConf

    found = {}
    for path in (CONFIGS / "instrument").glob("*.yaml"):
        node: Any = OmegaConf.to_container(OmegaConf.load(path))
        found[path.stem] = Telescope.read(node, path.stem)
    return dict(sorted(found.items(), key=lambda pair: pair[1].psf.typical))


def sky(number: int, field: float) -> pd.DataFrame:
    """Return the parameters of a test sky, a row, with the flux of a zero point of 0."""
    from lenssr.data.sky.population import population

    physics: Mapping[str, Any] = plain(compose(["dataset=survey"]))["physics"]
    return population(physics, ["no_sub"], 0, "test", number + 1, 0.0, 0.0, field).iloc[[number]].copy()


def looks(row: pd.DataFrame, telescope: Telescope, field: float, seed: int = 0) -> tuple[np.ndarray, float]:
    """Return an exposure of a sky, counts a second and pixel (N, N), and the standard deviation of its empty pixels.

    Args:
        row: of :func:`sky`.
        telescope: that looks.
        field: width, arcsec.
        seed: of the noise.
    """
    import torch

    from lenssr.data.sets.simulated import as_tensors
    from lenssr.data.sets.survey import observed_by

    rng, size = np.random.default_rng(seed), round(field / telescope.pixel_scale)
    one = row.copy()
    for name in one.columns:
        if name.endswith(("_amplitude", "_flux")):
            one[name] *= float(telescope.counts(0.0))
    one["at_psf_fwhm"] = telescope.psf.typical
    rays = int(np.ceil(telescope.pixel_scale / _RAY))
    tensors = as_tensors(one, dtype=torch.float64)
    seen = observed_by(tensors, {"at": telescope}, size, telescope.pixel_scale, {"at": 1}, rays)["at"][0].numpy()
    electrons = telescope.time * telescope.gain
    reach = len(telescope.taps) // 2
    noise = rng.normal(size=(size + 2 * reach, size + 2 * reach))
    for axis in (0, 1):
        noise = np.apply_along_axis(np.convolve, axis, noise, telescope.taps, "valid")
    rms = telescope.typical()["background_rms"]
    return rng.poisson(seen * electrons) / electrons + noise * rms / telescope.softened, rms


def figure(path: Path, number: int, field: float = 8.0) -> Path:
    """Write the picture of a sky through all instruments, north up in none: x is to the right, y up.

    Args:
        path: of the PNG.
        number: of the test sky.
        field: width, arcsec.
    """
    from matplotlib.figure import Figure

    found, row = telescopes(), sky(number, field)
    rows = -(-len(found) // _COLUMNS)
    canvas = Figure(figsize=(3.1 * _COLUMNS, 3.45 * rows), layout="constrained")
    axes = canvas.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axis, (name, telescope) in zip(axes, found.items(), strict=False):
        image, rms = looks(row, telescope, field)
        half = len(image) * telescope.pixel_scale / 2
        shown = np.arcsinh(image / (_FAINT * rms))
        axis.imshow(
            shown, origin="lower", cmap="gray", vmin=-0.7, vmax=float(np.quantile(shown, 0.997)),
            extent=(-half, half, -half, half), interpolation="nearest",
        )  # fmt: skip
        axis.set_title(f"{name}\n{telescope.pixel_scale:g}″ pixels, PSF {telescope.psf.typical:.2g}″", fontsize=9)
        axis.plot([-half + 0.4, -half + 1.4], [-half + 0.45] * 2, color="white", linewidth=2)
        axis.text(-half + 0.9, -half + 0.6, "1″", color="white", ha="center", va="bottom", fontsize=8)
        axis.set_xticks([])
        axis.set_yticks([])
    for axis in axes[len(found) :]:
        axis.set_axis_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.savefig(path, dpi=110)
    return path
