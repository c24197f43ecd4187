"""Draws from a posterior against the truth: how sharp, how honest, how consistent."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["coverage", "crps", "ranks"]


def crps(draws: Tensor, target: Tensor) -> Tensor:
    """Continuous ranked probability score, the fair estimator (Ferro 2014, doi:10.1002/qj.2270), mean over pixels.

    E|X - y| - E|X - X'| / 2, with the second mean over different draws, so that its expectation does not depend on
    their number. A single draw scores its absolute error.

    Args:
        draws: (B, K, H, W).
        target: (B, H, W).

    Returns:
        (B,), in the unit of the images.
    """
    count = draws.shape[1]
    error = (draws - target.unsqueeze(1)).abs().mean(1)
    if count > 1:
        # sum over pairs |x_i - x_j| of sorted draws
        weight = 2 * torch.arange(count, device=draws.device, dtype=draws.dtype) - count + 1
        pairs = (draws.sort(1).values * weight.view(1, -1, 1, 1)).sum(1)
        error = error - pairs / (count * (count - 1))
    return error.mean(dim=(-2, -1))


def ranks(draws: Tensor, target: Tensor) -> Tensor:
    """Number of draws (B, K, H, W) below the target (B, H, W), int64 (B, H, W): uniform on 0 ... K if all is honest."""
    return (draws < target.unsqueeze(1)).sum(1)


def coverage(draws: Tensor, target: Tensor, level: float) -> Tensor:
    """Return the fraction of pixels whose target lies in the interval that should hold it with probability ``level``.

    mean +- t s sqrt(1 + 1 / K) with Student's t of K - 1 degrees of freedom: the prediction interval of one more number
    from a Gaussian known by K draws, which an ideal Gaussian posterior covers exactly. :func:`ranks` assumes no shape.

    Args:
        draws: (B, K, H, W).
        target: (B, H, W).
        level: 0 to 1.

    Returns:
        (B,).
    """
    from scipy.stats import t

    count = draws.shape[1]
    reach = float(t.ppf(0.5 + level / 2, count - 1)) * math.sqrt(1 + 1 / count)
    inside = (target - draws.mean(1)).abs() <= reach * draws.std(1)
    return inside.float().mean(dim=(-2, -1))
