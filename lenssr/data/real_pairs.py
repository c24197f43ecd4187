"""The data of an experiment on real images."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lenssr.data.camera.noise import IndependentNoise
from lenssr.data.camera.observe import Address, Observed, Window
from lenssr.data.datamodule import LensDataModule
from lenssr.data.pixels import sent, window_of
from lenssr.data.sets.store import ImageSet
from lenssr.data.sky.parameters import SPLITS
from lenssr.errors import ConfigError
from lenssr.system.progress import say

__all__ = ["RealExposure", "RealPairs"]

_MORE = 1.05  # times the noise that was asked for is said
_PEAK = 50.0  # units that the typical brightest pixel has at most, where there is next to no noise


class RealExposure:
    """The stored LR image, with an instrument's noise where it was made of the HR image: a real one has it already.

    The HR image is then changed too, so that its noise is independent of the LR image's, see
    :class:`lenssr.data.camera.noise.IndependentNoise`.

    Args:
        scale: HR pixels per LR pixel along a side.
        lr_rms: sigma of a faint LR pixel, flux per LR pixel, white; 0: none is added, and the two images share theirs;
            None: as noisy as the HR images in surface brightness, and correlated alike. Not used for pairs.
        seed: of the noise of validation and test, and of fixed training noise.

    Raises:
        ConfigError: the noise is negative.
    """

    needs_truth = False

    def __init__(self, scale: int, lr_rms: float | None, seed: int) -> None:
        if (lr_rms or 0) < 0:
            raise ConfigError(f"dataset.observation.lr_rms={lr_rms} must be 0 or more.")
        self.scale, self.lr_rms, self.seed = scale, lr_rms, seed
        self.config = {"lr_rms": lr_rms, "seed": seed}
        self.noise: IndependentNoise | None = None
        self._low: dict[int, np.ndarray] = {}
        self._rms: dict[int, np.ndarray] = {}

    def attach(self, low: dict[str, ImageSet], rms: dict[str, ImageSet], noise: IndependentNoise | None) -> None:
        """Take the LR images of each split, the noise of the HR images, and what draws it; None for pairs."""
        self._low = {SPLITS[split]: images.images for split, images in low.items()}
        self._rms = {SPLITS[split]: images.images for split, images in rms.items()}
        self.noise = noise

    def __call__(self, images: Tensor, time: Tensor, unit: float, window: Window, address: Address) -> Observed:
        """Return HR windows (B, size, size) with their LR images."""
        split, rows = address.key[1], address.numbers()
        lr = sent(window_of(torch.from_numpy(self._low[split][rows]), window, self.scale), images.device)
        if self.noise is None:
            return Observed(lr, images, None, None, None)
        rms = sent(torch.from_numpy(self._rms[split][rows]), images.device)
        add, subtract = self.noise.draw(rms, address)
        hr = images - window_of(subtract, window, 1)
        return Observed(lr + window_of(add, window, self.scale), hr, None, None, None)


class RealPairs(LensDataModule):
    """Real images of a :class:`lenssr.data.sets.real.RealSource`.

    Args:
        name: of the dataset.
        shots: training images; the source's node refers to it.
        draw: which of them, likewise.
        noise_level: of a faint LR pixel, in the units that the network sees. The run that fine-tuning begins with knows
            noise of one strength; it decides the unit, as it does when the run is applied to an image.
        **data: see :class:`lenssr.data.LensDataModule`.
    """

    def __init__(self, name: str, shots: int, draw: int, noise_level: float, **data: Any) -> None:
        super().__init__(name, **data)
        self.shots, self.draw, self.noise_level = shots, draw, noise_level
        if not 0 < noise_level < 1:
            raise ConfigError(f"dataset.noise_level={noise_level} must be between 0 and 1.")

    def facts(self) -> dict[str, Any]:
        """Return what nobody told of real images, so that new ones can be compared with them.

        ``pixel_scale``, arcsec of HR pixels; ``lr_noise``, standard deviation of a faint LR pixel, and ``peak``, the
        typical brightest one, both in units; ``psf``, what the LR instrument adds, on HR pixels, or None.
        """
        if self.labels:
            return {}
        kernel, test = self.source.kernel(), self.sets["test"]
        return {
            "lr_noise": self._lr_noise / self.unit,
            "peak": self.source.open()["test"].unit / self.unit,
            "pixel_scale": test.pixel_scale,
            "psf": None if kernel is None else np.round(kernel, 8).tolist(),
        }

    @cached_property
    def sets(self) -> dict[str, ImageSet]:
        """The splits' HR images; converted on first use."""
        found = self.source.open()
        self.observation.attach(self.source.open("lr"), self.source.open("rms"), self._noise)
        unit = max(self._lr_noise / self.noise_level, found["test"].unit / _PEAK)
        return {split: replace(images, unit=unit) for split, images in found.items()}

    @property
    def _lr_noise(self) -> float:
        """Standard deviation of a faint LR pixel, flux per HR pixel."""
        measured = self.source.noise()
        return float(self._noise.total * measured["hr"] if self._noise else measured["lr"])

    @cached_property
    def _noise(self) -> IndependentNoise | None:
        """What draws the noise; None for pairs. Says where LR images cannot be as good as they were asked to be."""
        asked, measured, area = self.observation.lr_rms, self.source.noise(), self.scale**2
        if self.source.paired or asked == 0:
            return None
        faint = measured["hr"]
        wanted = None if asked is None else (asked / area / faint) ** 2
        correlation = np.asarray(measured["correlation"])
        noise = IndependentNoise(correlation, self.source.kernel(), self.scale, self.image_size, wanted)
        if asked is not None and noise.total * faint * area > _MORE * asked:
            say(
                f"dataset.observation.lr_rms={asked:.3g} is too little for LR images made of HR images whose own noise "
                f"gives them {noise.shared * faint * area:.3g} a pixel: they get {noise.total * faint * area:.3g}."
            )
        return noise
