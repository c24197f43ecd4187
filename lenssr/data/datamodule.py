"""The data of an experiment as Lightning asks for it."""

from __future__ import annotations

import pytorch_lightning as pl

from lenssr.data.batches import EvaluationBatches, TrainingBatches
from lenssr.data.endless import EndlessBatches, Sky
from lenssr.data.lens_data import LensData
from lenssr.errors import ConfigError

__all__ = ["LensDataModule"]


class LensDataModule(LensData, pl.LightningDataModule):
    """:class:`lenssr.data.lens_data.LensData`, whose batches a trainer finds."""

    name: str  # in Lightning's own it may be None

    def train_dataloader(self) -> TrainingBatches:
        """Return the batches of the whole training, from the trainer's step on."""
        load, trainer = self.loader, self.trainer
        world = trainer.world_size if trainer else 1
        if load.batch_size % world:
            raise ConfigError(f"loader.batch_size={load.batch_size} cannot be divided among {world} devices.")
        kind, more = TrainingBatches, {}
        if self.fresh == "images":
            sky = (self.source, self.observation, self.inputs, self.labels, self.unit, load.seed, self.device())
            kind, more = EndlessBatches, {"sky": Sky(*sky)}
        return kind(
            reader=self.reader("train"),
            steps=load.steps,
            batch_size=load.batch_size,
            patch=load.patch,
            scale=self.scale,
            seed=load.seed,
            fresh_noise=self.noise == "fresh" or self.fresh != "nothing",
            flips=load.flips and self.fresh == "nothing",  # a mirror image is none of the sky's that is sampled
            rotations=load.rotations and self.fresh == "nothing",
            start=(lambda: trainer.global_step) if trainer else (lambda: 0),
            rank=trainer.global_rank if trainer else 0,
            world_size=world,
            **more,
        )

    def val_dataloader(self) -> EvaluationBatches:
        """Return this process's share of the validation split."""
        trainer = self.trainer
        return self.evaluation("validation", share=(trainer.global_rank, trainer.world_size) if trainer else (0, 1))
