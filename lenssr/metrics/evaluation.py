"""Scores of a whole split: one row an image, and the same for what the prediction is measured against."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from lenssr.data.batches import Batch
from lenssr.metrics.protocols import scores
from lenssr.progress import track

__all__ = ["Evaluation", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    """What was found on one split.

    Attributes:
        per_image: a row an image: ``index`` and ``<who>/<protocol>/<score>``.
        example: images of one sample by name, (H, W) arrays in the set's unit, for pictures.
    """

    per_image: pd.DataFrame
    example: dict[str, np.ndarray]

    def summary(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return who -> ``protocol/score`` -> mean and standard deviation over the images."""
        table: dict[str, dict[str, dict[str, float]]] = {}
        for column in self.per_image.columns:
            who, _, score = column.partition("/")
            if not score:
                continue
            values = self.per_image[column].to_numpy()
            if np.isfinite(values).all():  # the ceiling's truth PSNR is infinite: no number
                spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
                table.setdefault(who, {})[score] = {"mean": float(values.mean()), "std": spread}
        return table


def _bilinear(batch: Batch) -> Tensor | None:
    return F.interpolate(batch["lr"], size=batch["hr"].shape[-2:], mode="bilinear", align_corners=False)


def _ceiling(batch: Batch) -> Tensor | None:
    return batch.get("truth")


# what a prediction is measured against; None where the set cannot tell
_REFERENCES: dict[str, Callable[[Batch], Tensor | None]] = {"bilinear": _bilinear, "ceiling": _ceiling}


@torch.inference_mode()
def evaluate(
    predict: Callable[[Batch], Tensor],
    batches: Iterable[Batch],
    count: int,
    references: tuple[str, ...],
    title: str,
) -> Evaluation:
    """Score a split.

    Args:
        predict: maps a batch to images (B, 1, H, W).
        batches: the split.
        count: images in it, for the progress bar.
        references: of ``bilinear`` and ``ceiling``, those to score beside the prediction.
        title: of the progress bar.
    """
    rows: list[pd.DataFrame] = []
    example: dict[str, np.ndarray] = {}
    with track(title, count, "images") as advance:
        for batch in batches:
            columns: dict[str, Any] = {"index": batch["index"].cpu().numpy()}
            images = {"prediction": predict(batch), **{name: _REFERENCES[name](batch) for name in references}}
            truth = batch["truth"][:, 0] if "truth" in batch else None
            for who, image in images.items():
                if image is not None:
                    found = scores(image[:, 0], batch["hr"][:, 0], truth)
                    columns.update({f"{who}/{name}": value.cpu().numpy() for name, value in found.items()})
            rows.append(pd.DataFrame(columns))
            if not example:
                example = _example(batch, images)
            advance(len(batch["index"]))
    return Evaluation(pd.concat(rows, ignore_index=True), example)


def _example(batch: Batch, images: dict[str, Tensor | None]) -> dict[str, np.ndarray]:
    # the second image of a set is a vortex, the class with the structure that matters
    which = min(1, len(batch["index"]) - 1)
    known = {"lr": batch["lr"], "hr": batch["hr"], "truth": batch.get("truth"), **images}
    return {
        name: image[which, 0].float().cpu().numpy()
        for name, image in known.items()
        if image is not None and name != "ceiling"
    }
