"""What looks like sky and was not measured: a border of zeros, the gaps that drizzling leaves."""

from __future__ import annotations

import numpy as np

__all__ = ["unmeasured"]

_SOLID = 5  # px along a side of a square of one value, which noise does not make
_LEAST = 0.01  # of the image, below which it may be saturation or chance


def unmeasured(data: np.ndarray) -> np.ndarray:
    """Return which pixels hold a constant instead of a measurement, (H, W).

    A value counts that fills solid areas (squares of 5 px) of which one touches the border; with it all areas of that
    value that are solid, and what hangs on to them.
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
    return masked
