"""Noise-free lens images in torch: deflection, source brightness, pixels and point-spread function.

Conventions are lenstronomy's: arcsec, x to the right and y up, ``image[row = y, column = x]``, pixel centres
at (i - (N - 1) / 2) * pixel_scale, ellipticity e = (1 - q) / (1 + q) * (cos 2phi, sin 2phi).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lenssr.data.sky.galaxies import Galaxies
from lenssr.data.sky.haloes import Haloes, add_haloes_

__all__ = ["Instrument", "add_point_masses_", "add_substructure_", "render", "sersic", "stamps"]

_CORE = 1e-10  # arcsec; without it a pixel centred on the lens is NaN


@dataclass(frozen=True)
class Instrument:
    """Pixels and Gaussian point-spread function of a camera.

    Attributes:
        image_size: pixels along a side.
        pixel_scale: arcsec.
        psf_fwhm: arcsec; 0 for none.
        psf_truncation: half-width of the kernel in units of its standard deviation.
        supersampling: rays along a side of a pixel.
    """

    image_size: int
    pixel_scale: float
    psf_fwhm: float
    psf_truncation: float = 4.0
    supersampling: int = 1

    def axis(self, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the coordinates of the rays along one side, in arcsec, shape (image_size * supersampling,)."""
        n = self.image_size * self.supersampling
        step = self.pixel_scale / self.supersampling
        return ((torch.arange(n, dtype=torch.float64) - (n - 1) / 2) * step).to(device, dtype)

    def psf(self, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the one-dimensional kernel on the rays' grid, normalised to one."""
        sigma = self.psf_fwhm / (2 * math.sqrt(2 * math.log(2))) / self.pixel_scale * self.supersampling
        if sigma == 0:
            return torch.ones(1, device=device, dtype=dtype)
        radius = int(self.psf_truncation * sigma + 0.5)
        offset = torch.arange(-radius, radius + 1, dtype=torch.float64)
        taps = torch.exp(-0.5 * (offset / sigma) ** 2)
        return (taps / taps.sum()).to(device, dtype)


def render(parameters: Mapping[str, Tensor], instrument: Instrument, galaxies: Galaxies | None = None) -> Tensor:
    """Return noise-free images, flux per pixel and unit time.

    Args:
        parameters: tensors of shape (B,), named as the columns of :func:`lenssr.data.sky.parameters.sample`;
            ``subhalo_x``, ``subhalo_y``, ``subhalo_theta_E`` and, where there is one, ``subhalo_scale`` of shape
            (B, K), padded with theta_E = 0. Images with a ``subhalo_scale`` share one ``halo_truncation``.
        instrument: the camera.
        galaxies: the sources that ``source_stamp`` numbers; None: Sersic profiles.

    Returns:
        Images of shape (B, N, N).
    """
    p = {name: value.view(-1, 1, 1) for name, value in parameters.items() if value.ndim == 1}
    some = p["theta_E"]
    axis = instrument.axis(some.device, some.dtype)
    x, y = axis.view(1, 1, -1), axis.view(1, -1, 1)
    ax, ay = _macro_deflection(p, x, y)
    add_substructure_(ax, ay, axis, parameters, instrument.supersampling)
    # beta = theta - alpha, written over alpha
    beta_x, beta_y = ax.neg_().add_(x), ay.neg_().add_(y)
    sky = sersic(p, beta_x, beta_y) if galaxies is None else stamps(p, beta_x, beta_y, galaxies)
    sky = _convolve(sky, instrument.psf(some.device, some.dtype))
    if instrument.supersampling > 1:
        sky = F.avg_pool2d(sky.unsqueeze(1), instrument.supersampling).squeeze(1)
    return sky.mul_(instrument.pixel_scale**2)


def _axis_ratio(e1: Tensor, e2: Tensor) -> tuple[Tensor, Tensor]:
    """Return (q, position angle) of an ellipticity."""
    e = torch.hypot(e1, e2).clamp(max=0.9999)
    return (1 - e) / (1 + e), torch.atan2(e2, e1) / 2


def _macro_deflection(p: Mapping[str, Tensor], x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the deflection of a singular isothermal ellipsoid and an external shear, in arcsec."""
    from caustics.lenses.func import reduced_deflection_angle_external_shear, reduced_deflection_angle_sie

    q, phi = _axis_ratio(p["e1"], p["e2"])
    ax, ay = reduced_deflection_angle_sie(p["lens_x"], p["lens_y"], q, phi, p["theta_E"], x, y, s=_CORE)
    zero = torch.zeros_like(q)
    sx, sy = reduced_deflection_angle_external_shear(zero, zero, p["gamma1"], p["gamma2"], x, y)
    return ax.add_(sx), ay.add_(sy)


def add_substructure_(
    ax: Tensor, ay: Tensor, axis: Tensor, parameters: Mapping[str, Tensor], supersampling: int
) -> None:
    """Add, in place, the deflection of point masses, and of truncated haloes where there is a scale radius."""
    x, y, theta = (parameters[f"subhalo_{name}"] for name in ("x", "y", "theta_E"))
    scale = parameters.get("subhalo_scale")
    if scale is None:
        add_point_masses_(ax, ay, axis, x, y, theta)
        return
    point = (scale == 0) & (theta > 0)
    here = point.any(0)  # columns of padding and of haloes would cost as much as those of points
    add_point_masses_(ax, ay, axis, x[:, here], y[:, here], (theta * point)[:, here])
    if (~point & (theta > 0)).any():
        haloes = Haloes(x, y, theta * ~point, scale, float(parameters["halo_truncation"][0]))
        add_haloes_(ax, ay, axis, haloes, supersampling)


def add_point_masses_(ax: Tensor, ay: Tensor, axis: Tensor, px: Tensor, py: Tensor, theta: Tensor) -> None:
    """Add, in place, the deflection theta_E^2 d / |d|^2 of point masses to (B, N, N) maps.

    A loop over the masses keeps the working set in cache: (B, K, N, N) would not fit. On a regular grid
    |d|^2 / theta_E^2 is a row plus a column, so a mass costs four passes over the map.

    Args:
        ax: x deflection in arcsec, shape (B, N, N).
        ay: y deflection.
        axis: coordinates of the grid along a side, shape (N,).
        px: x of the masses, shape (B, K).
        py: y of the masses.
        theta: their Einstein radii; masses with 0 add nothing.
    """
    weight = torch.empty_like(ax)
    dx, dy = axis - px.unsqueeze(-1), axis - py.unsqueeze(-1)  # (B, K, N)
    inverse = theta.square().clamp(min=1e-30).reciprocal().unsqueeze(-1)
    # 1e-20: the deflection of a ray that meets a mass, or the padding, is 0 and not 0 * inf
    x2, y2 = dx.square() * inverse, dy.square() * inverse + 1e-20
    for k in range(px.shape[1]):
        torch.add(x2[:, k].unsqueeze(1), y2[:, k].unsqueeze(2), out=weight)
        weight.reciprocal_()
        ax.addcmul_(weight, dx[:, k].unsqueeze(1))
        ay.addcmul_(weight, dy[:, k].unsqueeze(2))


def sersic(p: Mapping[str, Tensor], x: Tensor, y: Tensor, name: str = "source") -> Tensor:
    """Return the surface brightness of a galaxy whose parameters ``name`` begins, flux / arcsec^2 / unit time."""
    from caustics.light.func import brightness_sersic, k_lenstronomy

    x0, y0, e1, e2, radius, n, amplitude = (
        p[f"{name}_{key}"] for key in ("x", "y", "e1", "e2", "radius", "index", "amplitude")
    )
    q, phi = _axis_ratio(e1, e2)
    # caustics' radius is the major axis, lenstronomy's the product average
    return brightness_sersic(x0, y0, q, phi, n, radius / q.sqrt(), amplitude, x, y, k_lenstronomy(n))


def stamps(p: Mapping[str, Tensor], x: Tensor, y: Tensor, galaxies: Galaxies) -> Tensor:
    """Return the surface brightness of turned galaxies, flux / arcsec^2 / unit time, bilinear between their pixels."""
    dx, dy = x - p["source_x"], y - p["source_y"]
    cos, sin = p["source_angle"].cos(), p["source_angle"].sin()
    grid = torch.stack([cos * dx + sin * dy, cos * dy - sin * dx], dim=-1) * (2 / galaxies.width)
    chosen = torch.from_numpy(galaxies.stamps)[p["source_stamp"].flatten().long().cpu()].to(x.device, x.dtype)
    seen = F.grid_sample(chosen.unsqueeze(1), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return seen[:, 0] * p["source_flux"] * (chosen.shape[-1] / galaxies.width) ** 2


def _convolve(image: Tensor, taps: Tensor) -> Tensor:
    """Convolve (B, N, N) images with a symmetric, separable kernel, repeating the edge pixels.

    Shifted sums: with a single channel they take a quarter of conv2d's time on a CPU, an eighth for long kernels.
    """
    weights = taps.tolist()
    radius = len(weights) // 2
    if radius == 0:
        return image
    for dim, pad in ((2, (radius, radius, 0, 0)), (1, (0, 0, radius, radius))):
        size = image.shape[dim]
        padded = F.pad(image.unsqueeze(1), pad, mode="replicate").squeeze(1)
        image = padded.narrow(dim, radius, size) * weights[radius]
        for k in range(radius):
            image.add_(padded.narrow(dim, k, size), alpha=weights[k])
            image.add_(padded.narrow(dim, 2 * radius - k, size), alpha=weights[k])
    return image
