"""Newton's step towards the maximum of a Gaussian, within bounds."""

from __future__ import annotations

import numpy as np

__all__ = ["bounded"]


def bounded(
    information: np.ndarray, slope: np.ndarray, place: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Return where a Gaussian is highest within bounds: a step that is no longer than they allow.

    An active-set method (Nocedal & Wright 2006, Numerical Optimization, section 16.5): towards the maximum up to the
    first bound, where that number is held and the others go on; one whose slope leads inwards again is let go. To cut
    the whole step at the bounds would leave the others where they belong to numbers outside.

    Args:
        information: minus the second derivatives, (d, d).
        slope: the first, (d,).
        place: where both are taken, within the bounds, (d,).
        low: bounds, -inf for none, (d,).
        high: likewise.
    """
    now, free = place.copy(), np.ones(len(place), bool)
    for _ in range(5 * len(place)):  # some more than it takes
        rise = slope - information @ (now - place)
        move = np.zeros_like(now)
        if free.any():
            move[free] = np.linalg.solve(information[np.ix_(free, free)], rise[free])
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(move > 0, (high - now) / move, np.where(move < 0, (low - now) / move, np.inf))
        first = int(np.argmin(room))
        now = np.clip(now + min(1.0, room[first]) * move, low, high)
        if room[first] < 1:
            now[first] = high[first] if move[first] > 0 else low[first]  # not a rounding beside it
            free[first] = False
            continue
        rise = slope - information @ (now - place)
        inwards = np.where(free, 0.0, np.where(now >= high, -rise, rise))
        if inwards.max() <= 1e-9 * np.abs(slope).max():
            break
        free[int(inwards.argmax())] = True
    return now
