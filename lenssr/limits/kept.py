"""Posteriors of a split's images: sampled once, by as many processes as there are threads, and kept a file an image."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lenssr.data.camera.detector import Detector
from lenssr.data.sky.lensing import Instrument
from lenssr.limits.lenses import Lenses
from lenssr.limits.prior import Prior
from lenssr.limits.smc import Sample
from lenssr.system.files import whole_file
from lenssr.system.progress import track

__all__ = ["Case", "Posteriors", "Setting"]

_FORMAT = 2  # of the files, and of how the samples are drawn
_TOLD = 256  # draws of the prior where little is unknown


@dataclass(frozen=True)
class Setting:
    """What is the same for all images of a set.

    Attributes:
        physics: of the set.
        instrument: of its HR pixels.
        detector: of the camera whose exposures are seen.
        scale: HR pixels per pixel of that camera, along a side.
        particles: see :class:`lenssr.limits.sampler.PosteriorSampler`.
        library: likewise.
        proposals: likewise.
        seed: likewise.
    """

    physics: dict[str, Any]
    instrument: Instrument
    detector: Detector
    scale: int
    particles: int
    library: int
    proposals: int
    seed: int

    def lenses(self, name: str, told: np.ndarray) -> Lenses:
        """Return what samples, for a class and for the sub-haloes that are told."""
        library = self.library if not told.size else max(_TOLD, self.particles)
        prior = Prior(self.physics, name, told)
        return Lenses(
            prior, self.instrument, self.detector, self.scale, particles=self.particles, library=library,
            proposals=self.proposals, seed=self.seed,
        )  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One exposure.

    Attributes:
        index: of the image.
        name: its class.
        time: of the exposure.
        seen: flux rate in the camera's pixels, (H, W).
        told: sub-haloes that are known, (3, K).
    """

    index: int
    name: str
    time: float
    seen: np.ndarray
    told: np.ndarray


class Posteriors:
    """The posteriors of a split.

    Args:
        setting: of the set.
        folder: beside which theirs is made.
        about: what else decides the exposures, for the folder's name.
    """

    def __init__(self, setting: Setting, folder: Path, about: Any) -> None:
        self.setting = setting
        described = json.dumps([_FORMAT, asdict(setting), about], sort_keys=True)
        digest = hashlib.sha256(described.encode()).hexdigest()
        self.folder = folder.with_name(f"{folder.name}-posteriors-{digest[:8]}")

    def make(self, cases: Sequence[Case]) -> None:
        """Sample what is missing."""
        left = [case for case in cases if not _path(self.folder, case.index).exists()]
        if not left:
            return
        with track("sampling posteriors", len(cases), "images") as advance:
            advance(len(cases) - len(left))
            for _ in self._worked(left):
                advance(1)

    def _worked(self, left: Sequence[Case]) -> Iterator[None]:
        workers = min(torch.get_num_threads(), len(left))
        if workers == 1:
            yield from map(_Worker(self.setting, self.folder), left)
            return
        spawn, about = multiprocessing.get_context("spawn"), (self.setting, self.folder)
        with ProcessPoolExecutor(workers, spawn, initializer=_begin, initargs=about) as pool:
            for job in as_completed([pool.submit(_work, case) for case in left]):
                yield job.result()

    def read(self, index: int) -> tuple[Sample, float]:
        """Return the draws of an image, and the seconds that they took."""
        with np.load(_path(self.folder, index), allow_pickle=False) as file:
            numbers = (float(file["log_evidence"]), int(file["evaluations"]))
            return Sample(file["points"], file["log_likelihood"], *numbers), float(file["seconds"])

    def flux(self, case: Case) -> Tensor:
        """Return the noise-free images of an image's draws, flux rates, (N, H, W)."""
        return self.setting.lenses(case.name, case.told).flux(self.read(case.index)[0].points)

    def columns(self, case: Case) -> dict[str, np.ndarray]:
        """Return the parameters of an image's draws, (N,) each."""
        return Prior(self.setting.physics, case.name).columns(self.read(case.index)[0].points)


class _Worker:
    """Samples one image after another; a class's library is drawn once."""

    def __init__(self, setting: Setting, folder: Path) -> None:
        self.setting, self.folder = setting, folder
        self.known: dict[str, Lenses] = {}

    def __call__(self, case: Case) -> None:
        lenses = None if case.told.size else self.known.get(case.name)
        if lenses is None:
            lenses = self.setting.lenses(case.name, case.told)
            self.known |= {} if case.told.size else {case.name: lenses}
        start = time.process_time()
        found = lenses.posterior(torch.from_numpy(case.seen), case.time, case.index)
        with whole_file(_path(self.folder, case.index)) as temporary:
            np.savez(temporary, **asdict(found), seconds=time.process_time() - start)


_worker: list[_Worker] = []  # of a process of several


def _begin(setting: Setting, folder: Path) -> None:
    torch.set_num_threads(1)
    _worker[:] = [_Worker(setting, folder)]


def _work(case: Case) -> None:
    _worker[0](case)


def _path(folder: Path, index: int) -> Path:
    return folder / f"{index:07d}.npz"
