"""Tell a search what a validation found, and stop where it is not worth going on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from lenssr.errors import Pruned
from lenssr.system.progress import say

__all__ = ["Report"]


class Report(pl.Callback):
    """Reports the monitored score of every validation to a trial; the study's pruner decides.

    Args:
        folder: of the search.
        trial: number.
        monitor: the score.
    """

    def __init__(self, folder: str, trial: int, monitor: str) -> None:
        self.folder, self.number, self.monitor = Path(folder), trial, monitor
        self._prune = False

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report, and keep the answer until the checkpoint is written."""
        prune = False
        if trainer.is_global_zero:
            prune = self._report(float(trainer.callback_metrics[self.monitor]), _count(trainer))
        self._prune = bool(trainer.strategy.broadcast(prune))

    def _report(self, value: float, step: int) -> bool:
        from optuna.trial import Trial

        from lenssr.search.study import open_study

        study = open_study(self.folder)
        frozen = study.get_trials(deepcopy=False)[self.number]
        if frozen.state.is_finished():  # another process told of it
            return False
        trial = Trial(study, frozen._trial_id)
        if step not in frozen.intermediate_values:
            trial.report(value, step)
        return trial.should_prune()

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Stop before the step that follows.

        Raises:
            Pruned: the trial is not worth going on.
        """
        if self._prune:
            say(f"The search prunes this trial at step {trainer.global_step} of {trainer.max_steps}.")
            raise Pruned(f"Pruned at step {trainer.global_step} of {trainer.max_steps}; without search= it goes on.")


def _count(trainer: pl.Trainer) -> int:
    """Return how many validations there were; the first is 1, on which Hyperband counts."""
    return trainer.global_step // int(trainer.val_check_interval)
