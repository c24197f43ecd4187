"""Scores of a whole split: one row an image, and the same for what the prediction is measured against."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lenssr.data.batches import Batch
from lenssr.metrics.calibration import Calibration, gaussian_place
from lenssr.metrics.calibration import summary as calibrated
from lenssr.metrics.per_image import Score, collection, table
from lenssr.metrics.physics import physics_scores
from lenssr.metrics.protocols import protocol_scores
from lenssr.metrics.spectrum import Spectrum
from lenssr.models.interpolation import enlarged
from lenssr.system.processes import finished
from lenssr.system.progress import track

__all__ = [
    "GAIN",
    "Evaluation",
    "Example",
    "Stopwatch",
    "bilinear",
    "evaluate",
    "example_of",
    "image_scores",
    "percentiles",
    "spread_of",
]

_PLACES = 20  # into which told Gaussians sort the truth
GAIN = 1.027  # of the row that shows what the 2023 report's SSIM is blind to


@dataclass(frozen=True)
class Example:
    """One test image, for pictures.

    Attributes:
        images: (H, W) arrays in the set's unit by name; ``sigma`` is the standard deviation of the HR noise.
        title: which it is.
    """

    images: dict[str, np.ndarray]
    title: str


@dataclass(frozen=True)
class Evaluation:
    """What was found on one split.

    Attributes:
        per_image: a row an image: ``index`` and ``<who>/<protocol>/<score>``.
        spectrum: mean power by spatial frequency: ``cycles_per_arcsec``, and a column for each of who and ``truth``.
        seconds_per_image: that the prediction takes; the first batch, which warms up, is left out where it can be.
        definitions: what the scores mean.
        calibration: of what the model told of its own errors, by brightness, against the noise-free image where it is
            known; see :meth:`lenssr.metrics.calibration.Calibration.compute`. None where it told nothing.
        examples: the images at the 10th, 50th and 90th percentile of the PSNR, for pictures.
    """

    per_image: pd.DataFrame
    spectrum: pd.DataFrame
    seconds_per_image: float
    definitions: str = (
        "report: against the noisy HR image; truth: against its noise-free expectation; both min-max scaled by the HR "
        "image; PSNR (data range 1) and SSIM (7x7 uniform, data range 1) averaged over images; ssim_original: data "
        "range of the prediction, as the 2023 report; physics (against the truth): flux_error, relative; ring_error, "
        "arcsec by which the fitted ring is too large or small; chi2, reduced, of the HR image about the prediction; "
        "error, rms, in units of the HR noise; transfer, of the truth's structure in the octave below the LR Nyquist "
        "frequency; resolution, LR Nyquist frequencies at which the coherence with the truth falls to one half"
    )
    calibration: pd.DataFrame | None = None
    examples: list[Example] = field(default_factory=list)

    def summary(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return who -> ``protocol/score`` -> mean and standard deviation over the images."""
        found = spread_of(self.per_image)
        if self.calibration is not None:
            found["prediction"] |= {k: {"mean": v, "std": 0.0} for k, v in calibrated(self.calibration).items()}
        return found


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


def _brighter(batch: Batch) -> Tensor | None:
    """Return the truth with the gain that an SSIM whose range is the prediction's takes for a better image."""
    return GAIN * batch["truth"] if "truth" in batch else None


# what a prediction is measured against; None where the set cannot tell
_REFERENCES: dict[str, Callable[[Batch], Tensor | None]] = {
    "bilinear": bilinear,
    "ceiling": _ceiling,
    "brighter": _brighter,
}


@torch.inference_mode()
def evaluate(
    predict: Callable[[Batch], Tensor],
    batches: Iterable[Batch],
    count: int,
    references: tuple[str, ...],
    title: str,
    pixel_scale: float,
    sigma: Callable[[Batch, Tensor], Tensor | None] = lambda batch, image: None,
) -> Evaluation:
    """Score a split; on several devices each scores its share, and all return the whole.

    Args:
        predict: maps a batch to images (B, 1, H, W).
        batches: the split, or this device's share.
        count: images in them, for the progress bar.
        references: of ``bilinear``, ``ceiling`` and ``brighter``, those to score beside the prediction.
        title: of the progress bar.
        pixel_scale: of the HR images, in arcsec.
        sigma: maps a batch and its predicted images to their standard deviations, or to None.
    """
    # of the brighter truth the protocols' scores alone are of interest
    seen = {
        who: collection(protocol_scores() if who == "brighter" else image_scores(pixel_scale))
        for who in ("prediction", *references)
    }
    spectrum, watch, calibration = Spectrum(pixel_scale), Stopwatch(), Calibration(_PLACES)
    with track(title, count, "images") as advance:
        for batch in batches:
            images = {"prediction": watch(predict, batch), **{name: _REFERENCES[name](batch) for name in references}}
            for who, image in images.items():
                if image is not None:
                    seen[who].update(image, batch)
            spectrum.update(images, batch)
            _calibrate(calibration, sigma(batch, images["prediction"]), images["prediction"], batch)
            advance(len(batch["index"]))
    told = calibration.compute() if calibration.update_called else None
    return Evaluation(table(seen), spectrum.compute(), watch.seconds_per_image(), calibration=told)


def _calibrate(calibration: Calibration, sigma: Tensor | None, image: Tensor, batch: Batch) -> None:
    """Add a batch whose errors a model told, as Gaussians about its images."""
    if sigma is None:
        return
    truth, mean, width = (x[:, 0] for x in (batch.get("truth", batch["target"]), image, sigma))
    calibration.update(gaussian_place(mean, width, truth, _PLACES), width.square(), mean - truth, batch)


@torch.inference_mode()
def percentiles(
    found: pd.DataFrame, at: Callable[[Tensor], Batch], predict: Callable[[Batch], Tensor], device: torch.device
) -> list[Example]:
    """Return the images at the 10th, 50th and 90th percentile of the PSNR, against the truth where it is known.

    Args:
        found: a row an image, see :class:`Evaluation`.
        at: returns chosen images as a batch.
        predict: maps a batch to images (B, 1, H, W).
        device: of the batches.
    """
    protocol = "truth" if "prediction/truth/psnr" in found else "report"
    ranked = found.sort_values(f"prediction/{protocol}/psnr", ignore_index=True)
    chosen = []
    for percent in (10, 50, 90):
        row = ranked.iloc[round(percent / 100 * (len(ranked) - 1))]
        batch = at(torch.tensor([int(row["index"])]))
        images = example_of(batch, {"prediction": predict(batch), "bilinear": bilinear(batch)})
        if "variance" in batch:
            images["sigma"] = batch["variance"][0, 0].sqrt().cpu().numpy()
        title = f"image {int(row['index'])}: {row[f'prediction/{protocol}/psnr']:.1f} dB, {percent}th percentile"
        chosen.append(Example(images, title))
    return chosen


def image_scores(pixel_scale: float) -> dict[str, Score]:
    """Return the scores of an image (B, 1, H, W): of both protocols, and the physics where the truth is known.

    Args:
        pixel_scale: of the HR images, in arcsec.
    """
    return {**protocol_scores(), **physics_scores(pixel_scale)}


class Stopwatch:
    """Times predictions, the device's queue included."""

    def __init__(self) -> None:
        self.batches: list[tuple[float, int]] = []

    def __call__(self, predict: Callable[[Batch], Any], batch: Batch) -> Any:
        """Return ``predict(batch)``."""
        device = batch["index"].device
        finished(device)  # with what was asked before: the batch itself
        start = time.perf_counter()
        found = predict(batch)
        finished(device)
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
