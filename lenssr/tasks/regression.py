"""Regression: parameters of the lens from one image, with or without their uncertainty."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lenssr.data import LensDataModule
from lenssr.data.batches import Batch
from lenssr.errors import ConfigError
from lenssr.metrics.labels import LabelEvaluation, evaluate_regression
from lenssr.metrics.per_image import Score
from lenssr.models.label_network import LabelNetwork
from lenssr.system.processes import share
from lenssr.tasks.base import Task

__all__ = ["Regression"]

_LOOKED_AT = 6000  # training images


class Regression(Task):
    """Trains a network to tell ``targets``, each weighed by its spread over the training images.

    Minimises the squared error in units of that spread; with ``model.predict_variance`` the negative log-likelihood of
    a Gaussian (Nix & Weigend 1994, doi:10.1109/ICNN.1994.374138).

    Args:
        targets: columns of the set's parameters.
        upscaler: the stage that reaches the data.
        fresh: what is new of a training image whenever it is read, ``nothing``, ``noise`` or ``images``; reaches the
            data.
        **task: see :class:`lenssr.tasks.base.Task`; the loss config is not used.

    Raises:
        ConfigError: the network gives another number of values.
    """

    model: LabelNetwork
    monitor = "validation/loss"
    mode = "min"
    test_settings = ("upscaler",)

    def __init__(self, targets: list[str], upscaler: dict[str, Any], fresh: str = "nothing", **task: Any) -> None:
        super().__init__(**task)
        self.targets = targets
        if self.model.outputs != self.wanted:
            raise ConfigError(f"model.outputs={self.model.outputs} where this task needs {self.wanted}; set that.")

    @property
    def wanted(self) -> int:
        """Numbers that the network must give."""
        return len(self.targets)

    def prepare(self, data: LensDataModule) -> None:
        """Set the network's location and scale to those of the training labels, and show it images if it needs that."""
        labels = data.label("train")[:, : len(self.targets)]
        self.model.calibrate(labels.mean(0), labels.std(0))
        if self.model.looks:
            if data.loader.patch != data.image_size:
                raise ConfigError(
                    f"loader.patch={data.loader.patch}: this network knows whole images of {data.image_size} px alone; "
                    "leave the patch as it is."
                )
            self.model.look(*data.looked_at(_LOOKED_AT))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the loss of each image (B,), and the squared error in units of the labels' spread."""
        return self.loss_of(self.model(batch["input"]), batch)

    def loss_of(self, told: tuple[Tensor, Tensor | None], batch: Batch) -> dict[str, Tensor]:
        """Return the same of what the network told."""
        mean, log_variance = told
        square = ((mean.float() - batch["label"][:, : len(self.targets)]) / self.model.std).square()
        if log_variance is None:
            return {"loss": square.mean(1)}
        log_variance = log_variance.float() - 2 * self.model.std.log()
        return {"loss": 0.5 * (log_variance + square / log_variance.exp()).mean(1), "square": square.mean(1)}

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """Return the means of :meth:`losses`."""
        return {name: value.mean() for name, value in self.losses(batch).items()}

    def validation_scores(self) -> dict[str, Score]:
        """Return what is minimised; with a predicted variance the squared error too."""
        return {"loss": lambda told, batch: told["loss"], "square": lambda told, batch: told.get("square")}

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Return what is minimised, of each image."""
        return self.losses(batch)

    def predict(self, batch: Batch) -> Tensor:
        """Return the numbers (B, targets), in the parameters' own units."""
        return self.model(batch["input"])[0].float()

    def examine(self, data: LensDataModule, device: torch.device, split: str) -> LabelEvaluation:
        """Score a split: errors in the parameters' own units, coverage, and what the mean label scores."""

        def predict(batch: Batch) -> tuple[Tensor, Tensor | None]:
            mean, log_variance = self.model(batch["input"])
            return mean.float(), None if log_variance is None else (0.5 * log_variance.float()).exp()

        means = data.label("train").mean(0)
        batches = data.evaluation(split, device, share())
        return evaluate_regression(predict, batches, len(batches.range), means, self.targets)
