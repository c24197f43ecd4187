"""The data of an experiment on one sky that two telescopes see, and the noise of each."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lenssr.data.camera.detector import bin_sum
from lenssr.data.camera.observe import Address, Observed, Window
from lenssr.data.camera.psf import matching, transfer
from lenssr.data.camera.random import normal, philox, poisson
from lenssr.data.datamodule import LensDataModule
from lenssr.data.pixels import sent, window_of
from lenssr.data.sets.store import ImageSet
from lenssr.data.sets.survey import SurveySource
from lenssr.data.sky.parameters import SPLITS
from lenssr.system.precision import exact

__all__ = ["SurveyExposures", "SurveyPairs"]

_HR, _LR = 0, 1  # streams of random numbers, as in lenssr.data.camera.observe


class SurveyExposures:
    """Exposures of stored noise-free images, each telescope's own: photons of the sky, of the image, and read noise.

    Counts are Poisson numbers of the image's flux, and Gaussian ones of the sky and the read-out, which drizzling
    draws together with a kernel that keeps the noise of large areas.

    Args:
        scale: HR pixels per LR pixel along a side.
        seed: of the noise of validation and test, and of fixed training noise.
    """

    needs_truth = True

    def __init__(self, scale: int, seed: int) -> None:
        self.scale, self.seed = scale, seed
        self.config = {"seed": seed}
        self._source: SurveySource | None = None
        self._low: dict[int, ImageSet] = {}

    def attach(self, low: dict[str, ImageSet], source: SurveySource) -> None:
        """Take the LR images of each split, whose tables know each image's noise, and the two telescopes."""
        self._low = {SPLITS[split]: images for split, images in low.items()}
        self._columns = {
            SPLITS[split]: {
                str(name): images.parameters[name].to_numpy(np.float32)
                for name in images.parameters
                if str(name).startswith(("lr_", "hr_"))
            }
            for split, images in low.items()
        }
        self._source = source
        lr, hr = source.lr, source.hr
        # electrons for a unit of the set's flux in a pixel of each
        self._electrons = {"hr": hr.time * hr.gain, "lr": lr.time * lr.gain / source.lr_unit}
        self._taps = {"hr": hr.taps, "lr": lr.taps}

    def _column(self, name: str, address: Address, device: torch.device) -> Tensor:
        values = self._columns[address.key[1]][name][address.numbers()]
        return sent(torch.from_numpy(values), device)

    def _lr(self, address: Address, device: torch.device) -> Tensor:
        return sent(torch.from_numpy(self._low[address.key[1]].images[address.numbers()]), device)

    def _variance(self, kind: str, flux: Tensor, address: Address) -> Tensor:
        rms = self._column(f"{kind}_background_rms", address, flux.device).view(-1, 1, 1)
        return rms.square() + flux / self._electrons[kind]

    def __call__(self, images: Tensor, time: Tensor, unit: float, window: Window, address: Address) -> Observed:
        """Observe windows (B, size, size) of noise-free HR images, and the LR images of the same windows."""
        low = window_of(self._lr(address, images.device), window, self.scale)
        hr, lr = self._expose("hr", images, window, 1, address), self._expose("lr", low, window, self.scale, address)
        return Observed(lr, hr, images, self._variance("hr", images, address), images)

    def _expose(self, kind: str, flux: Tensor, window: Window, factor: int, address: Address) -> Tensor:
        where = (address.index.view(-1, 1, 1), address.epoch, {"hr": _HR, "lr": _LR}[kind])
        _, second, *_ = philox((window.pixels(factor), *where), address.key)
        seen = poisson(flux * self._electrons[kind], second) / self._electrons[kind]
        taps = self._taps[kind]
        rough, *_ = philox((_wider(window, factor, len(taps) // 2), *where), address.key)
        noise = normal(rough)
        softened = float(np.square(taps).sum())
        for dim in (1, 2):
            size = noise.shape[dim] - len(taps) + 1
            noise = sum(tap * noise.narrow(dim, k, size) for k, tap in enumerate(taps))  # type: ignore[assignment]
        rms = self._column(f"{kind}_background_rms", address, flux.device).view(-1, 1, 1)
        return seen + noise * (rms / softened)

    def expect_lr(
        self, images: Tensor, scene: Tensor, time: Tensor, address: Address, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor] | None:
        """Return what the LR image of ``images`` (B, H, W) would be on average, and the variance of its pixels.

        It is the LR image of the scene, and what the telescopes make of the difference: the HR PSF is exchanged for the
        LR one in Fourier space. Light from beyond the edges is in the scene's.

        Args:
            images: a guess at the noise-free HR images.
            scene: the noise-free HR images that were observed.
            time: of no influence.
            address: of the samples.
            noise: variance of white noise that ``images`` hold; None for none.
        """
        assert self._source is not None
        lr, hr, pixel, scale = self._source.lr, self._source.hr, self._source.pixel_scale, self.scale
        pad = int(np.ceil(lr.psf.reach / pixel / scale)) * scale
        size = images.shape[-1] + 2 * pad
        widths = [self._column(f"{kind}_psf_fwhm", address, images.device) for kind in ("hr", "lr")]
        change = matching(*(transfer(one.psf, width, size, pixel) for one, width in zip((hr, lr), widths, strict=True)))
        if self._source.registration:
            change = change * self._shift(address, size, pixel, images.device)
        padded = torch.nn.functional.pad((images - scene).unsqueeze(1), [pad] * 4, mode="replicate")[:, 0]
        with exact():
            seen = torch.fft.irfft2(torch.fft.rfft2(padded) * change, s=(size, size))[:, pad:-pad, pad:-pad]
        low = self._lr(address, images.device)
        variance = self._variance("lr", low, address)
        if noise is not None:
            kernel, steps = torch.fft.irfft2(change, s=(size, size)), range(scale)
            binned = sum(kernel.roll((i, j), (1, 2)) for i in steps for j in steps) / scale**2
            variance = variance + bin_sum(noise, scale) / scale**2 * binned.square().sum((1, 2)).view(-1, 1, 1)
        return low + bin_sum(seen, scale) / scale**2, variance

    def _shift(self, address: Address, size: int, pixel: float, device: torch.device) -> Tensor:
        x, y = (self._column(f"lr_shift_{axis}", address, device).view(-1, 1, 1) / pixel for axis in "xy")
        across = torch.fft.rfftfreq(size, device=device).view(1, 1, -1)
        turns = across * x + torch.fft.fftfreq(size, device=device).view(1, -1, 1) * y
        return torch.polar(torch.ones_like(turns), -2 * torch.pi * turns)


def _wider(window: Window, factor: int, margin: int) -> Tensor:
    """Return the numbers of a window's pixels and of those around it, each its own, int64 (B, n, n)."""
    offset = torch.arange(-margin, window.size // factor + margin, device=window.row.device) + margin
    rows = (window.row // factor).view(-1, 1, 1) + offset.view(1, -1, 1)
    columns = (window.column // factor).view(-1, 1, 1) + offset.view(1, 1, -1)
    return rows * (window.image_size // factor + 2 * margin) + columns


class SurveyPairs(LensDataModule):
    """Skies of a :class:`lenssr.data.sets.survey.SurveySource`.

    Args:
        name: of the dataset.
        lr: the LR telescope; the source's node refers to it.
        hr: the HR telescope, likewise.
        **data: see :class:`lenssr.data.LensDataModule`.
    """

    def __init__(self, name: str, lr: dict[str, Any], hr: dict[str, Any], **data: Any) -> None:
        super().__init__(name, **data)

    @cached_property
    def sets(self) -> dict[str, ImageSet]:
        """The splits' noise-free HR images; rendered on first use."""
        with exact():
            found: dict[str, ImageSet] = self.source.open(self.device())
        self.observation.attach(self.source.open(kind="lr"), self.source)
        return found
