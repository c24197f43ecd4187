"""Classification: which kind of substructure does an image show?"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lenssr.data import LensDataModule
from lenssr.data.batches import Batch
from lenssr.errors import ConfigError
from lenssr.metrics.labels import LabelEvaluation, evaluate_classes
from lenssr.system.processes import share
from lenssr.tasks.regression import Regression

__all__ = ["Classification"]


class Classification(Regression):
    """Trains a network to tell the class, by cross-entropy.

    Args:
        data: its ``classes`` are the answers, in the order of the network's outputs.
        **task: see :class:`lenssr.tasks.regression.Regression`.
    """

    def __init__(self, data: dict[str, Any], **task: Any) -> None:
        self.classes = list(data["classes"])
        super().__init__(data=data, **task)

    @property
    def wanted(self) -> int:
        """Numbers that the network must give."""
        return len(self.classes)

    def prepare(self, data: LensDataModule) -> None:
        """Leave the scores as they are, for they have no unit; see that the set has the classes that are told.

        Raises:
            ConfigError: it has others, or another order.
        """
        if list(data.source.classes) != self.classes:
            raise ConfigError(
                f"dataset.source.classes={data.source.classes} where this task tells {self.classes}; set "
                "task.data.classes, and leave dataset.source.classes alone."
            )

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the cross-entropy of each image, (B,)."""
        logits = self.model(batch["input"])[0].float()
        return {"loss": F.cross_entropy(logits, batch["label"][:, 0].long(), reduction="none")}

    def examine(self, data: LensDataModule, device: torch.device, split: str) -> LabelEvaluation:
        """Score a split: accuracy, cross-entropy and the area under each class's ROC curve."""

        def predict(batch: Batch) -> Tensor:
            return self.model(batch["input"])[0].float().softmax(-1)

        batches = data.evaluation(split, device, share())
        return evaluate_classes(predict, batches, len(batches.range), self.classes)
