"""What a machine can run jobs on."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

from lenssr.errors import ConfigError

__all__ = ["Device", "environment", "find_devices"]


@dataclass(frozen=True)
class Device:
    """A GPU, or a share of the CPU.

    Attributes:
        name: as people read it.
        gpu: its number or UUID for ``CUDA_VISIBLE_DEVICES``; None for a share of the CPU.
        threads: of the CPU that a job there may use.
    """

    name: str
    gpu: str | None
    threads: int


def find_devices(wanted: str = "auto", slots: int | str = "auto") -> list[Device]:
    """Return the devices of this machine.

    Args:
        wanted: ``gpu``, ``cpu``, or ``auto``: GPUs if there are any.
        slots: shares of the CPU; ``auto``: as many as cores.

    Raises:
        ConfigError: a GPU is wanted and there is none, or a number is not positive.
    """
    if wanted not in ("auto", "gpu", "cpu"):
        raise ConfigError(f"hydra.launcher.devices={wanted} is none of 'auto', 'gpu', 'cpu'.")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    gpus = [] if wanted == "cpu" else _gpus()
    if gpus:
        return [Device(f"GPU {gpu}", gpu, max(1, cores // len(gpus))) for gpu in gpus]
    if wanted == "gpu":
        raise ConfigError("hydra.launcher.devices=gpu, but no GPU is visible here; use devices=cpu.")
    if slots != "auto" and not (str(slots).isdecimal() and int(slots) > 0):
        raise ConfigError(f"hydra.launcher.slots={slots} must be 'auto' or a number of at least 1.")
    count = cores if slots == "auto" else int(slots)
    return [Device(f"CPU {i}", None, max(1, cores // count)) for i in range(count)]


def _gpus() -> list[str]:
    """Return the GPUs' names for CUDA_VISIBLE_DEVICES; asking torch would take seconds and hold a context."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        named = dict.fromkeys(gpu.strip() for gpu in visible.split(","))
        return [gpu for gpu in named if gpu not in ("", "-1", "NoDevFiles")]
    if not shutil.which("nvidia-smi"):
        return []
    asked = subprocess.run(
        ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"], capture_output=True, text=True, check=False
    )
    return asked.stdout.split() if asked.returncode == 0 else []


def environment(devices: list[Device]) -> dict[str, str]:
    """Return the variables that keep a job on its devices, and to no more threads than were asked for here."""
    gpus = ",".join(device.gpu for device in devices if device.gpu is not None)
    asked = os.environ.get("OMP_NUM_THREADS", "")
    threads = str(min(devices[0].threads, int(asked)) if asked.isdecimal() and int(asked) else devices[0].threads)
    return {"CUDA_VISIBLE_DEVICES": gpus, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
