"""What a table costs on this machine: a few steps of every row are timed, the rest is multiplication."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from lenssr.config.compose import plain
from lenssr.config.identity import stage_nodes
from lenssr.data.camera.observe import Address, Window
from lenssr.results.tables.collect import configurations
from lenssr.runs.devices import precision_of
from lenssr.runs.provenance import machine
from lenssr.runs.stages import stage_config
from lenssr.system.processes import finished
from lenssr.system.progress import track
from lenssr.tasks import Diffusion, Posterior, Task

__all__ = ["Cost", "estimate", "to_markdown"]

_REPEATS = 3
_REGRESSOR = "task.regressor"


@dataclass(frozen=True)
class Cost:
    """One run of one row, by the clock of this machine.

    Attributes:
        label: of the row.
        step: seconds of a training step; 0 where nothing is trained.
        steps: of the training.
        image: seconds for one whole image.
        images: in all validations and the test.
    """

    label: str
    step: float
    steps: int
    image: float
    images: int

    @property
    def seconds(self) -> float:
        """Of the whole run, but for simulation and scoring."""
        return self.step * self.steps + self.image * self.images


def estimate(name: str, overrides: Sequence[str] = (), batch: int | None = None) -> list[Cost]:
    """Time every row of a table on random images of the right size.

    Args:
        name: of the table.
        overrides: shared by every row, as ``scale=report``.
        batch: images in a timed step, from which a whole batch is inferred in proportion; None: the whole batch.

    A diffusion model's regression network is a row of its own. Rows that need another run first in another way (a
    content loss), or test another row's run, are left out.
    """
    rows: dict[str, dict[str, Any]] = {}
    for label, config in configurations(name, overrides):
        nodes = dict(stage_nodes(config))
        if set(nodes) <= {_REGRESSOR}:
            for node in nodes.values():
                before = plain(stage_config(config, node))
                rows[f"{before['model']['name']}, trained first, once"] = before
            rows[label] = config
    costs = []
    with track("timing", len(rows), "models") as advance:
        for label, config in rows.items():
            task = _task(config)
            if not task.of_physics:
                costs.append(_cost(label, config, task, batch))
            advance(1, label)
    return costs


def _task(config: dict[str, Any]) -> Task:
    """Return a task whose regression network, if it needs one, is there but untrained."""
    from lenssr.runs.build import build_model, build_task

    task = build_task(config)
    for _, node in stage_nodes(config):
        assert isinstance(task, Diffusion)
        task.take(build_model(plain(stage_config(config, node))))
    return task


def _cost(label: str, config: dict[str, Any], task: Task, batch: int | None) -> Cost:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    task = task.to(device)
    scale, size, load = config["dataset"]["scale"], config["dataset"]["image_size"], config["loader"]
    count = min(batch or load["batch_size"], load["batch_size"])
    parameters = [p for p in task.model.parameters() if p.requires_grad]
    observe, half = _observation(config, device), {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
    kind = half.get(precision_of(config))

    def train() -> None:
        batch = _batch(count, load["patch"], scale, device)
        observe(batch)
        with torch.autocast(device.type, kind, enabled=kind is not None):
            loss = task.objective(batch)["loss"]
        torch.autograd.grad(loss, parameters)

    @torch.inference_mode()
    def infer() -> None:
        task.predict_test(_batch(count, size, scale, device))

    step = _seconds(train) * load["batch_size"] / count if parameters else 0.0
    task.eval()
    splits = config["task"]["data"]["images"]
    steps, validations = (config["trainer"][key] if parameters else 0 for key in ("max_steps", "validations"))
    # what draws does so in the test alone
    images = splits["test"] + (0 if isinstance(task, Posterior) else validations * splits["validation"])
    return Cost(label, step, steps, _seconds(infer) / count, images)


def _observation(config: dict[str, Any], device: torch.device) -> Callable[[Any], None]:
    """Return what draws a batch's noise, as training does at every step; nothing where images are read as they are."""
    from lenssr.runs.build import build_data

    needs_files = "root" in config["dataset"]["source"]
    data = None if needs_files or config["task"].get("targets") else build_data(config)

    def draw(batch: Any) -> None:
        if data is not None:
            flux, index = batch["hr"][:, 0], batch["index"]
            corner, time = torch.zeros_like(index), torch.full((len(index),), 1000.0, device=device)
            window = Window(corner, corner, flux.shape[-1], flux.shape[-1])
            data.observation(flux, time, 1.0, window, Address(index, 0, (0, 0)))

    return draw


def _batch(count: int, size: int, scale: int, device: torch.device) -> Any:
    hr = torch.rand(count, 1, size, size, device=device)
    lr = torch.rand(count, 1, size // scale, size // scale, device=device)
    label = torch.rand(count, 1, device=device)
    return {
        "lr": lr,
        "hr": hr,
        "target": hr,
        "truth": hr,
        "variance": hr + 1,
        "input": hr,
        "label": label,
        "index": torch.arange(count, device=device),
    }


def _seconds(work: Callable[[], None]) -> float:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def once() -> float:
        finished(device)
        start = time.perf_counter()
        work()
        finished(device)
        return time.perf_counter() - start

    once()  # the first one warms up
    return min(once() for _ in range(_REPEATS))


def to_markdown(costs: Sequence[Cost], name: str, overrides: Sequence[str] = ()) -> str:
    """Return the costs as a Markdown table, with their sum, and what is left out."""
    title = f"{name}: cost of one seed"
    lines = [f"## {title}", "", "| | s / step | steps | s / image | images | hours |", "|---|---:|---:|---:|---:|---:|"]
    for cost in costs:
        cells = (f"{cost.step:.3f}", f"{cost.steps:,}", f"{cost.image:.4f}", f"{cost.images:,}")
        lines.append(f"| {cost.label} | {' | '.join(cells)} | {_two_digits(cost.seconds / 3600)} |")
    total = sum(cost.seconds for cost in costs) / 3600
    lines += [f"| all | | | | | {_two_digits(total)} |", ""]
    lines.append(
        f"One seed each, on {machine()}. Measured: seconds a step and an image, least of {_REPEATS} after one to warm "
        "up; the rest is multiplied. Simulating and scoring are not in it."
    )
    timed = {cost.label for cost in costs}
    rest = [label for label, _ in configurations(name, overrides, evaluations=True) if label not in timed]
    if rest:
        lines += ["", f"Left out, for they need other runs first, or train nothing: {'; '.join(rest)}."]
    return "\n".join(lines) + "\n"


def _two_digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):,g}"
