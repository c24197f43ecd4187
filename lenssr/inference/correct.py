"""What a network's image is made to agree with: the smooth flux of the input, and the input as the camera saw it.

Everything here works strip by strip, so that an image larger than memory allows needs no more than its input.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lenssr.inference.network import Seen
from lenssr.inference.planes import forget, strips

__all__ = ["add_missed", "binned", "degraded", "enlarged_rows", "unclipped"]

_SMOOTH = 6.0  # input pixels, sigma of a Gaussian
_CLOSE = 1e-9  # of the noise, between two steps of Newton's method, where it ends
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


def degraded(
    surface: np.ndarray, scale: int, seen: Seen, data: np.ndarray, rms: np.ndarray, here: np.ndarray | None
) -> tuple[np.ndarray, float | None]:
    """Return what the camera would make of an image, (H, W); a blur of unknown strength is the one that fits best."""
    if seen.kernel is None and seen.blur is None:
        return binned(surface, scale), None
    sigma = None if seen.kernel is not None else _fitting(surface, scale, seen, data, rms, here)
    reach = len(seen.kernel) // 2 if seen.kernel is not None else int(3 * (sigma or 0) * scale) + 1
    found = np.empty(data.shape, np.float32)
    for rows in strips(data.shape, scale):
        margin = -(-reach // scale)
        top, bottom = max(0, rows.start - margin), min(len(data), rows.stop + margin)
        blurred = _mean(_blur(surface[scale * top : scale * bottom], seen, scale, sigma), scale)
        found[rows] = blurred[rows.start - top : rows.stop - top]
        forget(surface)
    return found, sigma


def _blur(fine: np.ndarray, seen: Seen, scale: int, sigma: float | None) -> np.ndarray:
    from lenssr.data.camera.degrade import blurred, convolve

    if seen.kernel is not None:
        return convolve(fine.astype(np.float64), seen.kernel).astype(np.float32)
    assert sigma is not None
    return blurred(
        torch.from_numpy(np.ascontiguousarray(fine))[None], torch.tensor([float(sigma * scale)]), sigma * scale
    )[0].numpy()


def _fitting(
    surface: np.ndarray, scale: int, seen: Seen, data: np.ndarray, rms: np.ndarray, here: np.ndarray | None
) -> float:
    """Return the strength of blur, sigma in input pixels, that brings the middle of an image nearest to the input."""
    assert seen.blur is not None
    low = [max(0, (n - _TRIAL) // 2) for n in data.shape]
    where = tuple(slice(start, start + _TRIAL) for start in low)
    fine = surface[tuple(slice(scale * start, scale * (start + _TRIAL)) for start in low)]
    known = slice(None) if here is None else here[where]

    def misfit(sigma: float) -> float:
        rest = (_mean(_blur(fine, seen, scale, sigma), scale) - data[where]) / rms[where]
        return float(np.square(rest[known], dtype=np.float64).mean())

    return float(min(np.linspace(*seen.blur, 41), key=misfit))
