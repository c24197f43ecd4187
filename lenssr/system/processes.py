"""How processes stand to each other."""

from __future__ import annotations

import ctypes
import signal
import sys
from typing import Any

__all__ = ["die_with_parent", "finished", "share"]


def die_with_parent(number: int = signal.SIGTERM) -> None:
    """Ask the kernel to stop this process, with a signal, when its parent is gone, however that went."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, number)


def share() -> tuple[int, int]:
    """Return which of how many processes this one is, of a run on several devices: (rank, number); (0, 1) alone."""
    import torch.distributed as distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def finished(device: Any) -> None:
    """Wait until a device (``torch.device``) has done all that it was asked to, as a clock must before it is read."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
