"""What a machine's GPU does with this project: whether its numbers are the CPU's, how fast, and without a pause."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.alternate import config

__all__ = ["Report", "check", "main"]

IMAGES, SIZE = {"train": 64, "validation": 8, "test": 8}, 150  # of the sets that are timed
TASKS = {
    "rdn": ("model=rdn",),
    "unet_sr": ("model=unet_sr",),
    "aae": ("model=aae",),
    "diffusion": ("model=diffusion", "task.residual=false", "dataset=model4", "loader.patch=64", "task.draws=4"),
}
NEAR = 1e-3  # of the loss: what another order of the sums may change


@dataclass
class Report:
    """Rows of (what, measured, against), and what could not be checked."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def markdown(self, machine: str) -> str:
        """Return the table."""
        lines = [f"## {machine}", "", "| | measured | against |", "|---|---:|---:|"]
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        return "\n".join([*lines, "", *(f"Not checked: {text}." for text in self.missing)]) + "\n"


def check(device: Any, folder: Path, more: tuple[str, ...] = (), repeats: int = 5) -> Report:
    """Check and time simulation, batches, steps and draws.

    Args:
        device: ``torch.device``.
        folder: for the sets.
        more: overrides of all configurations.
        repeats: of what is timed.
    """
    report = Report()
    with torch_settings():
        _sky(report, device, config(folder, "model=rdn", *_small(), *more), repeats)
        for name, words in TASKS.items():
            _task(report, device, name, config(folder, *words, *_small(), *more), repeats)
    _missing(report, device)
    return report


def _small() -> list[str]:
    counts = ",".join(f"{split}:{count}" for split, count in IMAGES.items())
    return [f"dataset.source.splits={{{counts}}}", f"task.data.image_size={SIZE}"]


@contextmanager
def torch_settings() -> Iterator[None]:
    """Compare in whole float32."""
    from lenssr.system.precision import exact

    with exact():
        yield


def _seconds(work: Callable[[], Any], device: Any, repeats: int) -> float:
    from lenssr.system.processes import finished

    work()
    taken = []
    for _ in range(repeats):
        finished(device)
        start = time.perf_counter()
        work()
        finished(device)
        taken.append(time.perf_counter() - start)
    return min(taken)


def _sky(report: Report, device: Any, chosen: dict[str, Any], repeats: int) -> None:
    import numpy as np

    from lenssr.data.sets.simulated import simulate
    from lenssr.data.sky.parameters import sample
    from lenssr.runs.build import build_data

    source = build_data(chosen).source
    table = sample(source.physics, source.exposure_time, source.classes, 0, "test", 32, source.scene)

    def images(where: Any) -> Any:
        return np.concatenate(list(simulate(table, source.instrument, where)))

    off = np.abs(images(device) - images("cpu")).max() / images("cpu").max()
    rates = [len(table) / _seconds(lambda where=where: images(where), device, repeats) for where in (device, "cpu")]
    report.rows.append(("simulation, images/s", f"{rates[0]:.0f}", f"CPU {rates[1]:.0f}"))
    report.rows.append(("simulation, off by", f"{off:.1e}", "of the peak, from the CPU's"))


def _task(report: Report, device: Any, name: str, chosen: dict[str, Any], repeats: int) -> None:
    import torch

    from lenssr.runs.build import build_data, build_task
    from lenssr.runs.devices import precision_of

    found = {}
    for where in {torch.device("cpu"), device}:
        torch.manual_seed(0)
        data, task = build_data(chosen), build_task(chosen)
        data._device = lambda where=where: where  # type: ignore[method-assign]
        task.prepare(data)
        found[where] = (task.to(where), data.train_dataloader())
    losses = {where: float(task.objective(loader.batch(0))["loss"].detach()) for where, (task, loader) in found.items()}
    task, loader = found[device]
    parameters = [p for p in task.parameters() if p.requires_grad]
    half = "bf16" in precision_of(chosen) and device.type == "cuda"
    batch = loader.batch(0)

    def step(made: Any) -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            loss = task.objective(made)["loss"]
        torch.autograd.grad(loss, parameters, allow_unused=True)

    off = abs(losses[device] / losses[torch.device("cpu")] - 1)
    report.rows.append((f"{name}: loss, off by", f"{off:.1e}", f"of the CPU's; {'fine' if off < NEAR else 'TOO MUCH'}"))
    making = _seconds(lambda: loader.batch(1), device, repeats)
    whole, alone = (_seconds(work, device, repeats) for work in (lambda: step(loader.batch(1)), lambda: step(batch)))
    size = chosen["loader"]["batch_size"]
    report.rows.append(
        (f"{name}: step of {size}, its batch made", f"{1e3 * whole:.1f} ms", f"{1e3 * alone:.1f} ms given")
    )
    report.rows.append(
        (f"{name}: a batch", f"{1e3 * making:.1f} ms", f"{100 * (whole - alone) / whole:.0f} % of a step")
    )
    if name == "diffusion":
        drawn = _seconds(lambda: task.posterior(batch), device, 1)
        report.rows.append(("diffusion: draws/s", f"{size * task.draws / drawn:.1f}", ""))
    if device.type == "cuda":
        _cuda(report, name, loader)


def _cuda(report: Report, name: str, loader: Any) -> None:
    """Have CUDA refuse whatever waits for it while a batch is made; and say how much memory was taken."""
    import torch

    torch.cuda.set_sync_debug_mode("error")
    try:
        loader.batch(2)
        told = "none"
    except RuntimeError as error:
        told = str(error).splitlines()[0]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    report.rows.append((f"{name}: waits for a batch", told, "none"))
    report.rows.append((f"{name}: memory", f"{torch.cuda.max_memory_allocated() / 1e9:.2f} GB", ""))
    torch.cuda.reset_peak_memory_stats()


def _missing(report: Report, device: Any) -> None:
    import torch

    if device.type != "cuda":
        report.missing += ["waits of a batch, memory, bf16 and TF32, which a GPU alone has"]
    if torch.cuda.device_count() < 2:
        report.missing += ["runs on several GPUs, which this machine does not have"]
    report.missing += ["torch.compile and CUDA graphs (trainer.compile), which take minutes to begin"]


def main() -> None:
    """The command line of ``scripts/gpu_check.py``."""
    parser = argparse.ArgumentParser(prog="gpu_check.py", description=__doc__)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--to", type=Path, help="folder to write gpu.md to, as outputs/report/gpu")
    arguments = parser.parse_args()
    from lenssr.system.commands import command

    command(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> None:
    import torch

    from lenssr.errors import ConfigError
    from lenssr.runs.provenance import machine
    from lenssr.system.files import write_text

    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("torch sees no GPU here; --device cpu checks what can be checked without one.")
    # of a CPU there is nothing to learn but that the check runs to its end
    small = ("loader.patch=32", "loader.batch_size=2", "dataset.image_size=32") if arguments.device == "cpu" else ()
    with tempfile.TemporaryDirectory() as folder:
        report = check(torch.device(arguments.device), Path(folder), small, 5 if arguments.device == "cuda" else 1)
    text = report.markdown(machine() + (", on the CPU" if arguments.device == "cpu" else ""))
    print(text)
    if arguments.to:
        write_text(arguments.to / "gpu.md", text)
