"""What a machine can run jobs on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lenssr.errors import ConfigError

__all__ = ["Device", "environment", "find_devices"]


_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # of NVIDIA, of AMD, of Windows' Linux


@dataclass(frozen=True)
class Device:
    """A GPU, or a share of the CPU.

    Attributes:
        name: as people read it.
        gpu: its number or UUID for ``CUDA_VISIBLE_DEVICES``; None for a share of the CPU.
        threads: of the CPU that a job there may use.
        forced: whether the CPU was asked for, so that a job shall take no GPU though there may be one.
    """

    name: str
    gpu: str | None
    threads: int
    forced: bool = False


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
    return [Device(f"CPU {i}", None, max(1, cores // count), wanted == "cpu") for i in range(count)]


def _gpus() -> list[str]:
    """Return the GPUs' names for CUDA_VISIBLE_DEVICES; asking torch would take seconds and hold a context."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        named = dict.fromkeys(gpu.strip() for gpu in visible.split(","))
        return [gpu for gpu in named if gpu not in ("", "-1", "NoDevFiles")]
    if shutil.which("nvidia-smi"):
        asked = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
        found = _listed(asked.stdout) if asked.returncode == 0 else []
        if found:
            return found
    return _seen_by_torch() if any(Path(place).exists() for place in _DRIVERS) else []


def _listed(text: str) -> list[str]:
    """Return the GPUs of ``nvidia-smi -L`` by number; the slices of one that is divided (MIG) by their UUIDs."""
    found: list[str] = []
    for line in text.splitlines():
        whole, part = re.match(r"GPU (\d+):", line), re.search(r"\(UUID: (MIG-[^)]+)\)", line)
        if whole:
            found.append(whole[1])
        elif part and found:
            if not found[-1].startswith("MIG-"):
                found.pop()  # the GPU itself can no longer be used
            found.append(part[1])
    return found


def _seen_by_torch() -> list[str]:
    """Return the GPUs by number as torch counts them, in a process of its own: AMD's, and those of bare containers."""
    code = "import torch; print(torch.cuda.device_count())"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    count = asked.stdout.strip()
    return [str(number) for number in range(int(count))] if asked.returncode == 0 and count.isdecimal() else []


def environment(devices: list[Device]) -> dict[str, str]:
    """Return the variables that keep a job on its devices, and to no more threads than were asked for here."""
    gpus = ",".join(device.gpu for device in devices if device.gpu is not None)
    asked = os.environ.get("OMP_NUM_THREADS", "")
    threads = str(min(devices[0].threads, int(asked)) if asked.isdecimal() and int(asked) else devices[0].threads)
    # where no GPU was found none is hidden: a job may see more than the pool does
    hidden = {"CUDA_VISIBLE_DEVICES": gpus} if gpus or devices[0].forced else {}
    if gpus and "CUDA_VISIBLE_DEVICES" not in os.environ and shutil.which("nvidia-smi"):
        hidden["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # in which nvidia-smi numbers them
    return {**hidden, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
