"""A split's exposures and their posteriors: what a set that was simulated allows to say of its images."""

from __future__ import annotations

from collections.abc import Iterable
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
from lenssr.limits.kept import Case, Posteriors, Setting
from lenssr.limits.sampler import PosteriorSampler

__all__ = ["Exposures", "physics_of"]


def physics_of(data: LensDataModule) -> tuple[SimulatedSource, TwoExposures]:
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


class Exposures:
    """The exposures of a split and their posteriors.

    Args:
        data: the set.
        split: of it.
        sampler: settings.
        given: the exposure that is seen, ``lr`` or ``hr``.
    """

    def __init__(self, data: LensDataModule, split: str, sampler: PosteriorSampler, given: str) -> None:
        source, seen = physics_of(data)
        if "cdm" in source.classes and source.physics["cdm"].get("profile", "point") != "point":
            raise ConfigError(
                "The haloes of physics=corrected cannot be told: dataset.source.classes=[no_sub,axion] leaves them out."
            )
        self.images, self.given, self.scale = data.sets[split], given, data.scale if given == "lr" else 1
        camera = seen.lr if given == "lr" else seen.hr
        self._hr = seen.hr
        setting = Setting(
            source.physics, source.instrument, camera, self.scale, particles=sampler.particles,
            library=sampler.library, proposals=sampler.proposals, seed=sampler.seed,
        )  # fmt: skip
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

    def images_of(self, case: Case) -> Tensor:
        """Return the noise-free HR images of an exposure's draws as their camera expects them, flux, (N, H, W)."""
        return self._hr.moments(self.posteriors.flux(case), torch.tensor(case.time))[0]

    def seconds(self, cases: Iterable[int]) -> float:
        """Return the mean time of sampling an image."""
        return float(np.mean([self.posteriors.read(index)[1] for index in cases]))
