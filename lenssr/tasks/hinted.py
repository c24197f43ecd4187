"""Regression that is told more in training than it must tell: where the source is, how a vortex lies."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lenssr.data import LensDataModule
from lenssr.data.batches import Batch
from lenssr.errors import ConfigError, did_you_mean
from lenssr.models.eigen_mlp import EigenMLP
from lenssr.tasks.regression import Regression

__all__ = ["HintedRegression"]

_KINDS = {"number": 1, "axis": 2}  # how many numbers stand for a column


class HintedRegression(Regression):
    """Trains a network to tell ``targets``, and beside them ``hints``, which the test does not ask for.

    What else an image shows (source, angle of a vortex) has to be known to tell the mass, and a network finds it sooner
    if it is asked (multitask learning, Caruana 1997, doi:10.1023/A:1007379606734).

    Args:
        hints: further columns of the set's parameters, and what they are: ``number``, or ``axis``, an angle in radians
            that comes round after half a turn.
        hint_weight: of the mean squared error of hints, in units of their spread.
        **task: see :class:`lenssr.tasks.regression.Regression`.

    Raises:
        ConfigError: a kind is unknown, or the network has another number of hints.
    """

    model: EigenMLP

    def __init__(self, hints: dict[str, str], hint_weight: float, **task: Any) -> None:
        super().__init__(**task)
        self.hints, self.hint_weight = hints, hint_weight
        for name, kind in hints.items():
            if kind not in _KINDS:
                raise ConfigError(f"task.hints.{name}={kind} is unknown. {did_you_mean(kind, list(_KINDS))}")
        numbers = sum(_KINDS[kind] for kind in hints.values())
        if numbers != self.model.hints:
            raise ConfigError(f"model.hints={self.model.hints} where task.hints are {numbers} numbers; set that.")

    def _hinted(self, labels: Tensor) -> Tensor:
        """Return the numbers (B, hints) that stand for the columns of labels beside the targets."""
        found: list[Tensor] = []
        for value, kind in zip(labels[:, len(self.targets) :].T, self.hints.values(), strict=True):
            found += [value] if kind == "number" else [(2 * value).cos(), (2 * value).sin()]
        return torch.stack(found, dim=1)

    def prepare(self, data: LensDataModule) -> None:
        """Do as every regression, and set the hints' location and scale."""
        super().prepare(data)
        if self.hints:
            hinted = self._hinted(data.label("train"))
            self.model.calibrate_hints(hinted.mean(0), hinted.std(0))

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean loss, that of hints included, and its parts."""
        if not self.hints:
            return super().objective(batch)
        told, hints = self.model.with_hints(batch["input"])
        terms = {name: value.mean() for name, value in self.loss_of(told, batch).items()}
        terms["hints"] = (hints - self.model.hinted(self._hinted(batch["label"]))).square().mean()
        return {**terms, "loss": terms["loss"] + self.hint_weight * terms["hints"]}
