"""The posterior of the numbers that made a lens image, given one exposure of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lenssr.data.camera.detector import Detector, bin_sum
from lenssr.data.sky.lensing import Instrument, render
from lenssr.limits.likelihood import log_likelihood
from lenssr.limits.prior import Prior
from lenssr.limits.smc import Sample, anneal

__all__ = ["Lenses"]

_RAYS = 1 << 17  # traced at once: what a core's cache holds


class Lenses:
    """Draws from the posterior of a class's parameters.

    What is not drawn for an image but known of it, the class and the time of the exposure, the sampler is told; so what
    comes out bounds networks that are not.

    Args:
        prior: of the class.
        instrument: of the HR pixels.
        detector: of the camera whose exposures are seen.
        scale: HR pixels per pixel of that camera, along a side.
        particles: draws.
        library: draws of the prior that every image's posterior begins from.
        seed: of all that is drawn.
        proposals: draws about those, from which they are drawn again by weight; 0: none.
    """

    def __init__(
        self,
        prior: Prior,
        instrument: Instrument,
        detector: Detector,
        scale: int,
        particles: int = 128,
        library: int = 2048,
        seed: int = 0,
        proposals: int = 0,
    ) -> None:
        self.prior, self.instrument, self.detector, self.scale = prior, instrument, detector, scale
        self.particles, self.library, self.seed, self.proposals = particles, library, seed, proposals

    @cached_property
    def _start(self) -> tuple[np.ndarray, Tensor]:
        rng = np.random.default_rng([self.seed, 0])
        points = rng.uniform(size=(self.library, len(self.prior.names)))
        return points, self.binned(points)

    def flux(self, points: np.ndarray) -> Tensor:
        """Return the noise-free images of points of the unit cube, flux rates in HR pixels, (n, N, N)."""
        return torch.cat(list(self._rendered(points)))

    def binned(self, points: np.ndarray) -> Tensor:
        """Return the same in the pixels of the camera, (n, H, W)."""
        return torch.cat([bin_sum(images, self.scale) for images in self._rendered(points)])

    def _rendered(self, points: np.ndarray) -> Iterator[Tensor]:
        """Yield the images of points, as many at once as a cache holds."""
        size = max(1, _RAYS // (self.instrument.image_size * self.instrument.supersampling) ** 2)
        for part in np.array_split(points, -(-len(points) // size)):
            yield render(self.prior.parameters(part), self.instrument)

    @torch.inference_mode()
    def posterior(self, seen: Tensor, time: float, index: int = 0) -> Sample:
        """Return draws from the posterior given an exposure.

        Args:
            seen: flux rate in the camera's pixels, (H, W), flux / pixel / unit time.
            time: of the exposure.
            index: of the image, which makes its draws its own.
        """
        points, values = self._begun(seen, time)
        rng = np.random.default_rng([self.seed, 1, index])

        def likelihood(at: np.ndarray) -> np.ndarray:
            return self.log_likelihood(at, seen, time)

        periodic, proposals = self.prior.periodic, self.proposals
        return anneal(likelihood, points, values, rng, self.particles, periodic=periodic, proposals=proposals)

    def log_likelihood(self, points: np.ndarray, seen: Tensor, time: float) -> np.ndarray:
        """Return how probable an exposure is, given points of the unit cube, (n,)."""
        parts = (bin_sum(images, self.scale) for images in self._rendered(points))
        return np.concatenate([self.of_flux(flux, seen, time) for flux in parts])

    @torch.inference_mode()
    def likeliest(self, seen: Tensor, time: float, count: int) -> np.ndarray:
        """Return the ``count`` points of the library that an exposure is likeliest of, (count, d)."""
        points, values = self._begun(seen, time)
        return points[np.argsort(-values)[:count]]

    def _begun(self, seen: Tensor, time: float) -> tuple[np.ndarray, np.ndarray]:
        points, flux = self._start
        return points, np.concatenate([self.of_flux(part, seen, time) for part in flux.split(64)])

    def of_flux(self, flux: Tensor, seen: Tensor, time: float) -> np.ndarray:
        """Return how probable an exposure is, given noise-free images in the camera's pixels (n, H, W)."""
        found: Any = log_likelihood(seen, flux, time, self.detector).numpy()
        return np.asarray(found, np.float64)
