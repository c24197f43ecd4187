"""What looks like sky and was not measured: a border of zeros, the gaps that drizzling leaves."""

from __future__ import annotations

import numpy as np

__all__ = ["unmeasured"]

_SOLID = 5  # px along a side of a square of one value, which noise does not make
_LEAST = 0.01  # of the image, below which it may be saturation or chance


def unmeasured(data: np.ndarray) -> np.ndarray:
    """Return which pixels hold a constant instead of a measurement, (H, W).

    A value counts that fills solid areas (squares of 5 px) of which one touches the border; with it all areas of that
    value that are solid, and what hangs on to them. Rows and columns of the border that hold nothing else count, too,
    where there are two of them or more.
    """
    from scipy import ndimage

    edge = np.concatenate([data[0], data[-1], data[:, 0], data[:, -1]])
    values, counts = np.unique(edge[np.isfinite(edge)], return_counts=True)
    masked = np.zeros(data.shape, bool)
    for value in values[np.argsort(-counts)][:2]:
        same = data == value
        solid = ndimage.binary_opening(same, np.ones((_SOLID, _SOLID)))
        touching = solid[0].any() or solid[-1].any() or solid[:, 0].any() or solid[:, -1].any()
        if touching and solid.mean() >= _LEAST:
            labels, _ = ndimage.label(same)
            masked |= np.isin(labels, np.unique(labels[solid])) & same
        masked |= _frame(same)
    return masked


def _frame(same: np.ndarray) -> np.ndarray:
    """Return the rows and columns, counted from the border, that are of one value; none where only one is."""
    frame = np.zeros(same.shape, bool)
    lines = 0
    for plane, marked in ((same, frame), (same.T, frame.T)):
        whole: np.ndarray = np.asarray(plane.all(axis=1))
        first, last = int(np.argmin(whole)), int(np.argmin(whole[::-1]))
        marked[:first] = True
        marked[len(whole) - last :] = True
        lines += first + last
    return frame if lines > 1 else np.zeros(same.shape, bool)
