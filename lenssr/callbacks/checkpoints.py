"""best.ckpt where validation improves, last.ckpt at every validation."""

from __future__ import annotations

from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint

from lenssr.callbacks.interrupt import GracefulStop

__all__ = ["Checkpoints"]


class Checkpoints(ModelCheckpoint):
    """Lightning's best checkpoint, and a last one that does not wait for an improvement.

    Args:
        folder: of the checkpoints.
        monitor: metric that chooses the best.
        mode: ``min`` or ``max``.
    """

    def __init__(self, folder: Path, monitor: str, mode: str) -> None:
        super().__init__(
            dirpath=folder,
            filename="best",
            monitor=monitor,
            mode=mode,
            auto_insert_metric_name=False,
            enable_version_counter=False,
            save_on_train_epoch_end=False,
        )
        self.last = folder / "last.ckpt"

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save, then stop if a signal came during the step or its validation."""
        super().on_validation_end(trainer, pl_module)
        if trainer.training or trainer.validating:
            trainer.save_checkpoint(self.last)
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, GracefulStop):
                callback.stop_if_asked(trainer)
