"""Conditional diffusion: draws from the posterior of the HR image given the LR image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from lenssr.data import LensDataModule
from lenssr.data.batches import Batch
from lenssr.data.camera.random import normal, philox, uniform
from lenssr.errors import ConfigError
from lenssr.metrics.per_image import Score
from lenssr.metrics.posterior import PosteriorEvaluation, evaluate_posterior
from lenssr.models.spread import Spread
from lenssr.tasks.posterior import Posterior, against_exact
from lenssr.tasks.sampling import SAMPLERS, STEPS, alphas, evaluations_of, integrate, scheduler

__all__ = ["Diffusion"]

# keys of random numbers, apart from those of data and autoencoder; never renumber
_TRAIN, _VALIDATE, _DRAW = 33, 34, 35
_TOGETHER = {"cpu": 16, "cuda": 256}  # draws in one pass of the network: a CPU's cache holds no more
_ROUNDS, _CALIBRATED = 5, 8  # of the calibration, and draws of each validation image in each
_PROBED = 256  # training images that set the width of the residual


class Diffusion(Posterior):
    """Learns what is left of the target after a guess, in units of its own spread.

    With ``residual`` the guess is a trained regression network's image f(LR) and x = (target - f(LR)) / sigma, sigma
    the rms of that difference over the training set at pixels as bright (:class:`lenssr.models.spread.Spread`): its
    posterior is about as wide as the noise it starts from, which cheap solvers need to get its width right (Mardani et
    al. 2023, arXiv:2309.15214, for the residual). Without, x is the target brought from [0, 1] to [-1, 1], as the
    report's.

    Args:
        residual: which of the two.
        prediction: what the network tells, ``flow`` or ``epsilon``, see :mod:`lenssr.tasks.sampling`.
        sampler: of the test, see there.
        evaluations: of the network for each draw, at most.
        draws: from each posterior, in the test.
        regressor: returns the trained regression network.
        calibrated: of a network with a :func:`lenssr.models.spread.temperature`; after training, bring the noise that
            sampling starts from to the width, brightness by brightness, with which draws of the validation images are
            as far from each other as from the targets: few evaluations of a short training leave draws too near to
            each other.
        **task: see :class:`lenssr.tasks.posterior.Posterior`; the loss config is not used.

    Raises:
        ConfigError: the sampler needs another kind of prediction, or a number is not positive.
    """

    monitor = "validation/loss"
    mode = "min"
    test_settings = ("sampler", "evaluations", *Posterior.test_settings)

    def __init__(
        self,
        residual: bool,
        prediction: str,
        sampler: str,
        evaluations: int,
        draws: int,
        regressor: Callable[[], nn.Module],
        calibrated: bool = False,
        **task: Any,
    ) -> None:
        super().__init__(draws, **task)
        if calibrated and sampler == "ddpm":
            raise ConfigError(
                "task.calibrated=true widens the noise that sampling starts from, and ddpm adds noise at every step; "
                f"use {', '.join(sorted(set(SAMPLERS) - {'ddpm'}))}."
            )
        if calibrated and not residual:
            raise ConfigError(
                "task.calibrated=true needs a guess whose brightness tells pixels apart: task.residual=true."
            )
        self.calibrated = calibrated
        if SAMPLERS.get(sampler, prediction) != prediction:
            fit = ", ".join(name for name, kind in SAMPLERS.items() if kind == prediction)
            raise ConfigError(
                f"task.sampler={sampler} needs a network that tells {SAMPLERS[sampler]}; this one tells {prediction}. "
                f"For it: {fit or 'none; task.prediction is flow or epsilon'}."
            )
        scheduler(sampler, evaluations)  # refuses what does not exist
        self.residual, self.prediction = residual, prediction
        self.sampler, self.evaluations = sampler, evaluations
        self._load = regressor
        self._regressor: list[nn.Module] = []  # a list, so that its weights stay out of this run's checkpoints

    @property
    def spread(self) -> Spread:
        """Width of what is learnt; kept with the network's weights, which mean nothing without it."""
        return cast(Spread, self.model.spread)

    def prepare(self, data: LensDataModule) -> None:
        """Measure the width of what is learnt on the first training patches, some 256 of them."""
        if not self.residual:
            self.spread.set_constant(0.5)
            return
        loader, step = data.train_dataloader(), 0
        guesses: list[Tensor] = []
        residuals: list[Tensor] = []
        while sum(map(len, guesses)) < min(_PROBED, len(data.sets["train"])):
            batch = loader.batch(step)
            guesses.append(self.guess(batch))
            residuals.append(batch["target"] - guesses[-1])
            step += 1
        self.spread.fit(torch.cat(guesses), torch.cat(residuals))

    @torch.no_grad()
    def calibrate(self, data: LensDataModule) -> bool:
        """Widen what sampling starts from, on the validation images, if ``calibrated``."""
        if not self.calibrated:
            return False
        self.eval()
        temperature = cast(Spread, self.model.temperature)
        temperature.set_constant(1.0)
        asked, self.draws = self.draws, _CALIBRATED
        for _ in range(_ROUNDS):
            batches = data.evaluation("validation", self.device)
            found = [(self.guess(batch), self.posterior(batch), batch["target"]) for batch in batches]
            temperature.level(*(torch.cat(parts) for parts in zip(*found, strict=True)))
        self.draws = asked
        return True

    def take(self, regressor: nn.Module) -> None:
        """Use a regression network that is at hand, not the one that a run would load."""
        self._regressor = [regressor.eval().requires_grad_(False)]

    @torch.no_grad()
    def guess(self, batch: Batch) -> Tensor:
        """Return what the draws are centred on, (B, 1, H, W)."""
        if not self.residual:
            return torch.full_like(batch["target"], 0.5)
        if not self._regressor:
            self.take(self._load())
        lr = batch["lr"]
        return self._regressor[0].to(lr.device)(lr).float()

    def _noised(self, x: Tensor, time: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return noisy images, their times, and what the network shall tell of them."""
        if self.prediction == "flow":
            t = time.view(-1, 1, 1, 1)
            return (1 - t) * x + t * noise, time, noise - x
        step = (time * STEPS).long().clamp(max=STEPS - 1)
        power = alphas(x.device)[step].view(-1, 1, 1, 1)
        return power.sqrt() * x + (1 - power).sqrt() * noise, step / STEPS, noise

    def _error(self, batch: Batch, address: tuple[Any, Any, Any, Any], key: int) -> Tensor:
        """Return the squared error of what the network tells, (B,)."""
        guess = self.guess(batch)
        x = (batch["target"] - guess) / self.spread(guess)
        noise_word, time_word, *_ = philox(address, (self.draw_seed, key))
        noise = normal(noise_word).view_as(x)
        time = uniform(time_word.view(len(x), -1)[:, 0])
        noisy, time, wanted = self._noised(x, time, noise)
        told = self.model(noisy, time, batch["lr"], guess).float()
        return (told - wanted).square().mean(dim=(1, 2, 3))

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean squared error of velocity or noise at random times."""
        address = (self._pixels(batch), self._places(batch), self.global_step, 0)
        return {"loss": self._error(batch, address, _TRAIN).mean()}

    def validation_scores(self) -> dict[str, Score]:
        """Return the same error."""
        return {"loss": lambda told, batch: told}

    def validate(self, batch: Batch) -> Tensor:
        """Return the same error of each image (B,), at times and with noise that never change."""
        address = (self._pixels(batch), batch["index"].view(-1, 1), 0, 0)
        return self._error(batch, address, _VALIDATE)

    @torch.no_grad()
    def posterior(self, batch: Batch) -> Tensor:
        """Return draws from the posterior of each image, (B, K, H, W), in the set's unit."""
        guess, most = self.guess(batch), _TOGETHER.get(batch["lr"].device.type, 64)
        pieces = []
        for index, lr, centre in zip(batch["index"], batch["lr"], guess, strict=True):
            for first in range(0, self.draws, most):
                which = torch.arange(first, min(first + most, self.draws), device=lr.device)
                pieces.append((index.expand(len(which)), which, lr, centre))
        together = max(1, most // min(self.draws, most))
        images = []
        for start in range(0, len(pieces), together):
            part = pieces[start : start + together]
            index, which = (torch.cat([piece[i] for piece in part]) for i in (0, 1))
            lr = torch.cat([piece[2].expand(len(piece[0]), -1, -1, -1) for piece in part])
            centre = torch.cat([piece[3].expand(len(piece[0]), -1, -1, -1) for piece in part])
            images.append(self._drawn(index, which, lr, centre))
        return torch.cat(images).view(len(guess), self.draws, *guess.shape[-2:])

    def _drawn(
        self,
        index: Tensor,
        which: Tensor,
        lr: Tensor,
        centre: Tensor,
        watch: Callable[[Tensor], None] | None = None,
    ) -> Tensor:
        pixels = torch.arange(centre[0].numel(), device=lr.device).view(1, -1)
        word, *_ = philox((pixels, index.view(-1, 1), which.view(-1, 1), 0), (self.draw_seed, _DRAW))
        noise = normal(word).view_as(centre)
        if self.calibrated:
            noise = noise * cast(Spread, self.model.temperature)(centre)
        generators = None
        if self.sampler == "ddpm":
            seeds = ((index << 20) + which + (self.draw_seed << 44)).tolist()
            generators = [torch.Generator(lr.device).manual_seed(seed) for seed in seeds]

        def network(x: Tensor, time: float) -> Tensor:
            return self.model(x, torch.full((len(x),), time, device=x.device), lr, centre).float()

        made, spread = scheduler(self.sampler, self.evaluations), self.spread(centre)
        seen = None if watch is None else lambda x: watch(centre + spread * x)
        return centre + spread * integrate(made, network, noise, generators, seen)

    def examine(self, data: LensDataModule, device: torch.device, split: str) -> PosteriorEvaluation:
        """Score the mean of the draws, a single draw and the guess; and the draws as a posterior."""
        evaluations = evaluations_of(scheduler(self.sampler, self.evaluations))
        cost = f"{self.sampler}, {evaluations} evaluations"
        guess = self.guess if self.residual else None
        record = f"{cost}, {self.draws} draws"
        exact = against_exact(data, split, self.compared)
        asked = (data, device, split, record, self._film, exact, evaluations)
        return evaluate_posterior(self.posterior, guess, *asked)

    def _film(self, batch: Batch) -> np.ndarray:
        """Return one draw on its way from noise, at some 40 moments, (F, H, W)."""
        seen: list[Tensor] = []
        first = torch.zeros_like(batch["index"])
        with torch.no_grad():
            self._drawn(batch["index"], first, batch["lr"], self.guess(batch), lambda x: seen.append(x[0, 0].cpu()))
        every = max(1, len(seen) // 40)
        return torch.stack([*seen[::every], seen[-1]]).numpy()
