"""What a network makes of nothing, where its image leaves the truth, and which LR pixels a pixel of it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lenssr.metrics.evaluation import bilinear
from lenssr.results.scenes import Scenes

__all__ = ["Attribution", "attribution", "departures", "of_nothing"]

_SIGNIFICANT = 3.0  # times the HR noise: brighter pixels of an image of nothing look like something


def of_nothing(scenes: Scenes, table: pd.DataFrame, shape: tuple[int, int]) -> dict[str, dict[str, float]]:
    """Return what networks' and interpolated images of empty sky hold, of ``network`` and ``bilinear``.

    ``rms`` and ``brightest``, in units of the HR noise, means over images; ``blobs``, connected groups of pixels above
    three times that noise, an image.

    Args:
        scenes: of the run.
        table: whose exposure times and noise the images have.
        shape: of HR images.
    """
    from scipy.ndimage import label

    empty = np.zeros((len(table), *shape), np.float32)
    batch = scenes.observe(table, empty, empty[:, :: scenes.data.scale, :: scenes.data.scale])
    sigma, found = batch["variance"].sqrt(), {}
    for name, image in (("network", scenes.task.upscale(batch["lr"])), ("bilinear", bilinear(batch))):
        apart = ((image - batch["truth"]) / sigma)[:, 0].numpy()
        found[name] = {
            "rms": float(np.sqrt(np.square(apart).mean(axis=(1, 2))).mean()),
            "brightest": float(np.abs(apart).max(axis=(1, 2)).mean()),
            "blobs": float(np.mean([label(one > _SIGNIFICANT)[1] for one in apart])),
        }
    return found


def departures(image: Tensor, other: Tensor, batch: Any) -> dict[str, np.ndarray]:
    """Return where images leave the truth, in units of the HR noise, (N, H, W) each.

    ``hallucination``: too bright, ``omission``: too faint, both where the other image is nearer to the truth;
    ``improvement``: by how much it is nearer than the other.

    Args:
        image: the network's, (N, 1, H, W).
        other: the interpolated one.
        batch: with truth and variance.
    """
    sigma = batch["variance"].sqrt()
    mine, theirs = (((one - batch["truth"]) / sigma)[:, 0].numpy() for one in (image, other))
    worse = np.abs(mine) > np.abs(theirs)
    return {
        "hallucination": np.where(worse, mine.clip(min=0), 0),
        "omission": np.where(worse, (-mine).clip(min=0), 0),
        "improvement": np.abs(theirs) - np.abs(mine),
    }


@dataclass(frozen=True)
class Attribution:
    """Which LR pixels one pixel of the network's image is made of.

    Attributes:
        place: row and column of the pixel.
        weights: derivative of its flux by that of each LR pixel, (h, w).
        half: distance in LR pixels within which half of the weights' absolute sum lies.
        most: likewise nine tenths.
    """

    place: tuple[int, int]
    weights: np.ndarray
    half: float
    most: float


def attribution(scenes: Scenes, lr: Tensor, place: tuple[int, int]) -> Attribution:
    """Return where a pixel of the network's image comes from.

    Args:
        scenes: of the run.
        lr: one LR image, (1, 1, h, w).
        place: row and column of an HR pixel.
    """
    row, column = place
    with torch.enable_grad():
        seen = lr.clone().requires_grad_(True)
        scenes.task.upscale(seen)[0, 0, row, column].backward()
    assert seen.grad is not None
    weights = seen.grad[0, 0].numpy()
    scale = scenes.data.scale
    centre = (row + 0.5) / scale - 0.5, (column + 0.5) / scale - 0.5
    y, x = np.indices(weights.shape)
    distance = np.hypot(y - centre[0], x - centre[1]).ravel()
    order = np.argsort(distance)
    share = np.cumsum(np.abs(weights).ravel()[order])
    half, most = (float(distance[order][np.searchsorted(share, part * share[-1])]) for part in (0.5, 0.9))
    return Attribution(place, weights, half, most)
