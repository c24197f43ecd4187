"""What every task is."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from lenssr.data import LensDataModule
from lenssr.data.batches import Batch
from lenssr.losses.base import Loss
from lenssr.metrics.evaluation import Evaluation, evaluate, percentiles
from lenssr.metrics.labels import LabelEvaluation
from lenssr.metrics.per_image import Score, collection, means
from lenssr.metrics.protocols import protocol_scores, score_against
from lenssr.system.processes import share

__all__ = ["Task"]


class Task(pl.LightningModule):
    """A model under training.

    Subclasses give ``objective`` (what is minimised, for timing and for training) and ``predict`` (what is scored).
    Model, loss and optimizer are built from the config by :mod:`lenssr.runs.build`; the module itself keeps no
    hyper-parameters, so its checkpoints hold tensors and numbers alone.

    Args:
        model: the network.
        loss: compares prediction and target.
        optimizer: the plain ``optimizer`` config.
        steps: of the whole training, for the schedule.
        data: classes, number and seed of the images that the task asks for; they reach the dataset's node.
        recipe: the scale's numbers for this task; they reach the task through the other nodes.
        evaluation_patch: likewise.
        ignores: config nodes without influence on the result; see :func:`lenssr.config.identity`.
    """

    monitor = "validation/psnr"
    mode = "max"
    references: tuple[str, ...] = ()
    test_settings: tuple[str, ...] = ()  # arguments that change the test alone, not the training
    of_physics = False  # whether answers come from the set's physics, so that a batch alone is not enough

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        optimizer: dict[str, Any],
        steps: int,
        data: dict[str, Any],
        recipe: dict[str, Any],
        evaluation_patch: int | None,
        ignores: list[str],
    ) -> None:
        super().__init__()
        self.model, self.loss = model, loss
        self.optimizer_config, self.steps = optimizer, steps
        self.validated = collection(self.validation_scores())

    @property
    def trains(self) -> bool:
        """Whether there is anything to train."""
        return any(p.requires_grad for p in self.model.parameters())

    @property
    def tuned(self) -> bool:
        """Whether the model has no weights to train, but a few numbers that are measured on the validation images."""
        return hasattr(self.model, "fit")

    def tune(self, data: LensDataModule) -> None:
        """Measure these numbers."""
        pairs = [(batch["lr"], batch["target"]) for batch in data.evaluation("validation", torch.device("cpu"))]
        self.model.fit(pairs)  # type: ignore[operator]

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """Return ``loss`` and further scalars of one training batch."""
        raise NotImplementedError

    def predict(self, batch: Batch) -> Tensor:
        """Return the images (B, 1, H, W) that validation scores, in float32."""
        raise NotImplementedError

    def predict_test(self, batch: Batch) -> Tensor:
        """Return the images that the test scores: those of :meth:`predict`, unless the task spends more on them."""
        return self.predict(batch)

    def attach(self, data: LensDataModule, split: str) -> None:
        """Take what predictions need of a split beside its batches; networks need nothing."""

    def prepare(self, data: LensDataModule) -> None:
        """Do what must be done before the first step, and before a resumed one."""
        self.loss.prepare()

    def facts(self, data: LensDataModule) -> dict[str, Any]:
        """Return what a run keeps in ``metrics.json`` for who uses its network; nothing, unless a task needs it."""
        return {}

    def examine(self, data: LensDataModule, device: torch.device, split: str) -> Evaluation | LabelEvaluation:
        """Score a split with the present weights."""
        images, title = data.sets[split], f"testing {type(self.model).__name__}"
        batches = data.evaluation(split, device, share())
        count, scale = len(batches.range), images.pixel_scale
        found = evaluate(self.predict_test, batches, count, self.references, title, scale, self.sigma)
        if batches.share[0] == 0:  # the process that draws
            found.examples.extend(percentiles(found.per_image, batches.at, self.predict_test, device))
        return found

    def calibrate(self, data: LensDataModule) -> bool:
        """Calibrate what the trained model tells of its own errors; return whether it tells any."""
        return False

    def sigma(self, batch: Batch, image: Tensor) -> Tensor | None:
        """Return the standard deviation that the model tells of an image (B, 1, H, W); None where it tells none."""
        return None

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """One step of automatic optimisation."""
        terms = self.objective(batch)
        self.log_terms(terms)
        return terms["loss"]

    def log_terms(self, terms: dict[str, Tensor]) -> None:
        """Log scalars of a training step."""
        self.log_dict({f"train/{name}": value.detach() for name, value in terms.items()})

    def validation_scores(self) -> dict[str, Score]:
        """Return what is logged: the PSNR of both protocols, and that against what is learnt."""
        return {**protocol_scores(("psnr",)), "psnr": _learnt_psnr}

    def validate(self, batch: Batch) -> Any:
        """Return what validation scores."""
        return self.predict(batch)

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self.validated.reset()

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Score this process's share of a batch."""
        self.validated.update(self.validate(batch), batch)

    def on_validation_epoch_end(self) -> None:
        """Log the means over the images of all devices; ``monitor`` names what chooses the checkpoint."""
        self.log_dict({f"validation/{name}": value for name, value in means(self.validated).items()}, sync_dist=True)

    def _world_size(self) -> int:
        """Processes that share a batch; one outside a trainer."""
        return self._trainer.world_size if self._trainer else 1

    def configure_optimizers(self) -> Any:
        """Return the optimizer and its schedule."""
        from lenssr.tasks.optimization import configure

        return configure([p for p in self.model.parameters() if p.requires_grad], self.optimizer_config, self.steps)


def _learnt_psnr(image: Tensor, batch: Batch) -> Tensor:
    learnt = batch["hr"] if batch["target"] is batch["hr"] else batch.get("truth", batch["hr"])
    return score_against(image[:, 0], batch["hr"][:, 0], learnt[:, 0], "psnr")
