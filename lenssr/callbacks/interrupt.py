"""Stop when asked to, without losing a step."""

from __future__ import annotations

import signal
import threading
from typing import Any

import pytorch_lightning as pl

from lenssr.errors import Interrupted
from lenssr.system.progress import say

__all__ = ["GracefulStop"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_EVERY = 10  # steps after which several processes ask each other: an exchange that all of them wait for


class GracefulStop(pl.Callback):
    """On Ctrl-C or SIGTERM: finish the step, save ``last.ckpt``, stop. A second signal stops at once.

    The processes of a run on several devices stop at the same step, whichever of them heard the signal: saving, as
    everything that they do together, waits for all.
    """

    def __init__(self) -> None:
        self._asked: str | None = None
        self._before: dict[int, Any] = {}

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take over the signals.

        Lightning would register a handler of its own from here to the training's start, which sends to the other
        processes in the middle of whatever they are exchanging, and leaves all of them waiting for each other.
        """
        trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS}

    def _handle(self, number: int, frame: Any) -> None:
        if self._asked:
            self._restore()
            raise KeyboardInterrupt
        self._asked = signal.Signals(number).name
        say(f"{self._asked}: finishing this step, then saving ...")

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Save and stop if a signal came.

        Raises:
            Interrupted: it came.
        """
        step = trainer.global_step
        if step % int(trainer.val_check_interval) == 0 or (trainer.world_size > 1 and step % _EVERY):
            return  # a step that is validated is saved after that: a resumed run would not validate it again
        if not self._agreed(trainer):
            return
        pl_module.eval()  # as after a validation: e2cnn's layers have no filters in their state while they train
        trainer.save_checkpoint(f"{trainer.default_root_dir}/checkpoints/last.ckpt")
        pl_module.train()
        self.stop_if_asked(trainer)

    def _agreed(self, trainer: pl.Trainer) -> bool:
        """Whether any process of this run was asked to stop."""
        return bool(trainer.strategy.reduce_boolean_decision(bool(self._asked), all=False))

    def stop_if_asked(self, trainer: pl.Trainer) -> None:
        """Stop if a signal came; what was reached must be saved already.

        Raises:
            Interrupted: it came.
        """
        if self._agreed(trainer):
            step = trainer.global_step
            self._restore()
            raise Interrupted(f"Stopped at step {step} of {trainer.max_steps}; repeat the command to go on from there.")

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give the signals back, also where all steps were done before and no training began or ended."""
        self._restore()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Give the signals back."""
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
