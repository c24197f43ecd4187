"""Measure on images: fit every lens of the test set as a modeller would, and compare with the truth."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pandas as pd
import torch
from torch import nn

from lenssr.data import LensDataModule, SurveyPairs
from lenssr.data.sets.simulated import as_tensors
from lenssr.errors import ConfigError
from lenssr.metrics.labels import LabelEvaluation
from lenssr.modelling.hunt import Hunt
from lenssr.modelling.lens import told
from lenssr.modelling.modeller import Modeller
from lenssr.modelling.scores import ModellingEvaluation, measured, summarised
from lenssr.modelling.settings import LensFit
from lenssr.system.progress import track
from lenssr.tasks.base import Task

__all__ = ["LensModelling"]

_DEFINITIONS = (
    "bias: median error, of vectors along the true one; scatter: what 68.3 % of the errors are below; pull: the same "
    "of errors over told standard deviations, 1 if these are honest; theta_E: as a fraction; source: its position from "
    "the lens, arcsec; fit/failed: not converged, or theta_E off by more than a tenth; fit/chi2: reduced, as assumed; "
    "false/<x>: share of lenses without subhaloes whose chi-squared one more subhalo lowers by more than x; "
    "scaled: as if errors were widened to a reduced chi-squared of 1; "
    "false/level: the gain that a tenth of them reach; recovered/<M200>/<arcsec from the arc>: share of subhaloes that "
    "gain more than that, within 0.3 arcsec of where they are"
)


class LensModelling(Task):
    """Fits mass, shear, source and lens light to each image of ``model.image``'s kind.

    Args:
        upscaler: returns the network behind ``model.image=super_resolved``.
        **task: see :class:`lenssr.tasks.base.Task`; nothing is trained.
    """

    model: LensFit
    of_physics = True

    def __init__(self, upscaler: Callable[[], nn.Module], **task: Any) -> None:
        super().__init__(**task)
        self._upscaler = upscaler

    @torch.inference_mode()
    def examine(self, data: LensDataModule, device: torch.device, split: str) -> LabelEvaluation:
        """Score a split."""
        upscale = self._upscaler() if self.model.image == "super_resolved" else None
        if not isinstance(data, SurveyPairs):
            raise ConfigError("model=lens_fit fits skies that two telescopes see; use dataset=survey.")
        modeller = Modeller(self.model, data, split, upscale)
        truth = told(as_tensors(data.sets[split].parameters))
        hunt = Hunt(modeller, data, split, **self.model.subhaloes) if self.model.subhaloes else None
        batches, tables, start = data.pairs(split, torch.device("cpu")), [], time.perf_counter()
        with track("fitting", len(truth), "lenses") as advance:
            for batch in batches:
                images, weights = modeller.images(batch)
                for view, some in modeller.views(batch["index"]):
                    found = modeller(view, images[some], weights[some])
                    index = batch["index"][some]
                    parts = [measured(found, truth[index], images.shape[1])]
                    if hunt:
                        parts.append(hunt(batch, view, some, found, images[some], weights[some]))
                    tables.append(pd.concat(parts, axis=1).assign(index=index.numpy()))
                    advance(len(some))
        per_image = pd.concat(tables).sort_values("index", ignore_index=True)
        seconds = (time.perf_counter() - start) / len(truth)
        scores, intervals = summarised(per_image)
        if hunt:
            more = hunt.summary(per_image)
            scores, intervals = scores | more[0], intervals | more[1]
        return ModellingEvaluation(per_image, {"prediction": scores}, _DEFINITIONS, seconds, intervals=intervals)
