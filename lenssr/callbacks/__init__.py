"""What watches a training."""

from lenssr.callbacks.checkpoints import Checkpoints
from lenssr.callbacks.ema import EMA
from lenssr.callbacks.interrupt import GracefulStop
from lenssr.callbacks.progress import Progress

__all__ = ["EMA", "Checkpoints", "GracefulStop", "Progress"]
