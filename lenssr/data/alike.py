"""What the images of a set are like, so that somebody's file can be brought to them and be told where it is unlike."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from lenssr.data.camera.noise import sky
from lenssr.data.datamodule import LensDataModule

__all__ = ["alike"]

_LOOKED_AT = 128  # images
_ENDS = (0.01, 0.5, 0.99)  # of the images: least, typical and largest


def alike(data: LensDataModule) -> dict[str, Any]:
    """Return what a file must be like to be taken for an image of the set.

    Of the HR images where a network sees these, else of the LR images that its input is made of, by the validation
    split: ``kind`` (``hr`` or ``lr``), ``size`` in pixels along a side, ``pixel_scale`` in arcsec, ``noise`` of the
    faint pixels and ``peak`` above the sky, each the 1st, 50th and 99th percentile in the network's unit, and
    ``as_told``: whether the set's images are files, whose values mean what they say, rather than simulated.
    """
    kind = "hr" if data.inputs in ("hr", "truth") else "lr"
    found: list[tuple[float, float]] = []
    size = 0
    for batch in data.pairs("validation", torch.device("cpu")):
        images = batch[kind][:, 0].double().numpy()  # type: ignore[literal-required]
        size = images.shape[-1]
        for image in images:
            level, noise = sky(image)
            found.append((noise, float(image.max()) - level))
        if len(found) >= _LOOKED_AT:
            break
    noise, peak = np.quantile(found, _ENDS, axis=0).T
    pixel = data.sets["validation"].pixel_scale * (data.scale if kind == "lr" else 1)
    return {
        "kind": kind,
        "size": size,
        "pixel_scale": pixel,
        "noise": noise.tolist(),
        "peak": peak.tolist(),
        "as_told": not data.source.noise_free,
    }
