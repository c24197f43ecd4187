"""The data of DeepLense's entry tests: pairs as downloaded, scored as the published attempts score them."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np

from lenssr.data.camera.noise import sky
from lenssr.data.datamodule import LensDataModule
from lenssr.data.sets.store import ImageSet

__all__ = ["DeepLensePairs"]

_MEASURED = 128  # images on which the noise is measured: 1 % of it


class DeepLensePairs(LensDataModule):
    """Pairs of a :class:`lenssr.data.sets.deeplense.DeepLensePairSource`; for the arguments see LensDataModule."""

    @cached_property
    def sets(self) -> dict[str, ImageSet]:
        """The splits' HR images; converted on first use."""
        self.observation.attach(self.source.open("lr"), {}, None)
        found: dict[str, ImageSet] = self.source.open()
        return found

    def facts(self) -> dict[str, Any]:
        """Return what nobody told of these images, measured on the training split.

        ``lr_noise`` and ``hr_noise``, standard deviation of a faint pixel; ``peak``, the typical brightest one;
        ``pixel_scale``, arcsec of HR pixels; ``estimated_ceiling``, dB: the PSNR that the unknown noise-free image has
        against a typical HR image if the noise is everywhere as in faint pixels. Where photons add noise to arcs the
        true ceiling is lower, so that none but luck passes this one; where files were smoothed or clipped, faint
        pixels tell less noise than there is, and the estimate is too high.
        """
        if self.labels:
            return {}
        high, low = self.sets["train"].images[:_MEASURED], self.source.open("lr")["train"].images[:_MEASURED]
        noise, faint = (float(np.median([sky(np.asarray(one))[1] for one in images])) for images in (high, low))
        span = float(np.median([one.max() - one.min() for one in high]))
        return {
            "lr_noise": faint,
            "hr_noise": noise,
            "peak": float(np.median([one.max() for one in high])),
            "pixel_scale": self.sets["train"].pixel_scale,
            "psf": None,
            "estimated_ceiling": -20 * math.log10(noise / span) if noise > 0 else math.inf,
        }
