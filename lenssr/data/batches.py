"""Batches by address: which images, which patch, which turn and which noise follow from the step alone.

Nothing here has a state, so a run that stops at step *s* goes on at step *s* as if it had never stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypedDict

import torch
from torch import Tensor

from lenssr.data.camera.observe import Address, Observed, TwoExposures, Window
from lenssr.data.camera.random import philox
from lenssr.data.pixels import Arrangement, Pixels, sent
from lenssr.data.sets.store import ImageSet
from lenssr.data.sky.parameters import SPLITS
from lenssr.errors import ConfigError

__all__ = ["Batch", "BatchReader", "EvaluationBatches", "Reader", "TrainingBatches"]

# keys of the random numbers that arrange training, apart from those of the splits' noise; never renumber
_ORDER, _PATCH, _TURN = 16, 17, 18


class Batch(TypedDict, total=False):
    """What tasks and losses see. Images are (B, 1, H, W), flux rates per HR pixel divided by the set's unit."""

    lr: Tensor
    hr: Tensor
    target: Tensor  # what is learnt: hr, or truth
    truth: Tensor  # expectation of hr; absent where unknown
    variance: Tensor  # of hr around truth; absent where unknown
    flux: Tensor  # noise-free, without the detector's offset; absent where unknown or no longer a flux
    index: Tensor  # int64 (B,), row of the set
    input: Tensor  # what a downstream network sees; batches of labels alone have it
    label: Tensor  # float32 (B, labels), what it shall tell


class BatchReader(Protocol):
    """What arranges batches needs of a reader."""

    images: ImageSet
    device: torch.device

    @property
    def image_size(self) -> int:
        """HR pixels along a side of a whole image."""

    def read(self, where: Arrangement) -> Batch:
        """Return samples in their windows, with the noise of their epochs."""


@dataclass
class Reader:
    """Reads windows of an image set, observes them and brings them to the networks' scale.

    Attributes:
        images: the split.
        observe: a :class:`lenssr.data.camera.observe.TwoExposures` or its like.
        split: name of the split.
        target: ``observed`` or ``truth``.
        normalization: ``constant`` or ``per_image_minmax``.
        unit: what ``constant`` divides by.
        device: where the batches shall be.
        resident: whether all images are kept there.
    """

    images: ImageSet
    observe: Any
    split: str
    target: str
    normalization: str
    unit: float
    device: torch.device
    resident: bool

    def __post_init__(self) -> None:
        self._time = torch.from_numpy(self.images.exposure_time.copy()).to(self.device)
        self._pixels = Pixels(self.images, self.device, self.resident)
        self._zero, self._unit = torch.tensor([0.0, self.unit]).to(self.device)

    @property
    def image_size(self) -> int:
        """HR pixels along a side of a whole image."""
        return self._pixels.size

    def read(self, where: Arrangement) -> Batch:
        """Return samples in their windows, with the noise of their epochs."""
        pixels, time, address = self._asked(where)
        return self._scaled(self.observe(pixels, time, self.images.unit, where.window, address), where.index)

    def _asked(self, where: Arrangement) -> tuple[Tensor, Tensor, Address]:
        """Return the pixels of samples, their exposure times, and where their noise is."""
        index = where.index
        address = Address(index, where.epoch, (self.observe.seed, SPLITS[self.split]), where.rows)
        return self._pixels.cut(index, where.window, where.rows), self._time[index], address

    def one(self, where: Arrangement, camera: str, noisy: bool = True) -> Tensor:
        """Return one of two exposures, ``lr`` or ``hr``, (B, 1, h, w), without the time that the other takes.

        Args:
            where: samples and windows.
            camera: which.
            noisy: else what it shows on average.

        Raises:
            ConfigError: the set's images are not of two cameras that are simulated.
        """
        if not isinstance(self.observe, TwoExposures) or self.normalization != "constant":
            raise ConfigError(
                "Images are exposed as they are read of simulated sets alone: use dataset=model1, or model=resnet18."
            )
        pixels, time, address = self._asked(where)
        found = self.observe.one(camera, pixels, time, where.window, address if noisy else None)
        return (found / self.unit).unsqueeze(1)

    def _scaled(self, seen: Observed, index: Tensor) -> Batch:
        if self.normalization == "per_image_minmax":
            lr_low, lr_span = _extent(seen.lr)
            low, span = _extent(seen.hr)
        else:
            lr_low, low, lr_span, span = self._zero, self._zero, self._unit, self._unit
        batch = Batch(
            lr=((seen.lr - lr_low) / lr_span).unsqueeze(1),
            hr=((seen.hr - low) / span).unsqueeze(1),
            index=index,
        )
        if seen.truth is not None and seen.variance is not None:
            batch["truth"] = ((seen.truth - low) / span).unsqueeze(1)
            batch["variance"] = (seen.variance / span**2).unsqueeze(1)
        if seen.flux is not None and self.normalization == "constant":
            batch["flux"] = (seen.flux / span).unsqueeze(1)
        batch["target"] = batch["truth"] if self.target == "truth" else batch["hr"]
        return batch


def _extent(images: Tensor) -> tuple[Tensor, Tensor]:
    low = images.amin(dim=(-2, -1), keepdim=True)
    return low, (images.amax(dim=(-2, -1), keepdim=True) - low).clamp(min=1e-12)


