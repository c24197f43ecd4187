"""A callback that fails or kills its own run once, midway; sweeps under test reach it through PYTHONPATH."""

import os
import signal
from pathlib import Path

import pytorch_lightning as pl


class Saboteur(pl.Callback):
    """Strikes after a step where ``$SABOTAGE/<how>-<seed>`` exists: ``fail``, ``kill``, or ``slow`` at every step."""

    def __init__(self, seed, step=3):
        self.seed, self.step, self.folder = seed, step, Path(os.environ["SABOTAGE"])

    def on_train_batch_end(self, trainer, *_):
        if (self.folder / f"slow-{self.seed}").exists():
            import time

            time.sleep(1)
        if trainer.global_step != self.step:
            return
        if (self.folder / f"fail-{self.seed}").exists():
            raise RuntimeError(f"sabotage of seed {self.seed}")
        if (self.folder / f"kill-{self.seed}").exists():
            os.kill(os.getpid(), signal.SIGKILL)
