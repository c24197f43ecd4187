"""Where a result comes from: code, versions, machine, command, cost."""

from __future__ import annotations

import importlib.metadata
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lenssr.system.files import read_json, write_json
from lenssr.system.version import __version__

__all__ = ["Provenance", "machine", "nowhere"]

_PACKAGES = (
    "torch", "pytorch-lightning", "torchmetrics", "hydra-core", "omegaconf", "caustics", "numpy", "e2cnn", "wandb",
)  # fmt: skip


class Provenance:
    """Collects the facts of one attempt at a run and keeps those of earlier attempts."""

    def __init__(self, path: Path, keep: bool = True) -> None:
        """Begin an attempt.

        Args:
            path: of ``provenance.json``.
            keep: write the file; of several processes one does.
        """
        self.path, self.keep = path, keep
        earlier = read_json(path) or {}
        self.attempts: list[dict[str, Any]] = earlier.get("attempts", [])
        self.attempts.append(
            {
                "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                "argv": sys.argv,
                "git": _git(),
                "seconds": {},
            }
        )
        self.facts: dict[str, Any] = {"lenssr": __version__, "packages": _versions(), "hardware": _hardware()}
        self.write()

    @property
    def all(self) -> dict[str, Any]:
        """The content of the file."""
        return {**self.facts, "attempts": self.attempts}

    @contextmanager
    def timing(self, what: str) -> Iterator[None]:
        """Record how long a block takes."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.attempts[-1]["seconds"][what] = round(time.perf_counter() - start, 2)

    def write(self, **facts: Any) -> None:
        """Write the file, with further facts."""
        if not self.keep:
            return
        self.facts.update(facts)
        self.attempts[-1]["peak_memory_bytes"] = _peak_memory()
        write_json(self.path, self.all)


def _git() -> dict[str, Any]:
    here = Path(__file__).resolve().parent

    def run(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    status = run("status", "--porcelain")
    return {"commit": run("rev-parse", "HEAD"), "dirty": None if status is None else bool(status)}


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _hardware() -> dict[str, Any]:
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "cpu": _cpu_name(),
        "threads": torch.get_num_threads(),
        "gpus": gpus,
        "system": platform.platform(),
    }


def machine() -> str:
    """Return what computes here, in words: the GPU, or the CPU and its threads."""
    import torch

    if torch.cuda.is_available():
        return f"one {torch.cuda.get_device_name()}"
    threads = torch.get_num_threads()
    return f"{threads} thread{'s' if threads > 1 else ''} of an {_cpu_name()}"


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _peak_memory() -> dict[str, int]:
    import torch

    unit = 1 if sys.platform == "darwin" else 1024
    peak = {"host": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        peak["gpu"] = torch.cuda.max_memory_allocated()
    return peak


def nowhere(word: str) -> str:
    """Return a path of a command line without its folders, which are one machine's; other words as they are."""
    return word if "=" in word else Path(word).name
