"""Finding lenses: how likely is it that an image shows one?"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lenssr.data import LensDataModule
from lenssr.data.alike import alike
from lenssr.data.batches import Batch
from lenssr.errors import ConfigError
from lenssr.metrics.finding import FindingEvaluation, evaluate_finding
from lenssr.metrics.per_image import Score
from lenssr.system.processes import share
from lenssr.tasks.classification import Classification

__all__ = ["LensFinding"]


class LensFinding(Classification):
    """Trains a network to tell lenses from other galaxies, by the cross-entropy of one probability.

    Args:
        **task: see :class:`lenssr.tasks.classification.Classification`; ``data["classes"]`` are two, the lenses last.

    Raises:
        ConfigError: the classes are not two.
    """

    def __init__(self, **task: Any) -> None:
        super().__init__(**task)
        if len(self.classes) != 2:
            raise ConfigError(f"task.data.classes={self.classes} where a lens finder tells two, the lenses last.")

    @property
    def wanted(self) -> int:
        """Numbers that the network must give."""
        return 1

    def _logit(self, batch: Batch) -> Tensor:
        return self.model(batch["input"])[0][:, 0].float()

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the cross-entropy of each image, (B,)."""
        return {"loss": F.binary_cross_entropy_with_logits(self._logit(batch), batch["label"][:, 0], reduction="none")}

    def validation_scores(self) -> dict[str, Score]:
        """Return what is minimised."""
        return {"loss": lambda told, batch: told["loss"]}

    def predict(self, batch: Batch) -> Tensor:
        """Return the probability of a lens, (B, 1)."""
        return self._logit(batch).sigmoid().unsqueeze(1)

    def facts(self, data: LensDataModule) -> dict[str, Any]:
        """Return ``files``: what somebody's cutouts have to be like; see :func:`lenssr.data.alike.alike`."""
        return {"files": alike(data)}

    def examine(self, data: LensDataModule, device: torch.device, split: str) -> FindingEvaluation:
        """Score a split: area under the ROC curve, completeness at few false positives."""
        batches = data.evaluation(split, device, share())
        return evaluate_finding(self._logit, batches, len(batches.range))
