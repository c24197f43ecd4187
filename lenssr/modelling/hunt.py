"""Subhaloes that are not there, and such that are: what the best one gains in images with none and with one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lenssr.data import SurveyPairs
from lenssr.data.batches import Batch
from lenssr.data.sets.simulated import as_tensors
from lenssr.data.sky.haloes import scale_radius
from lenssr.modelling.fit import Fit, model
from lenssr.modelling.lens import told
from lenssr.modelling.modeller import Modeller
from lenssr.modelling.scores import shares
from lenssr.modelling.substructure import Search, arc_of, injected
from lenssr.modelling.view import View

__all__ = ["Hunt", "recovered"]

_LIMITS, _FALSE, _DRAWS = (10, 25, 50), 0.1, 2000
_NEAR = 0.3  # arcsec, within which a halo counts as the one that is there


class Hunt:
    """Seeks a subhalo in the images of a modeller, and in those with one put in.

    What a subhalo changes is added to the exposures, noise and all; the super-resolved image is made of the result.

    Args:
        modeller: of the split.
        data: the set.
        split: its name.
        masses: M200 in solar masses, of those put in; haloes of these masses are sought, with their mass free.
        distances: from the brightest part of the arc, away from the lens, arcsec.
        spacing: of the places where one is sought, arcsec.
    """

    def __init__(
        self,
        modeller: Modeller,
        data: SurveyPairs,
        split: str,
        masses: list[float],
        distances: list[float],
        spacing: float,
    ) -> None:
        self.modeller, self.source, self.spacing, self.masses = modeller, data.source, spacing, masses
        self.cases = [(float(mass), float(distance)) for mass in masses for distance in distances]
        self.names = [f"{mass:.0e}/{distance:g}".replace("e+", "e") for mass, distance in self.cases]
        self._table = data.sets[split].parameters
        self._truth = told(as_tensors(self._table))
        self._hr, self._lr = data.sets[split].images, data.source.open(kind="lr")[split].images
        self._unit = data.sets["train"].unit
        self._sharp = View(data.source.hr, float(data.source.hr.psf.typical), data.source.pixel_scale, data.image_size)

    def __call__(self, batch: Batch, view: View, some: Tensor, fits: Fit, images: Tensor, weights: Tensor) -> Any:
        """Return a frame, a row a lens: gains of the images as they are, and of those with a subhalo each.

        Args:
            batch: of the split.
            view: of some of its images.
            some: their places in the batch.
            fits: of these.
            images: these, flux per HR pixel (B, pixels).
            weights: one over their standard deviations.
        """
        rows: list[dict[str, float]] = []
        for number, place in enumerate(some.tolist()):
            index = int(batch["index"][place])
            point, weight = fits.points[number], weights[number]
            search = self._search(view, point, weight, index)
            smooth = model(view, point.unsqueeze(0), 4)[0]
            gain = search((images[number] - smooth) * weight)
            row: dict[str, float] = {"prediction/subhalo/gain": gain.chi2}
            changed, places = self._changed(batch, place, index)
            seen, _ = self.modeller.images(changed)
            for name, image, where in zip(self.names, seen, places, strict=True):
                found = search((image - smooth) * weight)
                row[f"prediction/subhalo_{name}/gain"] = found.chi2
                row[f"prediction/subhalo_{name}/near"] = float(np.hypot(found.x - where[0], found.y - where[1]) < _NEAR)
            rows.append(row)
        return pd.DataFrame(rows)

    def _search(self, view: View, point: Tensor, weight: Tensor, index: int) -> Search:
        row, physics = self._table.iloc[index], self.source.physics
        cosmology = {**physics["cosmology"], "z_lens": round(row["z_lens"], 2)}
        scales = [float(scale_radius(mass, cosmology)) for mass in self.masses]
        return Search(view, point, weight, scales, float(physics["cdm"]["truncation"]), self.spacing)

    def _changed(self, batch: Batch, place: int, index: int) -> tuple[Batch, list[tuple[float, float]]]:
        """Return the exposures of one lens with a subhalo each, and where these are."""
        row, arc = self._table.iloc[index], arc_of(self._sharp, self._truth[index])
        skies = pd.concat(
            [injected(row, arc, mass, distance, self.source.physics) for mass, distance in self.cases],
            ignore_index=True,
        )
        hr, lr = (np.concatenate(parts) for parts in zip(*self.source.render(skies), strict=True))
        count = len(skies)
        more = {
            kind: torch.from_numpy(images - stored[[index]]).unsqueeze(1) / self._unit
            for kind, images, stored in (("hr", hr, self._hr), ("lr", lr, self._lr))
        }
        changed = Batch(
            lr=batch["lr"][[place]] + more["lr"],
            hr=batch["hr"][[place]] + more["hr"],
            variance=batch["variance"][[place]].expand(count, -1, -1, -1),
            index=batch["index"][[place]].expand(count),
        )
        where = [(float(x[0]), float(y[0])) for x, y in zip(skies["subhalo_x"], skies["subhalo_y"], strict=True)]
        return changed, where

    def summary(self, table: pd.DataFrame) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
        """Return how often none gains more than so much, and how often the one that is there is found.

        ``false/level`` is what a tenth of the images without a subhalo gain or more; one that is there is found if it
        gains more than that, near its place.
        """
        gain = table["prediction/subhalo/gain"].to_numpy(float)
        scaled = gain / table["prediction/fit/chi2"].to_numpy(float).clip(min=1.0)
        level = _level(table)
        events = {f"false/{limit}": gain > limit for limit in _LIMITS}
        events |= {f"false_scaled/{limit}": scaled > limit for limit in _LIMITS}
        events |= {f"recovered/{name}": recovered(table, f"subhalo_{name}") for name in self.names}
        scores, intervals = shares(events)
        draws = np.random.default_rng(0).integers(len(gain), size=(_DRAWS, len(gain)))
        low, high = np.quantile(np.quantile(gain[draws], 1 - _FALSE, axis=1), [0.025, 0.975])
        return scores | {"false/level": level}, intervals | {"false/level": (float(low), float(high))}


def recovered(table: pd.DataFrame, subhalo: str) -> np.ndarray:
    """Return in which images a subhalo that was put in is found: near its place, by more than a tenth gain without."""
    near = table[f"prediction/{subhalo}/near"].to_numpy(bool)
    return np.asarray(near & (table[f"prediction/{subhalo}/gain"].to_numpy(float) > _level(table)))


def _level(table: pd.DataFrame) -> float:
    """Return what a tenth of the images without a subhalo gain or more."""
    return float(np.quantile(table["prediction/subhalo/gain"].to_numpy(float), 1 - _FALSE))
