"""How far fits are from the truth, and from what they tell of themselves; with intervals over the lenses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lenssr.metrics.labels import LabelEvaluation
from lenssr.modelling.fit import Fit
from lenssr.modelling.lens import NAMES

__all__ = ["ModellingEvaluation", "measured", "shares", "summarised"]

_WITHIN = 0.6826894921370859
_FAR = 0.1  # of the Einstein radius: a fit that is farther off has failed
_DRAWS = 2000
GROUPS = {
    "theta_E": ("theta_E",),
    "ellipticity": ("e1", "e2"),
    "shear": ("gamma1", "gamma2"),
    "source": ("source_x", "source_y"),
}
_AT = {name: i for i, name in enumerate(NAMES)}


@dataclass(frozen=True)
class ModellingEvaluation(LabelEvaluation):
    """What fits of one split found.

    Attributes:
        intervals: 95 % intervals over the lenses of the scores in ``extra["prediction"]``.
    """

    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)

    def summary(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return ``prediction`` -> score -> ``mean``, ``std``, and the interval's ``low`` and ``high``."""
        return {
            who: {
                name: {
                    "mean": value,
                    "std": 0.0,
                    **dict(zip(("low", "high"), self.intervals.get(name, ()), strict=False)),
                }
                for name, value in scores.items()
            }
            for who, scores in self.extra.items()
        }


def measured(found: Fit, truth: Tensor, pixels: int) -> pd.DataFrame:
    """Return a row a lens: each number's value, error and told standard deviation, chi-squared, and failure.

    The source's position is that from the lens's centre; errors of the Einstein radius are fractions of it.

    Args:
        found: the fits.
        truth: of the same lenses, (B, P).
        pixels: of an image.
    """
    turn = torch.eye(len(NAMES), dtype=torch.float64)
    for axis in "xy":
        turn[_AT[f"source_{axis}"], _AT[f"lens_{axis}"]] = -1.0
    value, right = (points.double() @ turn.T for points in (found.points, truth))
    sigma = (turn @ found.covariance @ turn.T).diagonal(dim1=1, dim2=2).clamp(min=0).sqrt()
    columns: dict[str, Tensor] = {}
    for name in (name for group in GROUPS.values() for name in group):
        i = _AT[name]
        scale = right[:, i] if name == "theta_E" else torch.ones(len(right), dtype=torch.float64)
        columns |= {f"prediction/{name}/value": value[:, i], f"prediction/{name}/sigma": sigma[:, i]}
        columns |= {f"prediction/{name}/error": (value[:, i] - right[:, i]) / scale, f"right/{name}": right[:, i]}
        columns[f"prediction/{name}/pull"] = (value[:, i] - right[:, i]) / sigma[:, i].clamp(min=1e-12)
    far = columns["prediction/theta_E/error"].abs() > _FAR
    columns["prediction/fit/chi2"] = found.chi2 / pixels
    columns["prediction/fit/failed"] = (far | ~found.converged).double()
    return pd.DataFrame({name: column.numpy() for name, column in columns.items()})


def summarised(table: pd.DataFrame) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Return scores of all lenses and their 95 % intervals: bootstrap over lenses, of shares Jeffreys' interval.

    ``bias`` is the median error, of vectors along the true one; ``scatter`` what 68.3 % of the errors about it are
    below, over both components; ``pull`` the same of errors in units of the told standard deviation, 1 if that is
    honest; ``pull_scaled`` that of errors widened by the root of the reduced chi-squared where it is above 1.
    """
    scores: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}

    every = np.arange(len(table))[None]
    draws = np.random.default_rng(0).integers(len(table), size=(_DRAWS, len(table)))

    def add(name: str, statistic: Callable[[np.ndarray], np.ndarray]) -> None:
        """Add a statistic of rows (draws, lenses) of the table, a number a draw."""
        scores[name] = float(statistic(every)[0])
        low, high = np.quantile(statistic(draws), [0.025, 0.975])
        intervals[name] = (float(low), float(high))

    def below(values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        return lambda rows: np.quantile(np.abs(values[rows]).reshape(len(rows), -1), _WITHIN, axis=1)

    def middle(values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        return lambda rows: np.median(values[rows], axis=1)

    for group, names in GROUPS.items():
        error, pull, right = (
            table[[f"{start}{name}{end}" for name in names]].to_numpy(float)
            for start, end in (("prediction/", "/error"), ("prediction/", "/pull"), ("right/", ""))
        )
        along = error[:, 0]
        if len(names) > 1:
            along = (error * right).sum(1) / np.hypot(*right.T).clip(min=1e-12)
        add(f"{group}/bias", middle(along))
        add(f"{group}/scatter", below(error - np.median(error, axis=0) if len(names) == 1 else error))
        add(f"{group}/pull", below(pull))
    chi2 = table["prediction/fit/chi2"].to_numpy(float)
    add("theta_E/pull_scaled", below(table["prediction/theta_E/pull"].to_numpy(float) / np.sqrt(chi2.clip(min=1.0))))
    add("fit/chi2", middle(chi2))
    failed = shares({"fit/failed": table["prediction/fit/failed"].to_numpy(bool)})
    return scores | failed[0], intervals | failed[1]


def shares(events: dict[str, np.ndarray]) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Return the fractions of events that are true, and Jeffreys' 95 % intervals (Brown et al. 2001)."""
    from scipy.stats import beta

    scores, intervals = {}, {}
    for name, event in events.items():
        count, hits = len(event), int(event.sum())
        scores[name] = hits / count if count else float("nan")
        low = 0.0 if hits == 0 else float(beta.ppf(0.025, hits + 0.5, count - hits + 0.5))
        high = 1.0 if hits == count else float(beta.ppf(0.975, hits + 0.5, count - hits + 0.5))
        intervals[name] = (low, high)
    return scores, intervals
