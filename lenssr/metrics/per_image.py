"""Scores as torchmetrics: one number an image, kept until a split is done, gathered from all devices.

A test that compares two networks pairs their images, so every score keeps its image's number, not a sum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from lenssr.data.batches import Batch

__all__ = ["PerImage", "Score", "collection", "means", "table"]

# what was predicted, and the batch that it was predicted for -> one number an image (B,); None where it has no meaning
Score = Callable[[Any, Batch], Tensor | None]

_INDEX = "index"


class PerImage(Metric):
    """One score of every image, float64 (N,); of all devices once it is computed.

    Args:
        score: what is kept of a batch.
        dtype: of what is kept.
    """

    full_state_update = False
    values: list[Tensor]

    def __init__(self, score: Score, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.score, self.kept = score, dtype
        self.add_state("values", default=[], dist_reduce_fx="cat")

    def update(self, predicted: Any, batch: Batch) -> None:
        """Score a batch."""
        found = self.score(predicted, batch)
        if found is not None:
            self.values.append(found.detach().to(self.kept))

    def compute(self) -> Tensor:
        """Return the scores of all images, in the order of devices and batches."""
        values = self.values if isinstance(self.values, list) else [self.values]
        return torch.cat(values) if values else torch.empty(0, dtype=self.kept)


def _number(predicted: Any, batch: Batch) -> Tensor:
    return batch["index"]


def collection(scores: Mapping[str, Score]) -> MetricCollection:
    """Return named scores as one collection, with the images' numbers, which pair them."""
    metrics: dict[str, Metric] = {_INDEX: PerImage(_number, torch.int64)}
    metrics |= {name: PerImage(score) for name, score in scores.items()}
    # groups would share the state of two scores that happen to be equal on the first batch
    return MetricCollection(metrics, compute_groups=False)  # type: ignore[arg-type]


def means(scores: MetricCollection) -> dict[str, Tensor]:
    """Return the mean over all images of each score that has any, float32."""
    found = _computed(scores)
    return {name: value.mean().float() for name, value in found.items() if name != _INDEX and len(value)}


def _computed(scores: MetricCollection) -> dict[str, Tensor]:
    # torchmetrics squeezes a single number
    return {name: value.reshape(-1) for name, value in scores.compute().items()}


def table(seen: Mapping[str, MetricCollection]) -> pd.DataFrame:
    """Return a row an image in the order of their numbers: ``index``, and ``<who>/<score>`` of each collection.

    Args:
        seen: who -> its scores, all of the same images; an empty who adds nothing to their names. Who was never scored
            is left out, as is a score without values.
    """
    columns: dict[str, Any] = {}
    for who, scores in seen.items():
        if not any(metric.update_called for metric in scores.values()):
            continue
        found = {name: value.cpu().numpy() for name, value in _computed(scores).items()}
        columns.setdefault(_INDEX, found.pop(_INDEX))
        prefix = f"{who}/" if who else ""
        columns |= {f"{prefix}{name}": value for name, value in found.items() if len(value)}
    return pd.DataFrame(columns).sort_values(_INDEX, ignore_index=True)
