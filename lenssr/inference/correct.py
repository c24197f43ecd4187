"""What a network's image is made to agree with: the smooth flux of the input, and the input as the camera saw it.

Everything here works strip by strip, so that an image larger than memory allows needs no more than its input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lenssr.inference.network import Seen
from lenssr.inference.planes import forget, strips

__all__ = ["add_missed", "binned", "degraded", "enlarged_rows", "unclipped"]

_SMOOTH = 6.0  # input pixels, sigma of a Gaussian
_CLOSE = 1e-9  # of the noise, between two steps of Newton's method, where it ends
_STEPS = 41  # strengths of a blur that are tried
_TRIAL = 512  # input pixels along a side that a blur of unknown strength is fitted on


def unclipped(mean: Tensor, noise: float) -> Tensor:
    """Return the flux whose recording by a camera that clips negative counts has this mean.

    Inverts m = s phi(u / s) + u Phi(u / s), the mean of a rectified Gaussian of width s, by Newton's method; fluxes
    below -s, which a clipped image tells nothing of, become -s.
    """
    flux = mean.double()
    for _ in range(30):
        z = flux / noise
        below = torch.special.ndtr(z)
        told = noise * torch.exp(-0.5 * z * z) / (2 * torch.pi) ** 0.5 + flux * below
        better = (flux - (told - mean) / below.clamp(min=1e-3)).clamp(min=-noise)
        still, flux = float((better - flux).abs().max()) > _CLOSE * noise, better
        if not still:
            break
    return flux.float()


def binned(surface: np.ndarray, scale: int) -> np.ndarray:
    """Return means of scale x scale pixels, float32 (H / scale, W / scale)."""
    height, width = (n // scale for n in surface.shape)
    found = np.empty((height, width), np.float32)
    for rows in strips((height, width), scale):
        found[rows] = _mean(_fine(surface, rows, scale), scale)
        forget(surface)
    return found


def _fine(surface: np.ndarray, rows: slice, scale: int) -> np.ndarray:
    return surface[scale * rows.start : scale * rows.stop]


def _mean(fine: np.ndarray, scale: int) -> np.ndarray:
    return F.avg_pool2d(torch.from_numpy(np.ascontiguousarray(fine))[None, None], scale)[0, 0].numpy()


def enlarged_rows(image: np.ndarray, rows: slice, scale: int) -> np.ndarray:
    """Return rows of an image interpolated bilinearly, (scale * rows, scale * W), as if it were enlarged whole."""
    top, bottom = max(0, rows.start - 1), min(len(image), rows.stop + 1)
    part = torch.from_numpy(np.ascontiguousarray(image[top:bottom]))[None, None]
    fine = F.interpolate(part, scale_factor=scale, mode="bilinear")[0, 0].numpy()
    return fine[scale * (rows.start - top) : scale * (rows.stop - top)]


def add_missed(surface: np.ndarray, scale: int, data: np.ndarray, here: np.ndarray | None) -> None:
    """Add to an image, in place, the smooth flux that it lacks against the input.

    Over many pixels the input itself measures the flux better than any network guesses it: what is smoother than
    ``_SMOOTH`` pixels is taken from there, which adds a 21st of a pixel's noise, and the total is the input's.

    Args:
        surface: (scale * H, scale * W), flux per input pixel above the sky.
        scale: pixels per input pixel.
        data: the input, (H, W), likewise.
        here: which pixels were measured; None for all.
    """
    from scipy.ndimage import gaussian_filter

    lacking = data - binned(surface, scale)
    if here is None:
        smooth = gaussian_filter(lacking, _SMOOTH)
    else:
        lacking[~here] = 0
        weight = gaussian_filter(here.astype(np.float32), _SMOOTH)
        smooth = gaussian_filter(lacking, _SMOOTH) / np.maximum(weight, 1e-6)
    total, count = 0.0, 0
    for rows in strips(data.shape, scale):
        left = (lacking[rows] - _mean(enlarged_rows(smooth, rows, scale), scale)).astype(np.float64)
        known = slice(None) if here is None else here[rows]
        total, count = total + float(left[known].sum()), count + left[known].size
    smooth += np.float32(total / count)
    for rows in strips(data.shape, scale):
        _fine(surface, rows, scale)[:] += enlarged_rows(smooth, rows, scale)
        forget(surface)


class _Blur(NamedTuple):
    """A blur on HR pixels: what number tells it, how many pixels it reaches, and what it does to an image."""

    number: float | None
    reach: int
    applied: Callable[[np.ndarray], np.ndarray]


def degraded(
    surface: np.ndarray,
    scale: int,
    seen: Seen,
    data: np.ndarray,
    noise: Callable[[], np.ndarray],
    here: np.ndarray | None,
) -> tuple[np.ndarray, dict[str, float]]:
    """Return what the camera would make of an image, (H, W), and the blur that fits best where its strength is unknown.

    ``blur``, sigma in input pixels, or ``psf``, the FWHM of the camera's PSF, likewise.

    Args:
        surface: (scale * H, scale * W), flux per input pixel above the sky.
        scale: pixels per input pixel.
        seen: what the images of training were like.
        data: the input, (H, W), likewise.
        noise: gives the standard deviation of its pixels, where it is asked for.
        here: which pixels were measured; None for all.
    """
    blurs = _blurs(seen, scale)
    if not blurs:
        return binned(surface, scale), {}
    blur = blurs[0] if len(blurs) == 1 else _fitting(blurs, surface, scale, data, noise(), here)
    found = np.empty(data.shape, np.float32)
    margin = -(-blur.reach // scale)
    for rows in strips(data.shape, scale):
        top, bottom = max(0, rows.start - margin), min(len(data), rows.stop + margin)
        blurred = _mean(blur.applied(surface[scale * top : scale * bottom]), scale)
        found[rows] = blurred[rows.start - top : rows.stop - top]
        forget(surface)
    name = "blur" if seen.blur is not None else "psf"
    return found, {name: blur.number} if blur.number and len(blurs) > 1 else {}


def _blurs(seen: Seen, scale: int) -> list[_Blur]:
    """Return the blurs that the images of training had, from the weakest to the strongest."""
    if seen.blur is not None:
        sigmas = [float(sigma) for sigma in np.linspace(*seen.blur, _STEPS)]
        return [_Blur(sigma, int(3 * sigma * scale) + 1, partial(_gaussian, sigma=sigma * scale)) for sigma in sigmas]
    return [_Blur(width, len(one) // 2, partial(_convolved, kernel=one)) for width, one in seen.kernels]


def _gaussian(fine: np.ndarray, sigma: float) -> np.ndarray:
    from lenssr.data.camera.degrade import blurred

    return blurred(torch.from_numpy(np.ascontiguousarray(fine))[None], torch.tensor([float(sigma)]), sigma)[0].numpy()


def _convolved(fine: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    from lenssr.data.camera.degrade import convolve

    return convolve(fine.astype(np.float64), kernel).astype(np.float32)


def _fitting(
    blurs: Sequence[_Blur],
    surface: np.ndarray,
    scale: int,
    data: np.ndarray,
    rms: np.ndarray,
    here: np.ndarray | None,
) -> _Blur:
    """Return the blur that brings the middle of an image nearest to the input."""
    low = [max(0, (n - _TRIAL) // 2) for n in data.shape]
    where = tuple(slice(start, start + _TRIAL) for start in low)
    fine = surface[tuple(slice(scale * start, scale * (start + _TRIAL)) for start in low)]
    known = slice(None) if here is None else here[where]

    def misfit(blur: _Blur) -> float:
        rest = ((_mean(blur.applied(fine), scale) - data[where]) / rms[where])[known]
        rest = rest[np.isfinite(rest)]
        return float(np.square(rest, dtype=np.float64).mean()) if rest.size else np.inf

    found = [misfit(blur) for blur in blurs]
    return blurs[int(np.argmin(found))] if np.isfinite(found).any() else blurs[len(blurs) // 2]
