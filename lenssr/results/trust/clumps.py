"""Clumps of a source are put into scenes and looked for in a network's images: what contrast returns, of what size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lenssr.data.camera.detector import bin_sum
from lenssr.data.sky.parameters import sersic_flux
from lenssr.metrics.evaluation import bilinear
from lenssr.results.scenes import Scenes
from lenssr.system.progress import track

__all__ = ["SIGNALS", "SIZES", "contrasts", "smallest"]

SIZES = (0.1, 0.25, 0.5, 1.0, 2.0)  # half-light radii in the source plane, LR pixels
SIGNALS = (5.0, 15.0, 50.0)  # signal to noise of the clump's light in the LR image, against its sky alone
_INDEX = 0.5  # of the Sersic profile: a Gaussian
_HALF = 0.5


def contrasts(scenes: Scenes, table: pd.DataFrame, images: tuple[np.ndarray, np.ndarray | None]) -> pd.DataFrame:
    """Return a row a clump: what of it is in the network's image, and in the interpolated one.

    A clump shines in the source plane, within the source's half-light radius, and is lensed with it. The same exposure,
    to the photon noise, is taken with and without it: ``returned`` is the projection of the difference of the two
    images on the true difference, in units of that, 1 for an image that shows all of it. ``magnification`` is the
    clump's flux in the image over that in the source plane.

    Args:
        scenes: of the run.
        table: the lenses, a clump each.
        images: their noise-free light, see :meth:`lenssr.results.scenes.Scenes.light`.
    """
    without = scenes.observe(table, *images)
    before = {name: image(scenes, without) for name, image in _IMAGES.items()}
    found = []
    with track("clumps", len(SIZES) * len(SIGNALS), "kinds") as advance:
        for size in SIZES:
            hr, lr, magnification = _clumps(scenes, table, size)
            for signal in SIGNALS:
                factor = _strength(scenes, hr, lr, signal)
                light = images[0] + factor * hr, None if lr is None or images[1] is None else images[1] + factor * lr
                batch = scenes.observe(table, *light)
                true = batch["flux"] - without["flux"]
                row = {
                    name: _projected(image(scenes, batch) - before[name], true).numpy()
                    for name, image in _IMAGES.items()
                }
                found.append(
                    pd.DataFrame({"lens": range(len(table)), "size": size, "signal": signal, **row}).assign(
                        magnification=magnification
                    )
                )
                advance(1)
    return pd.concat(found, ignore_index=True)


def _network(scenes: Scenes, batch: Any) -> Tensor:
    return torch.cat([scenes.task.upscale(part) for part in batch["lr"].split(8)])


_IMAGES = {"returned": _network, "bilinear": lambda scenes, batch: bilinear(batch)}


def _projected(made: Tensor, true: Tensor) -> Tensor:
    return (made.double() * true).sum((1, 2, 3)) / true.double().square().sum((1, 2, 3))


def _clumps(scenes: Scenes, table: pd.DataFrame, size: float) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Return the light of lensed clumps of any strength, and their magnifications."""
    rng, count = np.random.default_rng(0), len(table)
    radius = size * scenes.pixel_scale * scenes.data.scale
    reach = np.asarray(table.get("source_radius", 0.25 * table["theta_E"]), float)
    angle, far = rng.uniform(0, 2 * np.pi, count), reach * np.sqrt(rng.uniform(0, 1, count))
    clump = {"radius": radius, "index": _INDEX, "e1": 0.0, "e2": 0.0, "amplitude": 1.0}
    chosen = table.assign(
        source_x=table["source_x"] + far * np.cos(angle),
        source_y=table["source_y"] + far * np.sin(angle),
        **{f"source_{name}": value for name, value in clump.items()},
    )
    hr, lr = scenes.light(chosen, alone=True)
    return hr, lr, hr.sum(axis=(1, 2)) / sersic_flux(radius, _INDEX)


def _strength(scenes: Scenes, hr: np.ndarray, lr: np.ndarray | None, signal: float) -> np.ndarray:
    """Return the factors (N, 1, 1) that give clumps their signal to noise in the LR image."""
    scale = scenes.data.scale
    low = bin_sum(torch.from_numpy(hr), scale).numpy() / scale**2 if lr is None else lr
    noise = scenes.data.unit * float(np.mean(scenes.seen.noise))
    factor: np.ndarray = signal * noise / np.sqrt(np.square(low).sum(axis=(1, 2), keepdims=True))
    return factor


def smallest(found: pd.DataFrame, name: str, signal: float) -> float | None:
    """Return the size of clump of which half is returned, LR pixels, between the sizes that were tried.

    None where not even the largest is; the smallest that was tried where all of them are.
    """
    means = found[found["signal"] == signal].groupby("size")[name].mean()
    sizes, values = means.index.to_numpy(float), means.to_numpy(float)
    enough = values >= _HALF
    if not enough[-1]:
        return None
    if enough.all():
        return float(sizes[0])
    low = int(np.flatnonzero(~enough)[-1])  # the largest that is not
    part = (_HALF - values[low]) / (values[low + 1] - values[low])
    return float(np.exp(np.log(sizes[low]) + part * np.log(sizes[low + 1] / sizes[low])))
