"""What the images of a set are like, so that somebody's file can be brought to them and be told where it is unlike.

Cutouts of lenses are small and full of light, so that no pixel of them is sky. The noise is therefore that of second
differences between neighbours, to which smooth light adds nothing, and the level that of the faintest pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from lenssr.data.datamodule import LensDataModule

__all__ = ["alike", "level_of", "noise_of"]

_LOOKED_AT = 128  # images
_FAINT = 0.4  # of the pixels: the faintest, on which noise is measured
_FAINTEST = 0.05  # of the pixels: those that tell the level
_ENDS = (0.01, 0.5, 0.99)  # of the images: least, typical and largest


def alike(data: LensDataModule) -> dict[str, Any]:
    """Return what a file must be like to be taken for an image of the set.

    Of the HR images where a network sees these, else of the LR images that its input is made of, by the validation
    split: ``kind`` (``hr`` or ``lr``), ``size`` in pixels along a side, ``pixel_scale`` in arcsec, ``noise`` of the
    faint pixels, their ``level`` and the ``peak`` above it, each the 1st, 50th and 99th percentile in the network's
    unit, and ``as_told``: whether the set's images are files, whose values mean what they say, rather than simulated.
    """
    kind = "hr" if data.inputs in ("hr", "truth") else "lr"
    found: list[tuple[float, float, float]] = []
    size = 0
    for batch in data.pairs("validation", torch.device("cpu")):
        images = batch[kind][:, 0].double().numpy()  # type: ignore[literal-required]
        size = images.shape[-1]
        for image in images:
            level = level_of(image)
            found.append((noise_of(image), level, float(image.max()) - level))
        if len(found) >= _LOOKED_AT:
            break
    noise, level, peak = np.quantile(found, _ENDS, axis=0).T
    pixel = data.sets["validation"].pixel_scale * (data.scale if kind == "lr" else 1)
    return {
        "kind": kind,
        "size": size,
        "pixel_scale": pixel,
        "noise": noise.tolist(),
        "level": level.tolist(),
        "peak": peak.tolist(),
        "as_told": not data.source.noise_free,
    }


def noise_of(image: np.ndarray) -> float:
    """Return the standard deviation of white noise with the second differences that faint pixels of an image have.

    Of correlated noise it is another number, but the same one for images whose noise is correlated alike.

    Args:
        image: (H, W), finite.
    """
    from scipy.ndimage import uniform_filter

    image = image.astype(np.float64)
    smooth = uniform_filter(image, 5)
    faint = smooth <= np.quantile(smooth, _FAINT)
    across, down = np.diff(image, 2, axis=1)[faint[:, 1:-1]], np.diff(image, 2, axis=0)[faint[1:-1]]
    steps = np.concatenate([across, down])
    return float(1.4826 * np.median(np.abs(steps)) / 6**0.5) or float(image.std())


def level_of(image: np.ndarray) -> float:
    """Return the level of an image: the mean of the faintest pixels of its running mean.

    Args:
        image: (H, W), finite.
    """
    from scipy.ndimage import uniform_filter

    smooth = uniform_filter(image.astype(np.float64), 5)
    return float(smooth[smooth <= np.quantile(smooth, _FAINTEST)].mean())