@dataclass
class TrainingBatches:
    """The batches of a whole training, one after another.

    Sample ``p`` of the training is image ``order(epoch)[p mod N]`` of epoch ``p div N``; epochs follow each other
    without a short batch between them.

    Attributes:
        reader: of the training split.
        steps: batches in the whole training.
        batch_size: over all devices.
        patch: HR pixels along a side; the image size means whole images.
        scale: HR pixels per LR pixel; patches begin at LR pixels' corners.
        seed: of order, patches and turns.
        fresh_noise: a new exposure every epoch, else always the first one's.
        flips: mirror at random.
        rotations: turn by quarters at random.
        start: gives the step to begin at.
        rank: of this process.
        world_size: number of processes, each of which takes an equal share of every batch.
    """

    reader: BatchReader
    steps: int
    batch_size: int
    patch: int
    scale: int
    seed: int
    fresh_noise: bool
    flips: bool
    rotations: bool
    start: Callable[[], int] = lambda: 0
    rank: int = 0
    world_size: int = 1

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Batch]:
        for step in range(self.start(), self.steps):
            yield self.batch(step)

    # Lightning asks a loader for these before it trusts it to resume in the middle; the step says it all
    def state_dict(self) -> dict[str, Any]:
        """Return nothing: there is no state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Do nothing: there is no state."""

    def _order(self, epoch: int) -> Tensor:
        return _order(len(self.reader.images), epoch, self.seed)

    def batch(self, step: int) -> Batch:
        """Return this process's share of one batch."""
        count = len(self.reader.images)
        first = step * self.batch_size
        positions = range(first + self.rank, first + self.batch_size, self.world_size)
        index = torch.stack([self._order(p // count)[p % count] for p in positions])
        epoch = torch.tensor([p // count for p in positions])
        return self._turned(self.reader.read(self._arranged(index, epoch)), index, epoch)

    def _arranged(self, index: Tensor, epoch: Tensor) -> Arrangement:
        room = (self.reader.image_size - self.patch) // self.scale + 1
        down, right, *_ = philox((index, epoch, 0, 0), (self.seed, _PATCH))
        corners = torch.stack([down % room, right % room]) * self.scale
        there, age, *corner = sent(torch.stack([index, epoch, *corners]), self.reader.device)
        places = list(zip(*corners.tolist(), strict=True))
        window = Window(corner[0], corner[1], self.patch, self.reader.image_size, places)
        return Arrangement(there, window, age.view(-1, 1, 1) if self.fresh_noise else 0, index.tolist())

    def _turned(self, batch: Batch, index: Tensor, epoch: Tensor) -> Batch:
        if not (self.flips or self.rotations):
            return batch
        flip, turn, *_ = philox((index, epoch, 0, 0), (self.seed, _TURN))
        flips = (flip % 4 if self.flips else flip * 0).tolist()
        turns = (turn % 4 if self.rotations else turn * 0).tolist()
        for name in ("lr", "hr", "truth", "variance", "flux", "target", "input"):
            if name in batch:
                images = batch[name]
                turned = [_turn(image, f, t) for image, f, t in zip(images, flips, turns, strict=True)]
                batch[name] = torch.stack(turned)
        return batch


@lru_cache(maxsize=2)  # a batch may straddle two epochs
def _order(count: int, epoch: int, seed: int) -> Tensor:
    word, *_ = philox((torch.arange(count), epoch, 0, 0), (seed, _ORDER))
    return word.argsort(stable=True)


def _turn(image: Tensor, flip: int, quarters: int) -> Tensor:
    dims = [d for bit, d in ((1, -1), (2, -2)) if flip & bit]
    image = torch.flip(image, dims) if dims else image
    return torch.rot90(image, quarters, (-2, -1))


@dataclass
class EvaluationBatches:
    """A split from its first to its last image, always with the same noise; or one process's share of it.

    Every process has as many batches, since networks with batch statistics exchange these at each.

    Attributes:
        reader: of the split.
        batch_size: images at once, at most.
        patch: HR pixels along a side of a centred cut-out; None for whole images.
        scale: HR pixels per LR pixel.
        share: (rank, number of processes).
    """

    reader: BatchReader
    batch_size: int
    patch: int | None
    scale: int
    share: tuple[int, int] = (0, 1)

    def __post_init__(self) -> None:
        count, (rank, world) = len(self.reader.images), self.share
        self.range = range(rank * count // world, (rank + 1) * count // world)
        self._batches = math.ceil(math.ceil(count / world) / self.batch_size)  # of the largest share
        if count // world < self._batches:
            raise ConfigError(
                f"{count} images of a split cannot be shared by {world} devices in batches of {self.batch_size}; give "
                "the split more images, or use fewer devices."
            )

    def __len__(self) -> int:
        return self._batches

    def __iter__(self) -> Iterator[Batch]:
        for first, end in self._bounds():
            yield self.at(torch.arange(first, end))

    def at(self, index: Tensor) -> Batch:
        """Return chosen images (int64, B, of the CPU) as one batch."""
        return self.reader.read(self.arranged(index))

    def arranged(self, index: Tensor) -> Arrangement:
        """Return where chosen images (int64, B, of the CPU) are."""
        size, rows = self.patch or self.reader.image_size, index.tolist()
        corner = (self.reader.image_size - size) // 2 // self.scale * self.scale
        there = sent(index, self.reader.device)
        at = torch.full_like(there, corner)
        window = Window(at, at, size, self.reader.image_size, [(corner, corner)] * len(rows))
        return Arrangement(there, window, 0, rows)

    def _bounds(self) -> Iterator[tuple[int, int]]:
        """Yield the first and the end of each batch: full ones, and the last ones as small as it takes."""
        first = self.range.start
        for left in range(self._batches, 0, -1):
            end = min(first + self.batch_size, self.range.stop - (left - 1))  # each batch that follows has an image
            yield first, end
            first = end
