"""The data of an experiment on real images."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lenssr.data.datamodule import LensDataModule
from lenssr.data.observe import Address, Observed, Window
from lenssr.data.parameters import SPLITS
from lenssr.data.random import normal, philox
from lenssr.data.store import ImageSet
from lenssr.errors import ConfigError
from lenssr.progress import say

__all__ = ["RealExposure", "RealPairs"]

_ENOUGH = 3.0  # times the noise that LR and HR image share
_LR = 1  # stream of random numbers, as in lenssr.data.observe


class RealExposure:
    """The stored LR image; Gaussian noise is added where it was made of the HR image, which a real one has already.

    Args:
        scale: HR pixels per LR pixel along a side.
        lr_noise: sigma per LR pixel, as a fraction of the set's ``unit``; not used for pairs.
        lr_rms: the same in flux per LR pixel, as an instrument's noise is told; None: ``lr_noise`` counts.
        seed: of the noise of validation and test, and of fixed training noise.

    Raises:
        ConfigError: the noise is negative.
    """

    needs_truth = False

    def __init__(self, scale: int, lr_noise: float, lr_rms: float | None, seed: int) -> None:
        if lr_noise < 0 or (lr_rms or 0) < 0:
            raise ConfigError(f"dataset.observation.lr_noise={lr_noise} and lr_rms={lr_rms} must be 0 or more.")
        self.scale, self.lr_noise, self.lr_rms, self.seed = scale, lr_noise, lr_rms, seed
        self.config = {"lr_noise": lr_noise, "lr_rms": lr_rms, "seed": seed}
        self._low: dict[int, np.ndarray] = {}
        self._noisy = True

    def attach(self, low: dict[str, ImageSet], paired: bool) -> None:
        """Take the LR images of each split, and whether they hold an instrument's noise."""
        self._low = {SPLITS[split]: images.images for split, images in low.items()}
        self._noisy = not paired

    def sigma(self, unit: float) -> float:
        """Return the noise that an LR image gets, flux per HR pixel; ``unit`` is the set's."""
        return self.lr_noise * unit if self.lr_rms is None else self.lr_rms / self.scale**2

    def __call__(self, images: Tensor, time: Tensor, unit: float, window: Window, address: Address) -> Observed:
        """Return HR windows (B, size, size) with their LR images."""
        size, low = window.size // self.scale, self._low[address.key[1]]
        corners = [(v.tolist()) for v in (address.index, window.row // self.scale, window.column // self.scale)]
        cut = np.stack([low[i, r : r + size, c : c + size] for i, r, c in zip(*corners, strict=True)])
        lr = torch.from_numpy(cut).to(images.device)
        if self._noisy:
            where = (address.index.view(-1, 1, 1), address.epoch)
            word, *_ = philox((window.pixels(self.scale), *where, _LR), address.key)
            lr = lr + self.sigma(unit) * normal(word)
        return Observed(lr, images, None, None, None)


class RealPairs(LensDataModule):
    """Real images of a :class:`lenssr.data.real.RealSource`.

    Args:
        name: of the dataset.
        shots: training images; the source's node refers to it.
        draw: which of them, likewise.
        **data: see :class:`lenssr.data.LensDataModule`.
    """

    def __init__(self, name: str, shots: int, draw: int, **data: Any) -> None:
        super().__init__(name, **data)
        self.shots, self.draw = shots, draw

    def facts(self) -> dict[str, Any]:
        """Return what nobody told of real images, so that new ones can be compared with them.

        ``pixel_scale``, arcsec of HR pixels; ``lr_noise``, standard deviation of an LR pixel's noise in units, median
        over the test images; ``psf``, what the LR instrument adds, on HR pixels, or None.
        """
        if self.labels:
            return {}
        batches = self.evaluation("test", torch.device("cpu"))
        found = [_noise(image) for batch in batches for image in batch["lr"][:, 0].double().numpy()]
        kernel = self.source.kernel()
        told = None if kernel is None else np.round(kernel, 8).tolist()
        return {"lr_noise": float(np.median(found)), "pixel_scale": self.sets["test"].pixel_scale, "psf": told}

    @cached_property
    def sets(self) -> dict[str, ImageSet]:
        """The splits' HR images; converted on first use."""
        found, low = self.source.open(), self.source.open_lr()
        self.observation.attach(low, self.source.paired)
        if not self.source.paired:
            self._compare_noise(low["test"])
        return found

    def _compare_noise(self, low: ImageSet) -> None:
        """Say where an LR image would share much of its noise with the HR image that it is made of."""
        shared = float(np.median([_noise(image) for image in low.images.astype(float)]))
        added = self.observation.sigma(low.unit)
        if added < _ENOUGH * shared:
            area = self.scale**2
            say(
                f"The LR images get noise of {added * area:.3g} a pixel and share {shared * area:.3g} with the HR "
                "images that they are made of, so a network learns to keep noise; give more with "
                f"dataset.observation.lr_rms={_ENOUGH * shared * area:.2g}."
            )


def _noise(image: np.ndarray) -> float:
    """Return the standard deviation of white noise in an image that a source may fill.

    A second difference along both axes takes away what is smooth, and the median what is not (after Immerkaer 1996,
    doi:10.1006/cviu.1996.0060).
    """
    rows = image[2:] - 2 * image[1:-1] + image[:-2]
    both = rows[:, 2:] - 2 * rows[:, 1:-1] + rows[:, :-2]
    return float(1.4826 * np.median(np.abs(both)) / 6)
