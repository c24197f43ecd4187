"""Point-spread functions on a grid of rays, one for each image: Gaussian, Moffat, or a kernel of one's own.

A PSF is the optics' and the atmosphere's, before the pixel: rays are convolved with it and then summed in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lenssr.data.camera.degrade import read_kernel
from lenssr.errors import ConfigError, DataError, did_you_mean

__all__ = ["PSF", "matching", "matching_kernel", "transfer"]

_TYPES = ("gaussian", "moffat", "kernel")
_SIGMA = 2 * math.sqrt(2 * math.log(2))  # FWHM over standard deviation
_GAUSSIAN, _MOFFAT = 5.0, 4.0  # half-widths: in standard deviations, as lenstronomy's; in FWHM
_OFF_CENTRE = 0.25  # pixels that a kernel's centroid may be from its middle
_NEGATIVE = 1e-3  # of the peak that a kernel's pixels may be below zero
_FLOOR = 1e-2  # of the HR transfer function, below which it is not divided by


@dataclass(frozen=True)
class PSF:
    """The shape of a PSF; its width may differ from image to image.

    Attributes:
        type: ``gaussian``, ``moffat`` or ``kernel``.
        widths: least and largest FWHM in arcsec, between which those of images lie; of a kernel its own twice.
        beta: exponent of a Moffat profile (1 + r^2 / alpha^2)^-beta.
        kernel: odd and square, with a sum of one; None where there is a formula.
        kernel_scale: arcsec of its pixels.
    """

    type: str
    widths: tuple[float, float]
    beta: float = 0.0
    kernel: np.ndarray | None = None
    kernel_scale: float = 0.0
    _last: dict[Any, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def read(cls, node: Mapping[str, Any], widths: tuple[float, float] | None, pixel_scale: float, where: str) -> PSF:
        """Return what a config node describes.

        Args:
            node: ``type`` and what it needs: ``fwhm``; ``beta`` of a Moffat; ``file`` and ``oversampling`` of a kernel.
            widths: least and largest FWHM, arcsec.
            pixel_scale: of the instrument, arcsec.
            where: the node's name, for messages.

        Raises:
            ConfigError: something is missing, unknown or impossible.
            DataError: the file holds no PSF.
        """
        kind = str(node.get("type", "gaussian"))
        if kind not in _TYPES:
            raise ConfigError(f"{where}.type={kind} is unknown. {did_you_mean(kind, _TYPES)}")
        if kind == "kernel":
            return cls._of_file(node, pixel_scale, where)
        if widths is None:
            raise ConfigError(f"{where}.fwhm is missing; give the FWHM in arcsec, as {where}.fwhm=0.16.")
        if not 0 < widths[0] <= widths[1] < math.inf:
            raise ConfigError(f"{where}.fwhm={node['fwhm']} is no width; give a FWHM above 0 arcsec.")
        beta = float(node.get("beta", 0.0))
        if kind == "moffat" and not 1 < beta < math.inf:
            raise ConfigError(f"{where}.beta={beta:g}: a Moffat profile has a finite flux for a beta above 1, as 3.0.")
        return cls(kind, widths, beta)

    @classmethod
    def _of_file(cls, node: Mapping[str, Any], pixel_scale: float, where: str) -> PSF:
        if not node.get("file"):
            raise ConfigError(f"{where}.file is missing; give a FITS file or .npy of an odd, square kernel.")
        factor = int(node.get("oversampling", 1))
        if factor < 1:
            raise ConfigError(
                f"{where}.oversampling={factor} must be 1 or more, kernel pixels per pixel of the camera."
            )
        kernel = read_kernel(str(node["file"]), None, f"{where}.file")
        assert kernel is not None
        _check_kernel(kernel, node["file"])
        scale = pixel_scale / factor
        width = _width_of(kernel) * scale
        return cls("kernel", (width, width), 0.0, kernel, scale)

    @property
    def reach(self) -> float:
        """Radius in arcsec beyond which the widest is zero."""
        if self.kernel is not None:
            return (len(self.kernel) // 2 + 1) * self.kernel_scale
        return self.widths[1] * (_GAUSSIAN / _SIGMA if self.type == "gaussian" else _MOFFAT)

    def spectrum(self, fwhm: Tensor, size: int, step: float) -> Tensor:
        """Return the transfer functions on a grid of rays, complex (B, size, size // 2 + 1), one at zero frequency.

        Args:
            fwhm: of each image, arcsec (B,).
            size: rays along a side.
            step: arcsec between rays.
        """
        if bool((fwhm != fwhm[0]).any()):
            return torch.fft.rfft2(self.sampled(fwhm, size, step))
        key = (float(fwhm[0]), size, step, fwhm.dtype, fwhm.device)
        if key not in self._last:  # images of one seeing share it, and so do the next ones
            self._last.clear()
            self._last[key] = torch.fft.rfft2(self.sampled(fwhm[:1], size, step))
        return self._last[key].expand(len(fwhm), -1, -1)

    def sampled(self, fwhm: Tensor, size: int, step: float) -> Tensor:
        """Return the PSFs at the rays, (B, size, size), each with a sum of one and its middle at [0, 0]."""
        axis = torch.fft.fftfreq(size, 1 / size, device=fwhm.device, dtype=fwhm.dtype) * step
        if self.kernel is not None:
            near = min(size // 2, int(self.reach / step))
            part = self._interpolated(np.arange(-near, near + 1) * step).to(fwhm.device, fwhm.dtype)
            found = fwhm.new_zeros(size, size)
            found[: len(part), : len(part)] = part
            return torch.roll(found, (-near, -near), (0, 1)).expand(len(fwhm), -1, -1)
        width = fwhm.view(-1, 1, 1)
        if self.type == "gaussian":
            line = torch.exp(-0.5 * (axis * _SIGMA / fwhm.view(-1, 1)).square())
            line = line * (axis.abs() <= (_GAUSSIAN * fwhm.view(-1, 1) / _SIGMA / step + 0.5).floor() * step * 1.0001)
            line = line / line.sum(1, keepdim=True)
            return line.unsqueeze(2) * line.unsqueeze(1)
        square = axis.square().view(1, -1, 1) + axis.square().view(1, 1, -1)
        alpha = width / (2 * math.sqrt(2 ** (1 / self.beta) - 1))
        found = (1 + square / alpha.square()).pow(-self.beta) * (square <= (_MOFFAT * width).square())
        return found / found.sum((1, 2), keepdim=True)

    def _interpolated(self, axis: np.ndarray) -> Tensor:
        """Return the kernel at positions along both axes, arcsec, with a sum of one; cubic between its pixels."""
        from scipy.ndimage import map_coordinates

        assert self.kernel is not None
        places = axis / self.kernel_scale + len(self.kernel) // 2
        found = map_coordinates(self.kernel, np.meshgrid(places, places, indexing="ij"), order=3, cval=0.0)
        return torch.from_numpy(found / found.sum())

    @cached_property
    def typical(self) -> float:
        """FWHM in arcsec, half-way between least and largest."""
        return 0.5 * sum(self.widths)


def _check_kernel(kernel: np.ndarray, file: str | Path) -> None:
    """Refuse a kernel with a sum of one that is negative or off its middle."""
    if kernel.min() < -_NEGATIVE * kernel.max():
        raise DataError(
            f"{file} holds no PSF: its faintest pixel is {kernel.min() / kernel.max():.2g} of the peak, and light is "
            "not negative; subtract the right sky, or clip it."
        )
    middle = len(kernel) // 2
    rows, columns = np.indices(kernel.shape) - middle
    off = (float((columns * kernel).sum()), float((rows * kernel).sum()))
    if max(map(abs, off)) > _OFF_CENTRE:
        raise DataError(
            f"{file} is off its middle by {off[0]:+.2f} px in x and {off[1]:+.2f} in y; shift its centroid to the "
            "middle pixel, or all images would shift."
        )


def _width_of(kernel: np.ndarray) -> float:
    """Return the FWHM of the Gaussian that has as much of its light squared: pixels."""
    return float(_SIGMA / math.sqrt(4 * math.pi * np.square(kernel).sum()))


def matching(hr: Tensor, lr: Tensor) -> Tensor:
    """Return the transfer function that takes an image of the HR PSF to one of the LR PSF.

    Args:
        hr: transfer function of the HR PSF, any shape.
        lr: of the LR PSF, likewise; where it holds what the HR one has lost, less is asked back.
    """
    return lr * hr.conj() / hr.abs().square().clamp(min=_FLOOR**2)


def transfer(psf: PSF, fwhm: Tensor, size: int, pixel: float, rays: int = 4) -> Tensor:
    """Return the transfer functions of PSFs on a grid of pixels, complex (B, size, size // 2 + 1).

    Args:
        psf: the shape.
        fwhm: of each image, arcsec (B,).
        size: pixels along a side.
        pixel: arcsec.
        rays: along a side of a pixel, at which the PSF is sampled.
    """
    fine = psf.spectrum(fwhm, size * rays, pixel / rays)
    half = size // 2
    return torch.cat([fine[:, : size - half, : half + 1], fine[:, fine.shape[1] - half :, : half + 1]], dim=1)


def matching_kernel(hr: tuple[PSF, float], lr: tuple[PSF, float], pixel: float) -> np.ndarray:
    """Return the kernel of :func:`matching` on HR pixels, odd and square, with a sum of one.

    Args:
        hr: PSF and FWHM in arcsec of the HR image.
        lr: of the LR image.
        pixel: of the HR image, arcsec.
    """
    reach = math.ceil(lr[0].reach / pixel)
    size = 4 * reach + 2
    parts = [transfer(psf, torch.tensor([width], dtype=torch.float64), size, pixel)[0] for psf, width in (hr, lr)]
    kernel = torch.fft.fftshift(torch.fft.irfft2(matching(*parts), s=(size, size))).numpy()
    middle = size // 2
    found = kernel[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
    normalised: np.ndarray = found / found.sum()
    return normalised
