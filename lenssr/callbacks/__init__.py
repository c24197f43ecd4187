"""What watches a training."""

from lenssr.callbacks.interrupt import GracefulStop
from lenssr.callbacks.progress import Progress

__all__ = ["GracefulStop", "Progress"]
