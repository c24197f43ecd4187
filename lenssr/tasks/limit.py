"""What the data allow: images, or parameters, by the posterior of the numbers that made an image; and by their fit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lenssr.data import LensDataModule
from lenssr.data.batches import Batch
from lenssr.errors import ConfigError
from lenssr.limits.exposures import Exposures, physics_of
from lenssr.limits.fit import VORTEX, Fitter
from lenssr.limits.lenses import Lenses
from lenssr.limits.prior import Prior
from lenssr.limits.sampler import Fit, PosteriorSampler
from lenssr.metrics.evaluation import Evaluation
from lenssr.metrics.labels import LabelEvaluation, evaluate_regression
from lenssr.metrics.posterior import PosteriorEvaluation, evaluate_posterior
from lenssr.tasks.base import Task
from lenssr.tasks.posterior import against_exact

__all__ = ["FittedImages", "ImageLimit", "LabelLimit"]

_INTERVALS = {"within68": 1.0, "within95": 2.0}  # standard deviations; they hold 68.3 and 95.4 % of a Gaussian


class _Physical(Task):
    """A task whose answers come from the set's physics, not from weights."""

    of_physics = True


class ImageLimit(_Physical):
    """The posterior mean of the noise-free image given the LR exposure: no network has a smaller expected error.

    The sampler is told more than a network: the class, the time of the exposure and, for CDM, the sub-haloes. What it
    reaches therefore bounds every network, for CDM from further away than for the others.

    Args:
        target: what ``dataset.target`` is set to.
        compared: test images, the first ones, whose draws are told from others of the same posterior, which should not
            be possible.
        **task: see :class:`lenssr.tasks.base.Task`; nothing is trained.
    """

    model: PosteriorSampler

    test_settings = ("compared",)

    def __init__(self, target: str, compared: int = 0, **task: Any) -> None:
        super().__init__(**task)
        self.target, self.compared = target, compared

    def attach(self, data: LensDataModule, split: str) -> None:
        """Take the physics of a set.

        Raises:
            ConfigError: its posterior is not known.
        """
        physics_of(data)
        if data.target != "truth":
            raise ConfigError("The posterior is of the noise-free image: it needs dataset.target=truth.")
        self._drawn, self._unit = Exposures(data, split, self.model, "lr"), data.unit

    def posterior(self, batch: Batch) -> Tensor:
        """Return the draws of each image, (B, K, H, W), in the set's unit."""
        cases = self._drawn.make([batch], self._unit).values()
        images = [self._drawn.images_of(case) / self._unit for case in cases]
        return torch.stack(images).to(batch["lr"].device)

    def predict(self, batch: Batch) -> Tensor:
        """Return the mean of the draws, (B, 1, H, W)."""
        return self.posterior(batch).mean(1, keepdim=True)

    def examine(self, data: LensDataModule, device: torch.device, split: str) -> PosteriorEvaluation:
        """Score the mean of the draws, a draw, and the draws as a posterior."""
        self.attach(data, split)
        cases = self._drawn.make(data.evaluation(split, torch.device("cpu")), data.unit)
        cost = f"{self.model.particles} draws of the physical parameters"
        exact = against_exact(data, split, self.compared)
        found = evaluate_posterior(self.posterior, None, data, device, split, cost, self._film, exact)
        return replace(found, seconds_per_image=self._drawn.seconds(cases))  # drawing what was kept takes none

    def _film(self, batch: Batch) -> np.ndarray:
        return self.posterior(batch)[0, :16].cpu().numpy()


