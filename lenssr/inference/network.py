"""A trained run behind one door: an LR image in, an image and its spread out, and what the run was trained to see."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lenssr.config.kinds import draws_posteriors
from lenssr.errors import RunError
from lenssr.models.symmetry import ELEMENTS, act, undo
from lenssr.models.uncertain import Uncertain
from lenssr.runs.find import find
from lenssr.runs.load import load_task, read_config
from lenssr.runs.seen import Seen, seen_by
from lenssr.system.files import read_json
from lenssr.system.precision import exact

__all__ = ["Network", "Seen"]


class Network:
    """A finished run that maps images to images.

    Args:
        run: its folder, an exported one, or a name of :func:`lenssr.runs.find.find`.
        device: where to compute.
        draws: of a model that draws from posteriors; None for the run's own number.
        symmetry: give the mean over the eight turns and mirrors of the input, and the spread over them, at eight times
            the cost; not of a model that draws.

    Raises:
        RunError: there is no such run, or it maps no image to an image.
    """

    def __init__(self, run: str | Path, device: torch.device, draws: int | None = None, symmetry: bool = False) -> None:
        from lenssr.tasks import Posterior, SuperResolution

        run = find(run)
        self.config, metrics = read_config(run), read_json(Path(run) / "metrics.json")
        status = read_json(Path(run) / "status.json") or {}
        if not isinstance(metrics, dict) or "unit" not in metrics or status.get("state") != "done":
            raise RunError(f"{run} is not the folder of a finished run.")
        if draws is not None and draws_posteriors(self.config):
            self.config["task"]["draws"] = draws
        task: Any = load_task(run, config=self.config)
        if not isinstance(task, SuperResolution | Posterior):
            raise RunError(f"{run} is a run of model={self.config['model']['name']}, which upscales no image.")
        self.task: Any = task.to(device)
        self.device = device
        self.unit, self.hash = float(metrics["unit"]), str(status["hash"])
        self._metrics: dict[str, Any] = metrics
        self.name, self.scale = str(self.config["model"]["name"]), int(self.config["dataset"]["scale"])
        self.posterior = isinstance(task, Posterior)
        self.symmetry = symmetry and not self.posterior

    @property
    def spread(self) -> str:
        """What the standard deviation is that comes with an image."""
        if self.posterior:
            return f"standard deviation of {self.task.draws} draws from the posterior"
        if self.uncertain:
            return "standard deviation told by the network, calibrated by brightness on its validation images"
        return ""

    @property
    def uncertain(self) -> bool:
        """Whether an image comes with its standard deviation."""
        return self.posterior or isinstance(self.task.model, Uncertain)

    @property
    def grid(self) -> int:
        """LR pixels at whose multiples a part of an image may begin and be seen as within the whole: windows, say."""
        model = self.task.model
        return int(getattr(model.network if isinstance(model, Uncertain) else model, "grid", 1))

    @cached_property
    def seen(self) -> Seen:
        """What the training images were like."""
        return seen_by(self.config, self._metrics)

    @torch.inference_mode()
    def __call__(self, lr: Tensor, number: int = 0) -> list[Tensor]:
        """Map (B, 1, h, w), in units, to images (B, 1, scale * h, scale * w).

        The image; where the network is :attr:`uncertain`, its standard deviation; with :attr:`symmetry`, the standard
        deviation over the eight turns and mirrors.

        Args:
            lr: the images.
            number: of the tile, so that draws differ between tiles.
        """
        lr = lr.to(self.device)
        with exact():
            every = self._every(lr, number)
        image, found = every.mean(1, keepdim=True), []
        if self.posterior:
            found.append(every.std(1, keepdim=True))
        elif self.uncertain:
            found.append(self.task.model.sigma(lr, image))
        if self.symmetry:
            found.append(every.std(1, keepdim=True))
        return [plane.cpu() for plane in (image, *found)]

    def _every(self, lr: Tensor, number: int) -> Tensor:
        """Return all that the network makes of images, (B, N, H, W): draws, turns, or one image."""
        if self.posterior:
            return self._draws(lr, number)
        upscale: Callable[[Tensor], Tensor] = self.task.upscale
        return self._turned(upscale, lr) if self.symmetry else upscale(lr)

    def _draws(self, lr: Tensor, number: int) -> Tensor:
        count, _, height, width = lr.shape
        like = torch.zeros(count, 1, self.scale * height, self.scale * width, device=lr.device)
        batch: Any = {"lr": lr, "target": like, "index": torch.full((count,), number, device=lr.device)}
        return self.task.posterior(batch)

    @staticmethod
    def _turned(upscale: Callable[[Tensor], Tensor], lr: Tensor) -> Tensor:
        return torch.cat([undo(element, upscale(act(element, lr))) for element in ELEMENTS], dim=1)
