"""Residual super-resolution: LR in, HR out, one prediction an image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lenssr.data import LensDataModule
from lenssr.data.batches import Batch
from lenssr.errors import RunError
from lenssr.models.symmetry import averaged
from lenssr.models.uncertain import Uncertain
from lenssr.tasks.base import Task

__all__ = ["SuperResolution"]


class SuperResolution(Task):
    """Trains ``model(lr)`` towards ``target``; scored beside bilinear interpolation and the noise ceiling.

    Args:
        self_ensemble: test with the mean over the eight turns and mirrors, at eight times the cost.
        batch_statistics: test with batch norm in training mode and one image at a time, as the 2023 report's code did.
        **task: see :class:`lenssr.tasks.base.Task`.
    """

    references = ("bilinear", "ceiling", "brighter")
    test_settings = ("self_ensemble", "batch_statistics")

    def __init__(self, self_ensemble: bool, batch_statistics: bool, **task: Any) -> None:
        super().__init__(**task)
        self.self_ensemble, self.batch_statistics = self_ensemble, batch_statistics

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """Return the terms of the configured loss.

        Raises:
            RunError: the network's images have another shape than the target.
        """
        image, target = self.model(batch["lr"]), batch["target"]
        if image.shape != target.shape:
            raise RunError(
                f"{type(self.model).__name__} gave images of shape {tuple(image.shape[1:])} where the target has "
                f"{tuple(target.shape[1:])}; it must map (B, 1, h, w) to (B, 1, scale * h, scale * w)."
            )
        terms = self.loss(image.float(), batch)
        if isinstance(self.model, Uncertain):
            told = self.model.log_variance(batch["lr"], image).float()
            square = (self._truth(batch) - image.detach().float()).square()
            terms["nll"] = 0.5 * (told + square / told.exp()).mean()
            terms["loss"] = terms["loss"] + terms["nll"]  # of other weights than the rest: nothing is traded
        return terms

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clip what tells the variance apart from the network, which then trains as it would without."""
        if not isinstance(self.model, Uncertain) or not gradient_clip_val or gradient_clip_algorithm == "value":
            return super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)
        for part in (self.model.network, self.model.teller):
            torch.nn.utils.clip_grad_norm_(part.parameters(), gradient_clip_val)
        return None

    @staticmethod
    def _truth(batch: Batch) -> Tensor:
        """Return what a told uncertainty is of: the noise-free image where it is known."""
        return batch.get("truth", batch["target"])

    def calibrate(self, data: LensDataModule) -> bool:
        """Calibrate what a trained model tells of its errors on the validation images; return whether it tells any."""
        if not isinstance(self.model, Uncertain):
            return False
        self.eval()
        device, triples = self.device, []
        with torch.no_grad():
            for batch in data.evaluation("validation", device):
                triples.append((batch["lr"], self.model(batch["lr"]).float(), self._truth(batch)))
        self.model.calibrate(triples)
        return True

    def sigma(self, batch: Batch, image: Tensor) -> Tensor | None:
        """Return the standard deviation that the model tells of an image (B, 1, H, W); None where it tells none."""
        return self.model.sigma(batch["lr"], image) if isinstance(self.model, Uncertain) else None

    def predict(self, batch: Batch) -> Tensor:
        """Return the super-resolved images of one pass."""
        return self.model(batch["lr"]).float()

    def predict_test(self, batch: Batch) -> Tensor:
        """Return the super-resolved images as the test scores them."""
        return self.upscale(batch["lr"])

    def upscale(self, lr: Tensor) -> Tensor:
        """Map (B, 1, h, w) to (B, 1, scale * h, scale * w), in float32, as the test does."""
        single = self._one_by_one if self.batch_statistics else self.model
        return (averaged(single, lr) if self.self_ensemble else single(lr)).float()

    def _one_by_one(self, lr: Tensor) -> Tensor:
        self.model.train()
        images = torch.cat([self.model(image) for image in lr.split(1)])
        self.model.eval()
        return images
