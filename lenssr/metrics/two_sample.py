"""Can draws be told from exact ones? A classifier's accuracy is the answer (Lopez-Paz & Oquab 2017, arXiv:1610.06545).

One half: it guesses, the draws are as good as exact ones. One: it is never wrong. The classifier is the quadratic
discriminant of two Gaussians, in closed form, tested on draws that it was not fitted to. It sees where a posterior
lies, how wide it is and how it is tilted, and is blind to all else.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

__all__ = ["c2st", "told_apart"]

_FOLDS = 5
_RIDGE = 1e-3  # of a class's mean variance, added to its covariance, which few draws know badly


def told_apart(one: np.ndarray, other: np.ndarray) -> float:
    """Return the accuracy of a classifier between two samples, on draws left out of its fit.

    Args:
        one: (N, D).
        other: (N, D), with N at least 2 (D + 1).

    Raises:
        ValueError: the samples have other shapes, or too few draws.
    """
    count, size = one.shape
    if other.shape != one.shape or count < 2 * (size + 1):
        raise ValueError(f"samples of {one.shape} and {other.shape} numbers cannot be compared")
    fold = np.arange(count) % _FOLDS
    right = 0
    for k in range(_FOLDS):
        first, second = (_density(sample[fold != k]) for sample in (one, other))
        for sample, own, foreign in ((one, first, second), (other, second, first)):
            left = sample[fold == k]
            right += int((own(left) > foreign(left)).sum())
    return right / (2 * count)


def _density(sample: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return the logarithm of a Gaussian's density, fitted to a sample (N, D), as a function of points (M, D)."""
    mean = sample.mean(0)
    covariance = np.cov(sample, rowvar=False).reshape(len(mean), len(mean))
    covariance = covariance + _RIDGE * max(np.trace(covariance) / len(mean), 1e-300) * np.eye(len(mean))
    inverse, size = np.linalg.inv(covariance), float(np.linalg.slogdet(covariance)[1])

    def density(points: np.ndarray) -> np.ndarray:
        away = points - mean
        found: np.ndarray = -0.5 * (np.einsum("ni,ij,nj->n", away, inverse, away) + size)
        return found

    return density


def c2st(exact: Tensor, drawn: Tensor, components: int) -> float:
    """Return how well draws of an image are told from exact ones.

    Images are compared by their places along the directions in which exact draws differ most. Half of the exact draws
    say which these are, and are not compared.

    Args:
        exact: (N, H, W).
        drawn: (K, H, W); of both kinds as many are compared as there are.
        components: how many directions.

    Raises:
        ValueError: there are too few draws, see :func:`told_apart`.
    """
    known, others = (x.double().cpu().flatten(1) for x in exact.chunk(2))
    middle = known.mean(0)
    directions = torch.linalg.svd(known - middle, full_matrices=False).Vh[:components].T
    count = min(len(others), len(drawn))
    places = [((x - middle) @ directions).numpy() for x in (others[:count], drawn[:count].double().cpu().flatten(1))]
    return told_apart(*places)
