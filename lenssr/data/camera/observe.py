"""How a stored image becomes a low- and a high-resolution observation of the same sky."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lenssr.data.camera.detector import Detector, bin_sum
from lenssr.data.camera.random import normal, philox
from lenssr.errors import ConfigError

__all__ = ["Address", "BinnedExposure", "Observed", "TwoExposures", "Window"]

# streams of random numbers; never renumber
_HR, _LR = 0, 1


@dataclass(frozen=True)
class Window:
    """A square cut-out of an image, in HR pixels; its top-left corner may differ from sample to sample.

    Attributes:
        row: first row, int64 (B,).
        column: first column, int64 (B,).
        size: pixels along a side.
        image_size: pixels along a side of the whole image.
        corners: row and column of each as numbers, where they are known without asking the device.
    """

    row: Tensor
    column: Tensor
    size: int
    image_size: int
    corners: Sequence[tuple[int, int]] = ()

    def places(self) -> Sequence[tuple[int, int]]:
        """Return the corners as numbers."""
        return self.corners or list(zip(self.row.tolist(), self.column.tolist(), strict=True))

    def pixels(self, factor: int = 1) -> Tensor:
        """Return each pixel's number in the whole image binned by ``factor``, int64 (B, size/f, size/f)."""
        offset = torch.arange(self.size // factor, device=self.row.device)
        rows = (self.row // factor).view(-1, 1, 1) + offset.view(1, -1, 1)
        columns = (self.column // factor).view(-1, 1, 1) + offset.view(1, 1, -1)
        return rows * (self.image_size // factor) + columns


@dataclass(frozen=True)
class Address:
    """Where samples' random numbers are: index (B,); epoch, one or (B, 1, 1); key (seed, split).

    ``rows`` is the index as numbers, where it is known without asking the device.
    """

    index: Tensor
    epoch: Tensor | int
    key: tuple[int, int]
    rows: Sequence[int] = ()

    def numbers(self) -> list[int]:
        """Return the index as numbers."""
        return list(self.rows) or self.index.tolist()


@dataclass(frozen=True)
class Observed:
    """What is known of a sample. Everything is flux rate per *HR* pixel, shape (B, size, size) or LR's.

    Attributes:
        lr: low-resolution observation; the flux of an LR pixel divided by the HR pixels it covers.
        hr: high-resolution observation, noisy.
        truth: expectation of ``hr`` over its noise; None where nobody knows it.
        variance: variance of ``hr`` around ``truth``; None likewise.
        flux: noise-free flux, which differs from ``truth`` where the detector clips; None likewise.
    """

    lr: Tensor
    hr: Tensor
    truth: Tensor | None
    variance: Tensor | None
    flux: Tensor | None


class TwoExposures:
    """Two cameras look at one sky for equal times; the LR one has pixels ``scale`` times coarser.

    Args:
        scale: HR pixels per LR pixel along a side.
        hr_background_rms: sigma of the HR background, flux per HR pixel and unit time.
        lr_background_rms: sigma of the LR background, flux per LR pixel and unit time.
        detector: ``shot_noise`` and ``clip`` of both cameras, see :class:`lenssr.data.camera.detector.Detector`.
        seed: of the noise of validation and test, and of fixed training noise.
    """

    needs_truth = True

    def __init__(
        self,
        scale: int,
        hr_background_rms: float,
        lr_background_rms: float,
        detector: dict[str, Any],
        seed: int,
    ) -> None:
        self.scale, self.seed = scale, seed
        self.config = {"hr": hr_background_rms, "lr": lr_background_rms, "detector": detector, "seed": seed}
        self.hr = Detector(background_rms=hr_background_rms, **detector)
        self.lr = Detector(background_rms=lr_background_rms, **detector)

    def __call__(self, images: Tensor, time: Tensor, unit: float, window: Window, address: Address) -> Observed:
        """Observe noise-free flux (B, size, size), exposed for ``time`` (B,)."""
        hr, lr = (self.one(camera, images, time, window, address) for camera in ("hr", "lr"))
        truth, variance = self.hr.moments(images, time.view(-1, 1, 1))
        return Observed(lr, hr, truth, variance, images)

    def one(self, camera: str, images: Tensor, time: Tensor, window: Window, address: Address | None) -> Tensor:
        """Return one of the two exposures, ``hr`` or ``lr``, as both are made; without an address, its mean."""
        time, scale = time.view(-1, 1, 1), self.scale if camera == "lr" else 1
        images, detector = bin_sum(images, scale), self.lr if camera == "lr" else self.hr
        if address is None:
            return detector.moments(images, time)[0] / scale**2
        stream = _LR if camera == "lr" else _HR
        where = (window.pixels(scale), address.index.view(-1, 1, 1), address.epoch, stream)
        return detector.expose(images, time, where, address.key) / scale**2

    def expect_lr(
        self, images: Tensor, scene: Tensor, time: Tensor, address: Address, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor] | None:
        """Return what the LR image of ``images`` (B, H, W) would be on average, and the variance of its pixels.

        Args:
            images: a guess at the noise-free flux.
            scene: the flux that was observed, whose noise it is.
            time: exposure times (B,).
            address: of the samples; of no influence here.
            noise: variance of white noise that ``images`` hold; None for none.

        Returns:
            None where the cameras clip negative counts, so that an image is no flux.
        """
        if self.lr.clip:
            return None
        time, area = time.view(-1, 1, 1), self.scale**2
        mean, _ = self.lr.moments(bin_sum(images, self.scale), time)
        _, variance = self.lr.moments(bin_sum(scene, self.scale), time)
        if noise is not None:
            variance = variance + bin_sum(noise, self.scale)
        return mean / area, variance / area**2


class BinnedExposure:
    """The LR image is the stored, already noisy HR image binned, plus Gaussian noise of its own.

    Args:
        scale: HR pixels per LR pixel along a side.
        lr_noise: sigma per LR pixel, as a fraction of the set's ``unit``.
        seed: of the noise of validation and test, and of fixed training noise.
    """

    needs_truth = False

    def __init__(self, scale: int, lr_noise: float, seed: int) -> None:
        if lr_noise < 0:
            raise ConfigError(f"dataset.observation.lr_noise={lr_noise} is negative; give 0 or more.")
        self.scale, self.lr_noise, self.seed = scale, lr_noise, seed
        self.config = {"lr_noise": lr_noise, "seed": seed}

    def __call__(self, images: Tensor, time: Tensor, unit: float, window: Window, address: Address) -> Observed:
        """Degrade observed images (B, size, size)."""
        where = (address.index.view(-1, 1, 1), address.epoch)
        word, *_ = philox((window.pixels(self.scale), *where, _LR), address.key)
        lr = bin_sum(images, self.scale) / self.scale**2 + self.lr_noise * unit * normal(word)
        return Observed(lr, images, None, None, None)
