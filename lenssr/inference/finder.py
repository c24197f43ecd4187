"""A trained lens finder behind one door: a cutout as its file has it, and how likely it is that it shows a lens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lenssr.data.alike import level_of, noise_of
from lenssr.data.files.images import Image, filled
from lenssr.errors import RunError
from lenssr.runs.find import find
from lenssr.runs.load import load_run, load_task, read_config
from lenssr.system.files import read_json
from lenssr.system.precision import exact

__all__ = ["Cutout", "Finder"]

_TOGETHER = 64  # cutouts of one size that the network sees at once
_WAITING = 512  # cutouts of whatever size that wait for others of their size
_NOISE, _PEAK, _PIXEL = (0.5, 2.0), (0.5, 2.0), (0.8, 1.25)  # times the training images' ends, within which all is well
_LEVEL = 3.0  # of the noise, beyond the training images' levels: a sky that was not taken off


@dataclass
class Cutout:
    """A cutout in the finder's unit.

    Attributes:
        image: as it was read.
        data: float32 (h, w).
        warnings: where it is unlike the training images.
    """

    image: Image
    data: np.ndarray
    warnings: list[str]


class Finder:
    """A finished run that finds lenses.

    A file is brought to the training images' scale by its noise; where these were files too, it means what it says. A
    network that learnt from upscaled images gets the file upscaled by the same network first.

    Args:
        run: its folder, an exported one, or a name of :func:`lenssr.runs.find.find`.
        device: where to compute.

    Raises:
        RunError: there is no such run, or it finds no lenses in files.
    """

    def __init__(self, run: str | Path, device: torch.device) -> None:
        from lenssr.tasks import LensFinding

        folder = find(run)
        config, metrics = read_config(folder), read_json(Path(folder) / "metrics.json")
        task: Any = load_task(folder, config=config)
        if not isinstance(task, LensFinding):
            raise RunError(
                f"{folder} is a run of model={config['model']['name']}, which finds no lenses; python train.py "
                "model=lens_finder dataset=lens_finding makes one that does."
            )
        known = metrics.get("files") if isinstance(metrics, dict) else None
        if not isinstance(known, dict) or "unit" not in metrics:
            raise RunError(f"{folder} is not the folder of a finished run: its metrics.json is missing or damaged.")
        self.inputs = str(config["dataset"]["inputs"])
        if self.inputs == "truth":
            raise RunError(f"{folder} was trained on noise-free images (dataset.inputs=truth), which no file holds.")
        self.files: dict[str, Any] = known
        self.unit, self.scale = float(metrics["unit"]), int(config["dataset"]["scale"])
        self.name, self.device = Path(folder).name, device
        self._network: nn.Module = task.model.to(device).eval()
        self._upscale = load_run(config["task"]["upscaler"]["run"]) if self.inputs == "super_resolved" else None
        if self._upscale is not None:
            self._upscale.to(device)

    def prepare(self, image: Image) -> Cutout:
        """Return the middle of an image, as wide as a training image at most, in the network's unit."""
        words = list(image.notes)
        data = _middle(filled(image.data), int(self.files["size"]))
        level, noise = level_of(data), noise_of(data)
        if self.files["as_told"]:
            data = data / self.unit
        else:
            gain = self.files["noise"][1] / max(noise, 1e-30)
            if not self._dark(level * gain):
                words.append(f"a sky of {level:.3g} was taken off")
                data, level = data - level, 0.0
            data = data * gain
        words += self._unlike(image, data)
        return Cutout(image, data.astype(np.float32), words)

    def _dark(self, level: float) -> bool:
        """Whether a level, in the network's unit, is one that the light of training images had."""
        low, middle, high = self.files["level"]
        room = _LEVEL * self.files["noise"][1]
        return bool(min(low, 0.0) - room <= level <= max(2 * high, middle) + room)

    def _unlike(self, image: Image, data: np.ndarray) -> list[str]:
        """Say where a cutout in the network's unit is outside of what the network was trained on."""
        told, size, pixel = [], int(self.files["size"]), float(self.files["pixel_scale"])
        if min(data.shape) < size:
            told.append(f"{data.shape[0]} x {data.shape[1]} px, in training {size} x {size}")
        if image.pixel_scale is None:
            told.append(f"its pixel scale is not known; training images had pixels of {pixel:.4g} arcsec")
        elif not _PIXEL[0] < image.pixel_scale / pixel < _PIXEL[1]:
            told.append(f"pixels of {image.pixel_scale:.4g} arcsec, in training {pixel:.4g}")
        peak, noise, (least, usual, most) = float(data.max()) - level_of(data), noise_of(data), self.files["noise"]
        faint, _, bright = self.files["peak"]
        if self.files["as_told"] and not _NOISE[0] * least <= noise <= _NOISE[1] * most:
            told.append(
                f"a noise of {noise * self.unit:.3g}, in training {least * self.unit:.3g} to {most * self.unit:.3g}"
            )
        if not _PEAK[0] * faint <= peak <= _PEAK[1] * bright:
            each, what = (self.unit, "") if self.files["as_told"] else (1 / usual, " times the noise")
            told.append(f"a peak of {peak * each:.3g}{what}, in training {faint * each:.3g} to {bright * each:.3g}")
        return told

    @torch.inference_mode()
    def __call__(self, cutouts: Tensor) -> Tensor:
        """Map cutouts (B, 1, h, w) in the network's unit to logits (B,)."""
        x = cutouts.to(self.device)
        with exact():
            if self.inputs == "interpolated":
                x = nn.functional.interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=False)
            if self._upscale is not None:
                own = float(self._upscale.unit)  # type: ignore[arg-type]
                x = self._upscale(x * (self.unit / own)).float() * (own / self.unit)
            logits: Tensor = self._network(x)[0][:, 0].float().cpu()
        return logits

    def scores(self, cutouts: Iterable[Cutout]) -> Iterator[tuple[Cutout, float]]:
        """Yield cutouts with their logits, those of one size together, and no more held than wait for their like."""
        waiting: dict[tuple[int, ...], list[Cutout]] = {}
        for one in cutouts:
            alike = waiting.setdefault(one.data.shape, [])
            alike.append(one)
            if len(alike) == _TOGETHER:
                yield from self._together(waiting.pop(one.data.shape))
            elif sum(map(len, waiting.values())) >= _WAITING:
                yield from self._together(waiting.pop(next(iter(waiting))))
        for alike in waiting.values():
            yield from self._together(alike)

    def _together(self, alike: list[Cutout]) -> Iterator[tuple[Cutout, float]]:
        logits = self(torch.from_numpy(np.stack([one.data for one in alike])[:, None]))
        yield from zip(alike, logits.tolist(), strict=True)


def _middle(data: np.ndarray, size: int) -> np.ndarray:
    """Return the middle of an image, no larger than ``size`` along either side."""
    rows, columns = (slice((n - min(n, size)) // 2, (n - min(n, size)) // 2 + min(n, size)) for n in data.shape)
    return data[rows, columns]
