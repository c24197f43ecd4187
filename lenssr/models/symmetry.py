"""The eight symmetries of a square grid: quarter turns and mirrors."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

__all__ = ["ELEMENTS", "Element", "act", "averaged", "undo"]

Element = tuple[int, bool]  # quarter turns, after a mirror or not
ELEMENTS: tuple[Element, ...] = tuple(product(range(4), (False, True)))


def act(element: Element, image: Tensor) -> Tensor:
    """Mirror an image (..., H, W) if the element says so, then turn it."""
    quarters, mirror = element
    return torch.rot90(image.flip(-1) if mirror else image, quarters, (-2, -1))


def undo(element: Element, image: Tensor) -> Tensor:
    """Invert :func:`act`."""
    quarters, mirror = element
    turned = torch.rot90(image, -quarters, (-2, -1))
    return turned.flip(-1) if mirror else turned


def averaged(upscale: Callable[[Tensor], Tensor], lr: Tensor) -> Tensor:
    """Return the geometric self-ensemble of a network: the mean over g of g^-1 upscale(g lr), eight passes.

    Timofte et al. 2016 (arXiv:1511.02228), section 3.7; the result turns and mirrors exactly with its input, whatever
    the network.
    """
    return torch.stack([undo(element, upscale(act(element, lr))) for element in ELEMENTS]).mean(0)
