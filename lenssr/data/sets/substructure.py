"""How much of an image's substructure a camera can see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch

from lenssr.data.camera.detector import bin_sum

__all__ = ["smooth", "substructure_snr"]


def smooth(table: pd.DataFrame) -> pd.DataFrame:
    """Return the parameters of the same lenses without any sub-halo."""
    bare = table.copy()
    for name in table.columns:
        if name.startswith("subhalo_"):
            bare[name] = pd.Series([np.zeros(0)] * len(table), table.index)
    return bare


def substructure_snr(
    images: np.ndarray, without: np.ndarray, time: np.ndarray, noise: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Return the signal-to-noise ratio of substructure were all else known: sqrt(sum of d^2 / variance) over pixels.

    d is what the substructure changes, a change of the ring's size included that a smooth lens of another mass would
    make too: an upper limit of what can be told. The variance is background^2 + I / t.

    Args:
        images: noise-free, (n, N, N), flux per pixel and unit time.
        without: the same scenes without substructure.
        time: exposure times, (n,).
        noise: ``hr_background_rms`` and ``lr_background_rms``, sigma in flux per pixel of each camera and unit time,
            None where it is unknown; ``scale``, HR pixels per LR pixel along a side.

    Returns:
        ``substructure_snr_hr`` and ``substructure_snr_lr``, float64 (n,); NaN where the background is unknown.
    """
    scene, change = torch.from_numpy(images).double(), torch.from_numpy(images - without).double()
    exposure = torch.tensor(np.asarray(time), dtype=torch.float64).view(-1, 1, 1)
    found = {}
    for camera, factor in (("hr", 1), ("lr", int(noise["scale"]))):
        rms = noise[f"{camera}_background_rms"]
        if rms is None:
            found[f"substructure_snr_{camera}"] = np.full(len(images), np.nan)
            continue
        variance = float(rms) ** 2 + bin_sum(scene, factor).clamp(min=0) / exposure
        ratio = (bin_sum(change, factor).square() / variance).sum((1, 2)).sqrt()
        found[f"substructure_snr_{camera}"] = ratio.numpy()
    return found
