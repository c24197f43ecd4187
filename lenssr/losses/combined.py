"""Weighted sums of losses."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lenssr.data.batches import Batch
from lenssr.losses.base import Loss

__all__ = ["Combined"]


class Combined(Loss):
    """The sum of weight * loss over named terms.

    Args:
        terms: name -> {``weight``: number, ``loss``: a loss}; a term that is None is left out.

    Raises:
        ValueError: no term is left, or a term is not of that form.
    """

    def __init__(self, terms: dict[str, Any]) -> None:
        super().__init__()
        kept = {name: term for name, term in terms.items() if term}
        if not kept:
            raise ValueError("terms is empty; give at least one, as terms.mse={weight: 1, loss: ...}")
        for name, term in kept.items():
            if set(term) != {"weight", "loss"}:
                raise ValueError(f"terms.{name} must have a weight and a loss, and has {sorted(term)}")
        self.weights = {name: float(term["weight"]) for name, term in kept.items()}
        self.terms = nn.ModuleDict({name: term["loss"] for name, term in kept.items()})

    def prepare(self) -> None:
        """Prepare every term."""
        for loss in self.terms.values():
            loss.prepare()  # type: ignore[operator]

    def forward(self, prediction: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the sum, and every term before its weight."""
        terms = {name: loss(prediction, batch)["loss"] for name, loss in self.terms.items()}
        total = torch.stack([self.weights[name] * value for name, value in terms.items()]).sum()
        return {"loss": total, **terms}
