"""Images larger than memory allows in one pass: overlapping tiles, blended."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["MARGIN", "TILE", "tiled"]

TILE = 192  # LR px along a side
MARGIN = 32  # LR px that neighbours share, beyond what one of them alone answers for


def tiled(
    work: Callable[[Tensor, int], list[Tensor]], lr: Tensor, scale: int, tile: int = TILE, margin: int = MARGIN
) -> list[Tensor]:
    """Apply ``work`` to an image, in one pass where it fits into a tile.

    Neighbouring tiles overlap by twice the margin; a pixel nearer than half of it to a cut is not used, and between
    there the weight rises linearly. So a network that looks no further than half the margin gives what it would give
    in one pass.

    Args:
        work: maps (1, 1, h, w) and the tile's number to images (1, 1, scale * h, scale * w).
        lr: (1, 1, h, w).
        scale: HR pixels per LR pixel.
        tile: LR px.
        margin: LR px.
    """
    height, width = lr.shape[-2:]
    if max(height, width) <= tile:
        return work(lr, 0)
    sums: list[Tensor] = []
    weights = torch.zeros(1, 1, scale * height, scale * width)
    number = 0
    for top, bottom in _spans(height, tile, margin):
        for left, right in _spans(width, tile, margin):
            found = work(lr[..., top:bottom, left:right], number)
            rows, columns = _ramp(top, bottom, height, scale, margin), _ramp(left, right, width, scale, margin)
            weight = rows.view(-1, 1) * columns.view(1, -1)
            where = (..., slice(scale * top, scale * bottom), slice(scale * left, scale * right))
            sums = sums or [torch.zeros(weights.shape, dtype=image.dtype) for image in found]
            for total, image in zip(sums, found, strict=True):
                total[where] += weight * image
            weights[where] += weight
            number += 1
    return [total / weights for total in sums]


def _spans(length: int, tile: int, margin: int) -> list[tuple[int, int]]:
    """Return the tiles along one side; the last one ends with the image."""
    step = tile - 2 * margin
    starts = list(range(0, max(1, length - 2 * margin), step))
    return sorted(
        {(max(0, min(start, length - tile)), min(length, max(0, min(start, length - tile)) + tile)) for start in starts}
    )


def _ramp(start: int, stop: int, length: int, scale: int, margin: int) -> Tensor:
    """Return the weights along one side of a tile: 0 near a cut, rising to 1; 1 at the image's own edge."""
    size = scale * (stop - start)
    place = torch.arange(size) + 0.5
    half = scale * margin / 2
    weight = torch.ones(size)
    if start > 0:
        weight = torch.minimum(weight, ((place - half) / half).clamp(0, 1))
    if stop < length:
        weight = torch.minimum(weight, ((size - place - half) / half).clamp(0, 1))
    return weight
