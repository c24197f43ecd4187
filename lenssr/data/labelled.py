"""Images with labels: what a downstream network sees, and what it shall tell."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lenssr.data.batches import Batch, EvaluationBatches, Reader
from lenssr.data.pixels import Arrangement, Pixels
from lenssr.data.sets.store import FORMAT, ImageSet, SetWriter, open_set
from lenssr.errors import ConfigError
from lenssr.models.interpolation import enlarged, of_size
from lenssr.system.files import whole_folder
from lenssr.system.locks import locked
from lenssr.system.progress import track

__all__ = ["ExposedReader", "LabelledReader", "labels_of", "render"]


def labels_of(images: ImageSet, names: list[str], classes: list[str]) -> Tensor:
    """Return the labels of every image, float32 (N, len(names)); a class is its number among ``classes``.

    Raises:
        ConfigError: a label is not recorded, or not for every image.
    """
    columns = []
    for name in names:
        if name == "class":
            columns.append(images.column(name).map({c: i for i, c in enumerate(classes)}).to_numpy(np.float32))
            continue
        if name not in images.columns or not images.column(name).notna().any():
            numbers = images.parameters.select_dtypes("number")
            known = [c for c in numbers.columns if c != "index" and numbers[c].notna().any()]
            raise ConfigError(f"task.targets: the set has no {name} for any image; it has {', '.join(known)}.")
        values = images.column(name).to_numpy(np.float32)
        lacking = int(np.isnan(values).sum())
        if lacking:
            raise ConfigError(
                f"task.targets: {lacking} of {len(values)} images have no {name}; leave those classes out, as in "
                "task.data.classes=[axion], or choose another target."
            )
        columns.append(values)
    return torch.from_numpy(np.stack(columns, axis=1))


@dataclass
class LabelledReader:
    """Reads stored inputs and their labels; the noise is in the images already.

    Attributes:
        images: one split of a rendered set.
        labels: float32 (N, labels).
        unit: what images are divided by.
        device: where the batches shall be.
        resident: whether all images are kept there.
    """

    images: ImageSet
    labels: Tensor
    unit: float
    device: torch.device
    resident: bool

    def __post_init__(self) -> None:
        self._pixels = Pixels(self.images, self.device, self.resident)
        self.labels = self.labels.to(self.device)

    @property
    def image_size(self) -> int:
        """Pixels along a side of a whole image."""
        return self._pixels.size

    def read(self, where: Arrangement) -> Batch:
        """Return samples in their windows; every epoch sees the same exposure."""
        images = self._pixels.cut(where.index, where.window, where.rows) / self.unit
        return Batch(input=images.unsqueeze(1), label=self.labels[where.index], index=where.index)


@dataclass
class ExposedReader:
    """Exposes images as they are read, as often as they are asked for, with their labels.

    Attributes:
        pairs: of the split.
        labels: float32 (N, labels).
        kind: of what is seen, ``hr``, ``truth`` or ``interpolated``.
    """

    pairs: Reader
    labels: Tensor
    kind: str

    def __post_init__(self) -> None:
        self.images, self.device, self.image_size = self.pairs.images, self.pairs.device, self.pairs.image_size
        self.labels = self.labels.to(self.device)

    def read(self, where: Arrangement) -> Batch:
        """Return samples in their windows, with the noise of their epochs."""
        image = self.seen(where, noisy=self.kind != "truth")
        return Batch(input=image, label=self.labels[where.index], index=where.index)

    def seen(self, where: Arrangement, noisy: bool) -> Tensor:
        """Return images (B, 1, H, W), or what they show on average."""
        image = self.pairs.one(where, "lr" if self.kind == "interpolated" else "hr", noisy)
        return of_size(image, (where.window.size, where.window.size))


def _input(batch: Batch, kind: str, upscale: nn.Module | None, unit: float) -> Tensor:
    """Return images in flux units, of a batch that was divided by ``unit``."""
    if kind in ("hr", "truth"):
        return batch[kind] * unit  # type: ignore[literal-required]
    if kind == "interpolated":
        return enlarged(batch["lr"], batch["hr"]) * unit
    assert upscale is not None
    own = float(upscale.unit)  # type: ignore[arg-type]  # what the network was trained with
    return upscale(batch["lr"] * (unit / own)).float() * own


def render(
    sets: dict[str, ImageSet],
    batches: Callable[[str], EvaluationBatches],
    kind: str,
    upscale: nn.Module | None,
    about: dict[str, Any],
    device: torch.device,
) -> dict[str, ImageSet]:
    """Return a set of the images that a downstream network sees, made once for each kind and upscaling network.

    Args:
        sets: what is observed.
        batches: returns a split in order, its samples' noise fixed.
        kind: ``hr``, ``interpolated``, ``super_resolved`` or ``truth``.
        upscale: a super-resolution network, as :func:`lenssr.runs.stages.load_run` returns it; for ``super_resolved``.
        about: what else decides the images, for the set's identity.
        device: to render on.

    Raises:
        ConfigError: the network's scale is not that of the set.
    """
    base = sets["test"]
    described = [FORMAT, base.checksum, kind, about, _fingerprint(upscale)]
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
    path = base.folder.with_name(f"{base.folder.name}-{kind}-{digest[:8]}")
    if not path.exists():
        with locked(path, f"Waiting for another process that makes {path} ..."):
            if not path.exists():
                _make(path, sets, batches, kind, upscale.to(device) if upscale else None)
    return open_set(path)


def _fingerprint(model: nn.Module | None) -> str | None:
    """Return what tells two networks apart: their runs and their weights."""
    if model is None:
        return None
    digest = hashlib.sha256(f"{model.run_hash} {model.unit}".encode())
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@torch.inference_mode()
def _make(
    path: Path,
    sets: dict[str, ImageSet],
    batches: Callable[[str], EvaluationBatches],
    kind: str,
    upscale: nn.Module | None,
) -> None:
    with whole_folder(path) as folder, track(f"making {path.name}", sum(map(len, sets.values())), "images") as advance:
        writer = SetWriter(folder)

        def chunks(split: str) -> Iterator[np.ndarray]:
            for batch in batches(split):
                image, size = _input(batch, kind, upscale, sets["test"].unit), batch["hr"].shape
                if image.shape != size:
                    raise ConfigError(
                        f"task.upscaler makes {image.shape[-1]} px where the HR images have {size[-1]}; name a run "
                        "with this set's dataset.scale."
                    )
                advance(len(image))
                yield image[:, 0].cpu().numpy()

        for split, images in sets.items():
            writer.write(split, images.images.shape, chunks(split), images.parameters)
        base = sets["test"]
        writer.finish(
            {
                "noise_free": kind == "truth",
                "pixel_scale": base.pixel_scale,
                "unit": base.unit,
                "of": base.checksum,
                "kind": kind,
            }
        )
