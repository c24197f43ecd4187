"""The data of an experiment: opens the set and observes it, with no word of Lightning, whose import takes seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import psutil
import torch
from torch import nn

from lenssr.data.batches import Batch, BatchReader, EvaluationBatches, Reader
from lenssr.data.camera.observe import Address
from lenssr.data.labelled import ExposedReader, LabelledReader, labels_of, render
from lenssr.data.sets.store import ImageSet, open_set
from lenssr.data.sky.parameters import SPLITS
from lenssr.errors import ConfigError
from lenssr.system.precision import exact

__all__ = ["LensData", "Loader"]


_TOGETHER = 256  # images that are read at once, to be looked at

# labels that mirrors and turns of the image leave as they are
_INVARIANT = (
    "class",
    "log10_axion_mass",
    "theta_E",
    "source_radius",
    "source_index",
    "source_amplitude",
    "source_flux",
)


@dataclass(frozen=True)
class Loader:
    """How samples are fed; the fields of ``configs/loader``, and the run's seed and length."""

    batch_size: int
    patch: int
    evaluation_patch: int | None
    evaluation_batch_size: int
    flips: bool
    rotations: bool
    resident: bool | Literal["auto"]
    seed: int
    steps: int


class LensData:
    """Pairs of low- and high-resolution observations of one sky; or one image of each, with labels.

    Args:
        name: of the dataset.
        scale: HR pixels per LR pixel along a side.
        image_size: HR pixels along a side.
        target: ``observed`` or ``truth``.
        normalization: ``constant`` or ``per_image_minmax``.
        noise: of the training split, ``fresh`` or ``fixed``; of labelled images fixed, unless ``fresh`` says otherwise.
        inputs: what a network sees that tells labels: ``hr``, ``interpolated``, ``super_resolved`` or ``truth``.
        source: makes or finds the set.
        observation: draws a pair from a stored image.
        loader: see :class:`Loader`.
        labels: columns of the parameters that a task learns to tell; none where it learns images.
        upscaler: returns the trained network behind ``super_resolved``.
        fresh: what of labelled training images is new whenever they are read: ``nothing``, ``noise``, or ``images``,
            each of which is then made for one step alone.
        verify: compare the set's files with their checksums when it is prepared.

    Raises:
        ConfigError: the sizes do not fit each other, or truth is asked of a set that has none.
    """

    trainer: Any = None  # Lightning's, while it trains

    def __init__(
        self,
        name: str,
        scale: int,
        image_size: int,
        target: str,
        normalization: str,
        noise: str,
        inputs: str,
        source: Any,
        observation: Any,
        loader: dict[str, Any],
        labels: Sequence[str] = (),
        upscaler: Callable[[], nn.Module] | None = None,
        fresh: str = "nothing",
        verify: bool = False,
    ) -> None:
        super().__init__()
        self.name, self.scale, self.image_size = name, scale, image_size
        self.target, self.normalization, self.noise = target, normalization, noise
        self.source, self.observation = source, observation
        self.inputs, self.labels, self._upscaler = inputs, list(labels), upscaler
        self.loader = Loader(**loader)
        self.fresh, self.verify = fresh, verify
        self._unit: float | None = None
        self._check()

    def _check(self) -> None:
        load, scale = self.loader, self.scale
        if self.image_size % scale:
            near = self.image_size // scale * scale
            raise ConfigError(
                f"dataset.image_size={self.image_size} is not a multiple of dataset.scale={scale}; "
                f"use {near} or {near + scale}."
            )
        for key in ("patch", "evaluation_patch"):
            patch = getattr(load, key)
            if patch is not None and patch > self.image_size:
                raise ConfigError(f"loader.{key}={patch} is larger than dataset.image_size={self.image_size}.")
            if patch is not None and patch % scale:
                raise ConfigError(f"loader.{key}={patch} is not a multiple of dataset.scale={scale}.")
        if self.labels and self.normalization != "constant":
            raise ConfigError(
                f"dataset.normalization={self.normalization} brings every image to a scale of its own; networks that "
                "tell labels need dataset.normalization=constant."
            )
        turned = (self.loader.flips or self.loader.rotations) and self.fresh == "nothing"
        fixed = [name for name in self.labels if name not in _INVARIANT]
        if turned and fixed:
            raise ConfigError(
                f"loader.flips and loader.rotations turn the images, and {fixed[0]} would have to turn with them; "
                "leave them off for this target."
            )
        if self.fresh not in ("nothing", "noise", "images"):
            raise ConfigError(f"task.fresh={self.fresh} is neither nothing, nor noise, nor images.")
        if self.fresh != "nothing" and self.inputs == "super_resolved":
            raise ConfigError(
                "dataset.inputs=super_resolved would be upscaled at every step of this task, which exposes its images "
                "anew; use hr or interpolated, or model=resnet18."
            )
        for key, otherwise in {"target": "observed", **({"inputs": "hr"} if self.labels else {})}.items():
            if getattr(self, key) == "truth" and not self.source.noise_free:
                raise ConfigError(
                    f"dataset.{key}=truth needs a simulated set; dataset={self.name} holds observed images alone. "
                    f"Use dataset.{key}={otherwise}."
                )
        if self.observation.needs_truth and not self.source.noise_free:
            raise ConfigError(f"dataset={self.name} is already noisy; its observation must be a BinnedExposure.")

    @cached_property
    def sets(self) -> dict[str, ImageSet]:
        """The set's splits; simulated or imported on first use."""
        with exact():
            return self.source.open(self.device())

    @property
    def unit(self) -> float:
        """What images are divided by before a network sees them: the set's own, unless set to a trained run's."""
        return self.sets["train"].unit if self._unit is None else self._unit

    @unit.setter
    def unit(self, value: float) -> None:
        self._unit = value

    def prepare(self) -> None:
        """Make the set if need be, so that what follows can tell how long it will take, and check its labels."""
        _ = self.sets
        if self.verify:  # pairs of files are two sets in one folder
            for manifest in sorted(self.source.path.rglob("manifest.json")):
                open_set(manifest.parent, verify=True)
        for column, name in enumerate(self.labels):
            values = self.label("train")[:, column]
            if not (values != values[0]).any():
                raise ConfigError(
                    f"{name} is {float(values[0]):g} for every training image: there is nothing to learn. Choose "
                    "another of task.targets, or a set where it varies, as physics=corrected."
                )

    def facts(self) -> dict[str, Any]:
        """Return what a run keeps in ``metrics.json`` of its set, beside scores; nothing of a simulated one."""
        return {}

    def label(self, split: str) -> torch.Tensor:
        """Return the labels of a split, float32 (N, labels)."""
        return labels_of(self.sets[split], self.labels, self.source.classes)

    def lr_chi_squared(
        self, images: torch.Tensor, batch: Batch, split: str, noisy: bool = False
    ) -> torch.Tensor | None:
        """Return the reduced chi-squared of a batch's LR images about those that ``images`` would give.

        Args:
            images: (B, H, W), in the set's unit.
            batch: of a split in order, whole images.
            split: its name.
            noisy: whether the images hold noise like the HR images', as draws of those do.

        Returns:
            One number an image (B,), 1 for an image that the LR image may well be of; None where the set does not know
            its noise.
        """
        if "flux" not in batch:
            return None
        index = batch["index"]
        address = Address(index, 0, (self.observation.seed, SPLITS[split]))
        time = torch.from_numpy(self.sets[split].exposure_time.copy()).to(index.device)[index]
        noise = batch["variance"][:, 0] * self.unit**2 if noisy else None
        scene = batch["flux"][:, 0] * self.unit
        found = self.observation.expect_lr(images * self.unit, scene, time, address, noise)
        if found is None:
            return None
        mean, variance = found
        return ((batch["lr"][:, 0] * self.unit - mean).square() / variance).mean(dim=(-2, -1))

    @cached_property
    def rendered(self) -> dict[str, ImageSet]:
        """What a network sees that tells labels, made on first use."""
        upscale = self._upscaler() if self._upscaler and self.inputs == "super_resolved" else None
        about = {"observation": self.observation.config, "scale": self.scale}
        sets = self.sets
        if self.fresh != "nothing":
            sets = {split: images for split, images in sets.items() if split != "train"}
            about["splits"] = list(sets)
        with exact():
            return render(sets, self.pairs, self.inputs, upscale, about, self.device())

    def pairs(self, split: str, device: torch.device | None = None) -> EvaluationBatches:
        """Return the whole exposures of a split in order, divided by the set's own unit, labels or not."""
        load, device = self.loader, device or self.device()
        reader = self._pair_reader(split, device, self.sets["train"].unit)
        return EvaluationBatches(reader, load.evaluation_batch_size, None, self.scale)

    def device(self) -> torch.device:
        """Return where batches are made: the trainer's device, or else a GPU if there is one."""
        if self.trainer is not None:
            return self.trainer.strategy.root_device
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def reader(self, split: str, device: torch.device | None = None) -> BatchReader:
        """Return a reader of one split on a device (the trainer's)."""
        device = device or self.device()
        if not len(self.sets[split]):
            raise ConfigError(f"The {split} split of dataset={self.name} is empty; give it at least one image.")
        if not self.labels:
            return self._pair_reader(split, device, self.unit)
        if self.fresh != "nothing" and split == "train":
            return ExposedReader(self._pair_reader(split, device, self.unit), self.label(split), self.inputs)
        images = self.rendered[split]
        return LabelledReader(images, self.label(split), self.unit, device, self._resident(images, device))

    def looked_at(self, count: int) -> tuple[torch.Tensor, float]:
        """Return the first training images (N, 1, H, W) of a network that tells labels, without noise if they may.

        With them comes the standard deviation of the noise that is not in them.
        """
        reader = self.reader("train")
        batches = EvaluationBatches(reader, 1, None, self.scale)
        parts = torch.arange(min(count, len(reader.images))).split(_TOGETHER)
        if not isinstance(reader, ExposedReader):
            return torch.cat([batches.at(part)["input"] for part in parts]), 0.0
        images = [reader.seen(batches.arranged(part), noisy=False) for part in parts]
        return torch.cat(images), float((batches.at(parts[0])["input"] - images[0]).std())

    def _pair_reader(self, split: str, device: torch.device, unit: float) -> Reader:
        images = self.sets[split]
        return Reader(
            images=images,
            observe=self.observation,
            split=split,
            target=self.target,
            normalization=self.normalization,
            unit=unit,
            device=device,
            resident=self._resident(images, device),
        )

    def _resident(self, images: ImageSet, device: torch.device) -> bool:
        if self.loader.resident != "auto":
            return bool(self.loader.resident)
        if device.type == "cpu":
            return False  # the page cache does it already
        free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
        return images.images.nbytes < 0.4 * free

    def evaluation(
        self, split: str, device: torch.device | None = None, share: tuple[int, int] = (0, 1)
    ) -> EvaluationBatches:
        """Return a split in order, or the share of it that is this process's of several."""
        load = self.loader
        return EvaluationBatches(
            self.reader(split, device), load.evaluation_batch_size, load.evaluation_patch, self.scale, share
        )
