"""Adversarial autoencoder pretraining on HR images (Makhzani et al. 2015, arXiv:1511.05644)."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Adam
from torch.optim.lr_scheduler import OneCycleLR

from lenssr.data.batches import Batch
from lenssr.data.camera.random import normal, philox
from lenssr.models.aae import AAE
from lenssr.tasks.base import Task

__all__ = ["AdversarialAutoencoder"]

_PRIOR = 32  # key of the prior's random numbers, apart from those of the data


class AdversarialAutoencoder(Task):
    """Alternates three steps a batch, as the report does.

    1. encoder and decoder: reconstruction MSE;
    2. discriminator: codes of images against draws from the prior N(0, prior_std^2);
    3. encoder: fool the discriminator.

    Args:
        prior_std: of the prior.
        reconstruction_lr: Adam's learning rate in step 1.
        discriminator_lr: in step 2.
        generator_lr: in step 3.
        warmup: fraction of the training that the three rates rise before they fall to nothing, together: reconstruction
            and prior pull at one encoder, and where one rate alone falls the other takes over. None: constant.
        **task: see :class:`lenssr.tasks.base.Task`; loss and optimizer config are not used.
    """

    model: AAE
    references = ("ceiling",)

    def __init__(
        self,
        prior_std: float,
        reconstruction_lr: float,
        discriminator_lr: float,
        generator_lr: float,
        warmup: float | None = None,
        **task: Any,
    ) -> None:
        super().__init__(**task)
        self.automatic_optimization = False
        self.prior_std = prior_std
        self.lrs = (reconstruction_lr, discriminator_lr, generator_lr)
        self.warmup = warmup

    def configure_optimizers(self) -> tuple[list[Adam], list[OneCycleLR]]:
        """Return the three optimizers, of which the first and third share the encoder, and their schedules."""
        parts = (
            [*self.model.encoder.parameters(), *self.model.decoder.parameters()],
            [*self.model.discriminator.parameters()],
            [*self.model.encoder.parameters()],
        )
        made = [Adam(part, lr=lr) for part, lr in zip(parts, self.lrs, strict=True)]
        if self.warmup is None:
            return made, []
        schedules = [
            OneCycleLR(each, max_lr=lr, total_steps=self.steps, pct_start=self.warmup, cycle_momentum=False)
            for each, lr in zip(made, self.lrs, strict=True)
        ]
        return made, schedules

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """Return the three losses and their sum, for the timing of a step."""
        image = batch["hr"]
        code = self.model.encode(image)
        terms = {
            "reconstruction": F.mse_loss(self.model.decoder(code).float(), image),
            "discriminator": self._discriminate(code, 0),
            "generator": self._judge(self.model.judge(code), real=True),
        }
        return {"loss": torch.stack(list(terms.values())).sum(), **terms}

    def training_step(self, batch: Batch, batch_index: int) -> None:  # type: ignore[override]
        """Take the three steps."""
        image = batch["hr"]
        counted = self.optimizers()
        # Lightning counts a step for every optimizer it wraps; one of three keeps a step a batch
        raw = self.optimizers(use_pl_optimizer=False)
        assert isinstance(counted, list) and isinstance(raw, list)
        step = self.global_step

        reconstruction = F.mse_loss(self.model(image).float(), image)
        self._minimise(raw[0], reconstruction)
        discriminator = self._discriminate(self.model.encode(image).detach(), step)
        self._minimise(raw[1], discriminator)
        generator = self._judge(self.model.judge(self.model.encode(image)), real=True)
        self._minimise(counted[2], generator)
        for schedule in cast(list[OneCycleLR], self.lr_schedulers() or []):
            schedule.step()
        self.log_terms(
            {
                "loss": reconstruction,
                "reconstruction": reconstruction,
                "discriminator": discriminator,
                "generator": generator,
            }
        )

    def _minimise(self, optimizer: Any, loss: Tensor) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()

    def _discriminate(self, code: Tensor, step: int) -> Tensor:
        # numbered in the batch of all devices, so that their number changes no draw
        place = torch.arange(len(code), device=code.device) * self._world_size() + self.global_rank
        number = place.view(-1, 1) * code.shape[1] + torch.arange(code.shape[1], device=code.device)
        prior = self.prior_std * normal(philox((number, step, 0, 0), (0, _PRIOR))[0])
        return self._judge(self.model.judge(prior), real=True) + self._judge(self.model.judge(code), real=False)

    @staticmethod
    def _judge(logits: Tensor, real: bool) -> Tensor:
        wanted = torch.full_like(logits, float(real), dtype=torch.float32)
        return F.binary_cross_entropy_with_logits(logits.float(), wanted)

    def predict(self, batch: Batch) -> Tensor:
        """Return the reconstructions of the noisy HR images."""
        return self.model(batch["hr"]).float()
