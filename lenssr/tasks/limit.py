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
from lenssr.data.camera.observe import TwoExposures
from lenssr.data.sets.simulated import SimulatedSource
from lenssr.data.sky.parameters import Scene
from lenssr.errors import ConfigError
from lenssr.limits.fit import Fitter
from lenssr.limits.kept import Case, Posteriors, Setting
from lenssr.limits.lenses import Lenses
from lenssr.limits.prior import Prior
from lenssr.limits.sampler import Fit, PosteriorSampler
from lenssr.metrics.evaluation import Evaluation
from lenssr.metrics.labels import LabelEvaluation, evaluate_regression
from lenssr.metrics.posterior import PosteriorEvaluation, evaluate_posterior
from lenssr.tasks.base import Task

__all__ = ["FittedImages", "ImageLimit", "LabelLimit"]


def _physics(data: LensDataModule) -> tuple[SimulatedSource, TwoExposures]:
    """Return what made the images.

    Raises:
        ConfigError: that is nothing whose posterior can be sampled.
    """
    source, seen = data.source, data.observation
    if not isinstance(source, SimulatedSource) or source.scene != Scene() or not isinstance(seen, TwoExposures):
        raise ConfigError(f"The posterior is known for dataset=model1 alone, not for dataset={data.name}.")
    if data.normalization != "constant":
        raise ConfigError("The posterior is of fluxes: it needs dataset.normalization=constant.")
    return source, seen


def _told(parameters: Any, index: int) -> np.ndarray:
    """Return the sub-haloes of a CDM image, (3, K); of another none."""
    if parameters["class"][index] != "cdm":
        return np.zeros((3, 0))
    return np.stack([np.asarray(parameters[f"subhalo_{name}"][index], float) for name in ("x", "y", "theta_E")])


class _Split:
    """The exposures of a split and their posteriors.

    Args:
        data: the set.
        split: of it.
        sampler: settings.
        given: the exposure that is seen, ``lr`` or ``hr``.
    """

    def __init__(self, data: LensDataModule, split: str, sampler: PosteriorSampler, given: str) -> None:
        source, seen = _physics(data)
        if "cdm" in source.classes and source.physics["cdm"].get("profile", "point") != "point":
            raise ConfigError(
                "The haloes of physics=corrected cannot be told: dataset.source.classes=[no_sub,axion] leaves them out."
            )
        self.images, self.given, self.scale = data.sets[split], given, data.scale if given == "lr" else 1
        camera = seen.lr if given == "lr" else seen.hr
        numbers = (sampler.particles, sampler.library, sampler.seed)
        setting = Setting(source.physics, source.instrument, camera, self.scale, *numbers)
        about = [self.images.checksum, split, given, seen.config]
        self.posteriors = Posteriors(setting, self.images.folder, about)

    def case(self, batch: Batch, place: int, unit: float) -> Case:
        """Return an exposure of a batch whose images were divided by ``unit``."""
        index, parameters = int(batch["index"][place]), self.images.parameters
        image = batch["lr"] if self.given == "lr" else batch["hr"]
        flux = image[place, 0].double() * unit * self.scale**2
        time = float(self.images.exposure_time[index])
        told = _told(parameters, index)
        return Case(index, str(parameters["class"][index]), time, flux.float().cpu().numpy(), told)

    def make(self, batches: Iterable[Batch], unit: float) -> dict[int, Case]:
        """Sample what is missing, and return the exposures by index."""
        cases = [self.case(batch, i, unit) for batch in batches for i in range(len(batch["index"]))]
        self.posteriors.make(cases)
        return {case.index: case for case in cases}

    def seconds(self, cases: Iterable[int]) -> float:
        """Return the mean time of sampling an image."""
        return float(np.mean([self.posteriors.read(index)[1] for index in cases]))


class _Physical(Task):
    """A task whose answers come from the set's physics, not from weights."""

    of_physics = True


class ImageLimit(_Physical):
    """The posterior mean of the noise-free image given the LR exposure: no network has a smaller expected error.

    The sampler is told more than a network: the class, the time of the exposure and, for CDM, the sub-haloes. What it
    reaches therefore bounds every network, for CDM from further away than for the others.

    Args:
        target: what ``dataset.target`` is set to.
        **task: see :class:`lenssr.tasks.base.Task`; nothing is trained.
    """

    model: PosteriorSampler

    def __init__(self, target: str, **task: Any) -> None:
        super().__init__(**task)
        self.target = target

    def attach(self, data: LensDataModule, split: str) -> None:
        """Take the physics of a set.

        Raises:
            ConfigError: its posterior is not known.
        """
        _, seen = _physics(data)
        if data.target != "truth":
            raise ConfigError("The posterior is of the noise-free image: it needs dataset.target=truth.")
        self._drawn, self._unit, self._camera = _Split(data, split, self.model, "lr"), data.unit, seen.hr

    def draw(self, batch: Batch) -> Tensor:
        """Return the draws of each image, (B, K, H, W), in the set's unit."""
        images = []
        for case in self._drawn.make([batch], self._unit).values():
            flux = self._drawn.posteriors.flux(case)
            images.append(self._camera.moments(flux, torch.tensor(case.time))[0] / self._unit)
        return torch.stack(images).to(batch["lr"].device)

    def predict(self, batch: Batch) -> Tensor:
        """Return the mean of the draws, (B, 1, H, W)."""
        return self.draw(batch).mean(1, keepdim=True)

    def examine(self, data: LensDataModule, device: torch.device, split: str) -> PosteriorEvaluation:
        """Score the mean of the draws, a draw, and the draws as a posterior."""
        self.attach(data, split)
        cases = self._drawn.make(data.evaluation(split, torch.device("cpu")), data.unit)
        cost = f"{self.model.particles} draws of the physical parameters"
        found = evaluate_posterior(self.draw, None, data, device, split, cost, self._film)
        return replace(found, seconds_per_image=self._drawn.seconds(cases))  # drawing what was kept takes none

    def _film(self, batch: Batch) -> np.ndarray:
        return self.draw(batch)[0, :16].cpu().numpy()


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
        drawn = _Split(data, split, self.model, given)
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

    It is told the time of the exposure, and neither class nor sub-haloes: it tries the smooth lens and the vortex.

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
        source, seen = _physics(data)
        self._fitter = Fitter(
            {
                name: Lenses(
                    Prior(source.physics, name), source.instrument, seen.lr, data.scale,
                    library=self.model.library, seed=self.model.seed,
                )
                for name in ("no_sub", "axion")
            },
            self.model.starts,
        )  # fmt: skip
        self._data, self._split = data, split

    def examine(self, data: LensDataModule, device: torch.device, split: str) -> Evaluation | LabelEvaluation:
        """Score a split."""
        self.attach(data, split)
        return super().examine(data, device, split)

    def predict(self, batch: Batch) -> Tensor:
        """Return the images of the best fits, (B, 1, H, W)."""
        data, images = self._data, []
        for index, lr in zip(batch["index"].tolist(), batch["lr"], strict=True):
            time = float(data.sets[self._split].exposure_time[index])
            found = self._fitter(lr[0].cpu() * data.unit * data.scale**2, time)
            flux = self._fitter.lenses[found.name].flux(found.point[None])
            images.append(data.observation.hr.moments(flux, torch.tensor(time))[0] / data.unit)
        return torch.stack(images).to(batch["lr"].device)
