"""Scores of a whole split: one row an image, and the same for what the prediction is measured against."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lenssr.data.batches import Batch
from lenssr.metrics import physics
from lenssr.metrics.protocols import scores
from lenssr.models.interpolation import enlarged
from lenssr.system.progress import track

__all__ = ["Evaluation", "Spectrum", "Stopwatch", "bilinear", "evaluate", "example_of", "image_scores", "spread_of"]


@dataclass(frozen=True)
class Evaluation:
    """What was found on one split.

    Attributes:
        per_image: a row an image: ``index`` and ``<who>/<protocol>/<score>``.
        example: images of one sample by name, (H, W) arrays in the set's unit, for pictures.
        spectrum: mean power by spatial frequency: ``cycles_per_arcsec``, and a column for each of who and ``truth``.
        seconds_per_image: that the prediction takes; the first batch, which warms up, is left out where it can be.
        definitions: what the scores mean.
    """

    per_image: pd.DataFrame
    example: dict[str, np.ndarray]
    spectrum: pd.DataFrame
    seconds_per_image: float
    definitions: str = (
        "report: against the noisy HR image; truth: against its noise-free expectation; both min-max scaled by the HR "
        "image; PSNR (data range 1) and SSIM (7x7 uniform, data range 1) averaged over images; ssim_original: data "
        "range of the prediction, as the 2023 report; physics (against the truth): flux_error, relative; ring_error, "
        "arcsec; chi2, reduced, of the HR image about the prediction; power_ratio, in the octave below the LR Nyquist "
        "frequency"
    )

    def summary(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return who -> ``protocol/score`` -> mean and standard deviation over the images."""
        return spread_of(self.per_image)


def spread_of(per_image: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """Return who -> score -> mean and standard deviation of every column ``<who>/<score>``."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for column in per_image.columns:
        who, _, score = column.partition("/")
        if not score:
            continue
        values = per_image[column].to_numpy()
        if np.isfinite(values).all():  # the ceiling's truth PSNR is infinite: no number
            spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
            table.setdefault(who, {})[score] = {"mean": float(values.mean()), "std": spread}
    return table


def bilinear(batch: Batch) -> Tensor:
    """Return the LR images interpolated to HR size, (B, 1, H, W)."""
    return enlarged(batch["lr"], batch["hr"])


def _ceiling(batch: Batch) -> Tensor | None:
    return batch.get("truth")


# what a prediction is measured against; None where the set cannot tell
_REFERENCES: dict[str, Callable[[Batch], Tensor | None]] = {"bilinear": bilinear, "ceiling": _ceiling}


@torch.inference_mode()
def evaluate(
    predict: Callable[[Batch], Tensor],
    batches: Iterable[Batch],
    count: int,
    references: tuple[str, ...],
    title: str,
    pixel_scale: float,
) -> Evaluation:
    """Score a split.

    Args:
        predict: maps a batch to images (B, 1, H, W).
        batches: the split.
        count: images in it, for the progress bar.
        references: of ``bilinear`` and ``ceiling``, those to score beside the prediction.
        title: of the progress bar.
        pixel_scale: of the HR images, in arcsec.
    """
    rows: list[pd.DataFrame] = []
    example: dict[str, np.ndarray] = {}
    spectrum, watch = Spectrum(pixel_scale), Stopwatch()
    with track(title, count, "images") as advance:
        for batch in batches:
            columns: dict[str, Any] = {"index": batch["index"].cpu().numpy()}
            images = {"prediction": watch(predict, batch), **{name: _REFERENCES[name](batch) for name in references}}
            for who, image in images.items():
                if image is not None:
                    found = image_scores(image[:, 0], batch, pixel_scale)
                    columns.update({f"{who}/{name}": value.cpu().numpy() for name, value in found.items()})
            rows.append(pd.DataFrame(columns))
            spectrum.add(images, batch)
            example = example or example_of(batch, images)
            advance(len(batch["index"]))
    return Evaluation(pd.concat(rows, ignore_index=True), example, spectrum.table(), watch.seconds_per_image())


def image_scores(image: Tensor, batch: Batch, pixel_scale: float) -> dict[str, Tensor]:
    """Return the scores of both protocols, and the physics where the truth is known."""
    hr = batch["hr"][:, 0]
    truth = batch["truth"][:, 0] if "truth" in batch else None
    if truth is None or "flux" not in batch:
        return scores(image, hr, truth)
    flux = batch["flux"][:, 0]
    sky = image - (truth - flux)  # without the offset that clipping gives the background
    return {
        **scores(image, hr, truth),
        "physics/flux_error": physics.flux_error(sky, flux),
        "physics/ring_error": (physics.ring_radius(sky, pixel_scale) - physics.ring_radius(flux, pixel_scale)).abs(),
        "physics/chi2": physics.chi_squared(image, hr, batch["variance"][:, 0]),
        "physics/power_ratio": physics.power_ratio(image, truth, hr.shape[-1] // batch["lr"].shape[-1]),
    }


class Spectrum:
    """Sums power spectra over batches."""

    def __init__(self, pixel_scale: float) -> None:
        self.pixel_scale = pixel_scale
        self.sums: dict[str, Tensor] = {}
        self.count = 0
        self.size = 0

    def add(self, images: dict[str, Tensor | None], batch: Batch) -> None:
        """Add a batch."""
        self.count += len(batch["index"])
        self.size = batch["hr"].shape[-1]
        for name, image in {**images, "hr": batch["hr"]}.items():
            if image is not None:
                power = physics.radial_power(image[:, 0]).sum(0).cpu()
                self.sums[name] = self.sums[name] + power if name in self.sums else power

    def table(self) -> pd.DataFrame:
        """Return the mean power of each kind of image by frequency."""
        frequency = np.arange(1, self.size // 2 + 1) / (self.size * self.pixel_scale)
        means = {("truth" if name == "ceiling" else name): v.numpy() / self.count for name, v in self.sums.items()}
        return pd.DataFrame({"cycles_per_arcsec": frequency, **means})


class Stopwatch:
    """Times predictions, the device's queue included."""

    def __init__(self) -> None:
        self.batches: list[tuple[float, int]] = []

    def __call__(self, predict: Callable[[Batch], Any], batch: Batch) -> Any:
        """Return ``predict(batch)``."""
        start = time.perf_counter()
        found = predict(batch)
        if batch["index"].is_cuda:
            torch.cuda.synchronize(batch["index"].device)
        self.batches.append((time.perf_counter() - start, len(batch["index"])))
        return found

    def seconds_per_image(self) -> float:
        """Return the mean, without the first batch if there are others."""
        timed = self.batches[1:] or self.batches
        return sum(seconds for seconds, _ in timed) / sum(count for _, count in timed)


def example_of(batch: Batch, images: dict[str, Tensor | None]) -> dict[str, np.ndarray]:
    """Return one sample's images (H, W) by name, for pictures."""
    # the second image of a set is a vortex, the class with the structure that matters
    which = min(1, len(batch["index"]) - 1)
    known = {"lr": batch["lr"], "hr": batch["hr"], "truth": batch.get("truth"), **images}
    return {
        name: image[which, 0].float().cpu().numpy()
        for name, image in known.items()
        if image is not None and name != "ceiling"
    }
