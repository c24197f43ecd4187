"""Images larger than memory allows in one pass: overlapping tiles, blended, given row of tiles by row of tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

__all__ = ["MARGIN", "TILE", "banded", "tiled", "tiles"]

TILE = 192  # LR px along a side
MARGIN = 32  # LR px that neighbours share, beyond what one of them alone answers for

Work = Callable[[Tensor, int], list[Tensor]]


def tiles(height: int, width: int, tile: int = TILE, margin: int = MARGIN, grid: int = 1) -> int:
    """Return how many tiles an image takes."""
    if max(height, width) <= tile:
        return 1
    return len(_spans(height, tile, margin, grid)) * len(_spans(width, tile, margin, grid))


def tiled(work: Work, lr: Tensor, scale: int, tile: int = TILE, margin: int = MARGIN, grid: int = 1) -> list[Tensor]:
    """Apply ``work`` to an image, in one pass where it fits into a tile; see :func:`banded`."""
    bands = list(banded(work, lr, scale, tile, margin, grid=grid))
    return [torch.cat(parts, dim=-2) for parts in zip(*(band for _, band in bands), strict=True)]


def banded(
    work: Work,
    lr: Tensor,
    scale: int,
    tile: int = TILE,
    margin: int = MARGIN,
    done: Callable[[], None] = lambda: None,
    grid: int = 1,
) -> Iterator[tuple[int, list[Tensor]]]:
    """Yield the first row of a band on the finer grid and its images (1, 1, rows, scale * w), top to bottom.

    Neighbouring tiles overlap by twice the margin; a pixel nearer than half of it to a cut is not used, and between
    there the weight rises linearly. So a network that looks no further than half the margin gives what it would give
    in one pass.

    Args:
        work: maps (1, 1, h, w) and the tile's number to images (1, 1, scale * h, scale * w).
        lr: (1, 1, h, w).
        scale: HR pixels per LR pixel.
        tile: LR px.
        margin: LR px.
        done: called after each tile.
        grid: LR px; tiles begin at its multiples, so that a network with windows cuts them as in the whole image.
    """
    height, width = lr.shape[-2:]
    if max(height, width) <= tile:
        yield 0, work(lr, 0)
        done()
        return
    columns = _spans(width, tile, margin, grid)
    rows = _spans(height, tile, margin, grid)
    carried: list[Tensor] = []
    weight = torch.zeros(0)
    for i, (top, bottom) in enumerate(rows):
        sums, weights = _row_of_tiles(work, lr[..., top:bottom, :], scale, columns, margin, i * len(columns), done)
        ramp = _ramp(top, bottom, height, scale, margin).view(-1, 1)
        sums, weights = [image * ramp for image in sums], weights * ramp
        if carried:  # what the row of tiles above has left of the rows that both see
            shared = carried[0].shape[-2]
            for image, above in zip(sums, carried, strict=True):
                image[..., :shared, :] += above
            weights[..., :shared, :] += weight
        own = scale * ((rows[i + 1][0] if i + 1 < len(rows) else bottom) - top)
        yield scale * top, [image[..., :own, :] / weights[..., :own, :] for image in sums]
        carried, weight = [image[..., own:, :].clone() for image in sums], weights[..., own:, :].clone()


def _row_of_tiles(
    work: Work,
    lr: Tensor,
    scale: int,
    columns: list[tuple[int, int]],
    margin: int,
    first: int,
    done: Callable[[], None],
) -> tuple[list[Tensor], Tensor]:
    """Return the weighted sums of one row of tiles, and the weights, before the weighting along the columns."""
    height, width = lr.shape[-2:]
    sums: list[Tensor] = []
    weights = torch.zeros(1, 1, 1, scale * width)
    for number, (left, right) in enumerate(columns, first):
        found = work(lr[..., left:right], number)
        ramp = _ramp(left, right, width, scale, margin)
        where = (..., slice(scale * left, scale * right))
        sums = sums or [torch.zeros(1, 1, scale * height, scale * width, dtype=image.dtype) for image in found]
        for total, image in zip(sums, found, strict=True):
            total[where] += ramp * image
        weights[where] += ramp
        done()
    return sums, weights.expand(1, 1, scale * height, -1).clone()


def _spans(length: int, tile: int, margin: int, grid: int) -> list[tuple[int, int]]:
    """Return the tiles along one side; the last one ends with the image, and may be longer by less than the grid."""
    step = max(grid, (tile - 2 * margin) // grid * grid)
    last = max(0, length - tile) // grid * grid
    starts = sorted({min(start, last) for start in range(0, max(1, length - 2 * margin), step)} | {last})
    return [(start, length if start == last else start + tile) for start in starts]


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
