"""A lens as one kind of image shows it: rays through mass and light, a PSF, and pixels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lenssr.data.camera.detector import bin_sum
from lenssr.data.camera.telescope import Telescope
from lenssr.data.sky.lensing import sersic
from lenssr.data.sky.scene import power_law_deflection
from lenssr.modelling.lens import rendered
from lenssr.models.interpolation import enlarged

__all__ = ["View"]

_RAYS = 1 << 18  # traced at once, so that they stay in a CPU's cache

Deflection = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class View:
    """What an image is assumed to be.

    Attributes:
        telescope: whose PSF it has.
        fwhm: of that PSF, arcsec.
        pixel: of the HR grid, arcsec.
        size: HR pixels along a side.
        bins: HR pixels along a side of an image's pixel.
        enlarge: whether the image was then interpolated to HR pixels.
    """

    telescope: Telescope
    fwhm: float
    pixel: float
    size: int
    bins: int = 1
    enlarge: bool = False

    @property
    def _margin(self) -> int:
        return math.ceil(self.telescope.psf.reach / self.pixel / self.bins) * self.bins

    def axis(self, rays: int) -> Tensor:
        """Return the coordinates of the rays along a side, arcsec, ``rays`` to an HR pixel."""
        count = (self.size + 2 * self._margin) * rays
        return (torch.arange(count) - (count - 1) / 2) * (self.pixel / rays)

    def seen(self, sky: Tensor, rays: int) -> Tensor:
        """Return images (N, pixels) of surface brightness at the rays (N, M, M), flux per HR pixel."""
        step, count = self.pixel / rays, sky.shape[-1]
        transfer = self.telescope.psf.spectrum(torch.tensor([self.fwhm]).to(sky), count, step)
        image = bin_sum(torch.fft.irfft2(torch.fft.rfft2(sky) * transfer, s=(count, count)), rays * self.bins)
        edge = self._margin // self.bins
        image = image[:, edge : image.shape[1] - edge, edge : image.shape[2] - edge] * (step / self.bins) ** 2
        if self.enlarge:
            image = enlarged(image.unsqueeze(1), image.new_empty(1, 1, self.size, self.size))[:, 0]
        return image.flatten(1)

    def source(self, points: Tensor, rays: int, more: Deflection | None = None) -> Tensor:
        """Return the lensed source's images (N, pixels).

        Args:
            points: (N, P), see :mod:`lenssr.modelling.lens`.
            rays: along a side of an HR pixel.
            more: deflection that is added at the rays' axis, arcsec, (N or 1, M, M) in x and y.
        """
        return self._images(points, rays, lambda part, axis: source_brightness(part, axis, more))

    def deflector(self, points: Tensor, rays: int) -> Tensor:
        """Return the lens light's images (N, pixels)."""

        def light(part: Tensor, axis: Tensor) -> Tensor:
            return sersic(rendered(part), axis.view(1, 1, -1), axis.view(1, -1, 1), "deflector")

        return self._images(points, rays, light)

    def _images(self, points: Tensor, rays: int, light: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        axis = self.axis(rays)
        chunk = max(1, _RAYS // len(axis) ** 2)
        return torch.cat([self.seen(light(part, axis), rays) for part in points.split(chunk)])


def source_brightness(points: Tensor, axis: Tensor, more: Deflection | None = None) -> Tensor:
    """Return the lensed source's surface brightness at the rays, (N, M, M)."""
    p = rendered(points)
    x, y = axis.view(1, 1, -1), axis.view(1, -1, 1)
    ax, ay = power_law_deflection(p, x, y)
    ax = ax + p["gamma1"] * x + p["gamma2"] * y
    ay = ay + p["gamma2"] * x - p["gamma1"] * y
    if more is not None:
        dx, dy = more(axis)
        ax, ay = ax + dx, ay + dy
    return sersic(p, x - ax, y - ay)