class LabelLimit(_Physical):
    """The posterior mean of physical parameters given an exposure: no network has a smaller expected squared error.

    Args:
        targets: columns of the set's parameters.
        upscaler: not used.
        **task: see :class:`lenssr.tasks.base.Task`; nothing is trained.
    """

    model: PosteriorSampler

    def __init__(self, targets: list[str], upscaler: dict[str, Any], **task: Any) -> None:
        super().__init__(**task)
        self.targets = targets

    def examine(self, data: LensDataModule, device: torch.device, split: str) -> LabelEvaluation:
        """Score a split: errors in the parameters' own units, coverage, and what the mean label scores."""
        given = {"hr": "hr", "interpolated": "lr"}.get(data.inputs)
        if given is None:
            raise ConfigError(f"dataset.inputs={data.inputs} is no exposure: use hr, or interpolated for LR.")
        if set(data.source.classes) != {"axion"} and "log10_axion_mass" in self.targets:
            raise ConfigError("log10_axion_mass is known of vortices alone: dataset.source.classes=[axion].")
        drawn = Exposures(data, split, self.model, given)
        batches = data.pairs(split, torch.device("cpu"))
        cases = drawn.make(batches, data.sets["train"].unit)
        labels = data.label(split)

        def predict(batch: Batch) -> tuple[Tensor, Tensor | None]:
            columns = [drawn.posteriors.columns(cases[index]) for index in batch["index"].tolist()]
            values = np.stack([[found[name] for name in self.targets] for found in columns])
            mean, std = (torch.from_numpy(x).float() for x in (values.mean(-1), values.std(-1, ddof=1)))
            return mean, std

        def labelled() -> Any:
            for batch in batches:
                yield Batch(label=labels[batch["index"]], index=batch["index"])

        found = evaluate_regression(predict, labelled(), len(cases), data.label("train").mean(0), self.targets)
        return replace(found, seconds_per_image=drawn.seconds(cases))


class FittedImages(_Physical):
    """Fits lens and source to the LR exposure, and draws the HR image that they would make.

    It is told the time of the exposure, and neither class nor sub-haloes: it tries the smooth lens and the vortex. Of
    its parameters' intervals, it is scored how many of an image's hold the true numbers.

    Args:
        **task: see :class:`lenssr.tasks.base.Task`; nothing is trained.
    """

    model: Fit
    references = ("bilinear", "ceiling", "brighter")

    def attach(self, data: LensDataModule, split: str) -> None:
        """Take the physics of a set.

        Raises:
            ConfigError: it is not known.
        """
        source, seen = physics_of(data)
        self._fitter = Fitter(
            {
                name: Lenses(
                    Prior(source.physics, name), source.instrument, seen.lr, data.scale,
                    library=self.model.library, seed=self.model.seed,
                )
                for name in ("no_sub", "axion")
            },
            self.model.starts,
            [name for name in ("no_sub", "axion") if name in source.classes] or ["no_sub"],
            self.model.nodes,
        )  # fmt: skip
        self._data, self._split = data, split
        self._pulls: dict[int, dict[str, float]] = {}

    def examine(self, data: LensDataModule, device: torch.device, split: str) -> Evaluation | LabelEvaluation:
        """Score a split."""
        self.attach(data, split)
        found = super().examine(data, device, split)
        return replace(found, per_image=found.per_image.assign(**self._within(found.per_image["index"])))

    def _within(self, order: Iterable[int]) -> dict[str, list[float]]:
        """Return which part of an image's parameters lie within their intervals, by score.

        ``parameters`` are those of lens and source, ``vortex`` its own, where every lens has one.
        """
        parts = {"parameters": lambda name: name not in VORTEX}
        if self._fitter.tried == ["axion"]:
            parts["vortex"] = lambda name: name in VORTEX
        pulls = [self._pulls[index] for index in order]
        return {
            f"prediction/{part}/{score}": [
                float(np.mean([abs(pull) < width for name, pull in one.items() if chosen(name)])) for one in pulls
            ]
            for part, chosen in parts.items()
            for score, width in _INTERVALS.items()
        }

    def predict(self, batch: Batch) -> Tensor:
        """Return the images of the best fits, (B, 1, H, W)."""
        data, images = self._data, []
        for index, lr in zip(batch["index"].tolist(), batch["lr"], strict=True):
            time = float(data.sets[self._split].exposure_time[index])
            found = self._fitter(lr[0].cpu() * data.unit * data.scale**2, time, index)
            lenses = self._fitter.lenses[found.name]
            self._pulls[index] = found.pulls(lenses.prior, self._true(index))
            images.append(
                data.observation.hr.moments(lenses.flux(found.point[None]), torch.tensor(time))[0] / data.unit
            )
        return torch.stack(images).to(batch["lr"].device)

    def _true(self, index: int) -> dict[str, np.ndarray]:
        """Return the parameters that made an image, (1,) each."""
        numbers = self._data.sets[self._split].parameters.iloc[[index]].select_dtypes("number")
        return {str(name): numbers[name].to_numpy(float) for name in numbers}
