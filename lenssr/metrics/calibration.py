"""Is a told uncertainty honest, on arcs as on the sky? And for whole images, whose pixels are not independent?

Nine tenths of a lens image are sky. Pooled over pixels, intervals that are half as wide as they should be on the arcs
still look right, so everything is told by brightness: sky (noise-free flux below 1 sigma of the HR noise), faint (1 to
5), arc (above 5) and peak (above half of the brightest pixel).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torchmetrics import Metric

from lenssr.data.batches import Batch
from lenssr.metrics.per_image import Score
from lenssr.models.interpolation import enlarged

__all__ = [
    "BINS",
    "LEVELS",
    "Calibration",
    "brightness",
    "central",
    "gaussian_place",
    "joint_scores",
    "summary",
    "uniformity",
]

LEVELS = (0.5, 0.68, 0.95)
BINS = ("sky", "faint", "arc", "peak")
_FEW = 200  # pixels of a bin, below which its coverage says nothing


def brightness(batch: Batch) -> Tensor:
    """Return the bin of each pixel, int64 (B, H, W); all are sky where the noise-free flux is not known."""
    if "flux" not in batch:
        return torch.zeros_like(batch["target"][:, 0], dtype=torch.int64)
    flux = batch["flux"][:, 0]
    ratio = flux / batch["variance"][:, 0].sqrt()
    found = (ratio >= 1).long() + (ratio >= 5).long()
    return torch.where((flux >= 0.5 * flux.amax((-2, -1), keepdim=True)) & (ratio >= 5), 3, found)


def central(count: int, level: float) -> np.ndarray:
    """Return the weights of ``count`` equally likely places, with which the central interval holds ``level``.

    An interval between two order statistics holds a multiple of 1 / count; the places at its ends count in part.
    """
    edges = np.arange(count + 1) / count
    low, high = (1 - level) / 2, (1 + level) / 2
    found: np.ndarray = np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None) * count
    return found


class Calibration(Metric):
    """Where targets fall in what was told of them, by brightness, kept for every image.

    Args:
        places: equally likely ones, into which an honest posterior sorts its targets: draws + 1, or any number.
    """

    full_state_update = False
    counts: list[Tensor]
    variances: list[Tensor]
    errors: list[Tensor]

    def __init__(self, places: int) -> None:
        super().__init__()
        self.places = places
        for state in ("counts", "variances", "errors"):
            self.add_state(state, default=[], dist_reduce_fx="cat")

    def update(self, place: Tensor, variance: Tensor, error: Tensor, batch: Batch) -> None:
        """Add a batch.

        Args:
            place: of each target, int64 (B, H, W) from 0 to places - 1.
            variance: told, of the target about the prediction, (B, H, W).
            error: of the prediction, (B, H, W).
            batch: whose brightness sorts the pixels.
        """
        bins = brightness(batch).flatten(1)
        index = bins * self.places + place.flatten(1)
        size = len(BINS) * self.places
        counts = torch.zeros(len(index), size, dtype=torch.int64, device=index.device)
        counts.scatter_add_(1, index, torch.ones_like(index))
        self.counts.append(counts.view(-1, len(BINS), self.places))
        for kept, values in ((self.variances, variance), (self.errors, error.square())):
            sums = torch.zeros(len(index), len(BINS), dtype=torch.float64, device=index.device)
            kept.append(sums.scatter_add_(1, bins, values.double().flatten(1)))

    def compute(self) -> pd.DataFrame:
        """Return a row a bin, and one of ``all`` pixels.

        Columns: ``pixels``; ``coverage50``, ``68``, ``95`` of the central intervals between the told quantiles, and
        their standard errors over images, ``coverage50_error``, ...; ``spread_skill``, told rms spread over rms error;
        ``place_0``, ``place_1``, ...: the fraction of targets in each place.
        """
        counts, variances, errors = (
            torch.cat(state) if isinstance(state, list) else state
            for state in (self.counts, self.variances, self.errors)
        )
        both = [(name, counts[:, k], variances[:, k], errors[:, k]) for k, name in enumerate(BINS)]
        both.append(("all", counts.sum(1), variances.sum(1), errors.sum(1)))
        return pd.DataFrame([self._row(name, *(x.cpu().numpy() for x in rest)) for name, *rest in both])

    def _row(self, name: str, counts: np.ndarray, variances: np.ndarray, errors: np.ndarray) -> dict[str, object]:
        pixels, images = counts.sum(1), len(counts)
        total = max(1, int(pixels.sum()))
        row: dict[str, object] = {"brightness": name, "pixels": int(pixels.sum())}
        for level in LEVELS:
            inside = counts @ central(self.places, level)
            share = inside.sum() / total
            # of a ratio of sums over images, which are independent where pixels are not (Cochran 1977, eq. 2.46)
            scatter = float(((inside - share * pixels) ** 2).sum()) ** 0.5 / total
            row[f"coverage{100 * level:.0f}"] = share
            row[f"coverage{100 * level:.0f}_error"] = scatter * (images / max(1, images - 1)) ** 0.5
        row["spread_skill"] = float((variances.sum() / max(errors.sum(), 1e-300)) ** 0.5)
        return row | {f"place_{k}": share for k, share in enumerate(counts.sum(0) / total)}


def summary(calibration: pd.DataFrame) -> dict[str, float]:
    """Return coverage and spread/error of each bin as scores, and ``worst_coverage``: the largest miss of any."""
    known = calibration[calibration["pixels"] >= _FEW]
    found: dict[str, float] = {}
    misses = []
    for row in known.to_dict("records"):
        where = "" if row["brightness"] == "all" else f"_{row['brightness']}"
        for level in LEVELS:
            key = f"coverage{100 * level:.0f}"
            found[f"ensemble/quantile{100 * level:.0f}{where}"] = float(row[key])
            misses.append(abs(float(row[key]) - level))
        if where:
            found[f"ensemble/spread_skill{where}"] = float(row["spread_skill"])
    return {**found, "ensemble/worst_coverage": max(misses)} if misses else found


def joint_scores() -> dict[str, Score]:
    """Return, for draws (B, K, H, W), where whole images fall among their draws: uniform on 0 to 1 if all is honest.

    ``tarp``: the target's distance from a reference among the draws' (Lemos et al. 2023, arXiv:2302.03026); the
    reference is the enlarged LR image turned by 180 degrees, which knows nothing of the target that LR does not.
    ``rank_flux``, ``rank_peak``: the target's sum and brightest pixel among the draws' (Talts et al. 2018,
    arXiv:1804.06788).
    """

    def tarp(draws: Tensor, batch: Batch) -> Tensor:
        reference = torch.rot90(enlarged(batch["lr"], batch["target"]), 2, (-2, -1))

        def distance(images: Tensor) -> Tensor:
            return (images - reference).square().sum((-2, -1))

        return _among(distance(draws), distance(batch["target"]), batch)

    def flux(draws: Tensor, batch: Batch) -> Tensor:
        return _among(draws.sum((-2, -1)), batch["target"].sum((-2, -1)), batch)

    def peak(draws: Tensor, batch: Batch) -> Tensor:
        return _among(draws.amax((-2, -1)), batch["target"].amax((-2, -1)), batch)

    return {"ensemble/tarp": tarp, "ensemble/rank_flux": flux, "ensemble/rank_peak": peak}


def _among(draws: Tensor, target: Tensor, batch: Batch) -> Tensor:
    """Return the place of numbers (B, 1) among those of draws (B, K), spread evenly over its step."""
    below = (draws < target).sum(1)
    spread = (batch["index"].double() * 0.6180339887498949).remainder(1.0)  # a number of the image's own
    return (below + spread) / (draws.shape[1] + 1)


def uniformity(places: np.ndarray) -> float:
    """Return the p-value of Kolmogorov's and Smirnov's test that places are uniform on 0 to 1."""
    from scipy.stats import kstest

    return float(kstest(places, "uniform").pvalue)


def gaussian_place(mean: Tensor, sigma: Tensor, target: Tensor, places: int) -> Tensor:
    """Return the place of a target in a Gaussian, int64: its probability integral transform in equal steps."""
    z = (target - mean) / sigma
    return (torch.special.ndtr(z.double()) * places).long().clamp(0, places - 1)
