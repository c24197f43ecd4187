"""The safe door of a loaded network: flux in, flux out, and a word where an image is unlike those of its training."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from lenssr.errors import DataError, RunError
from lenssr.runs.seen import Seen, seen_by

if TYPE_CHECKING:
    from lenssr.tasks import SuperResolution

__all__ = ["Predict"]

Images = TypeVar("Images", np.ndarray, Tensor)

_TOGETHER = 8  # images that the network sees at once
_NOISE, _PEAK = (0.7, 1.4), (0.2, 5.0)  # times those of the training images, between which nothing is said
_TOO_NOISY, _TOO_QUIET, _TOO_BRIGHT, _TOO_FAINT = 3.0, 0.4, 15.0, 0.07  # likewise, where an image is refused
_SKY = (2.5, 6.0)  # of the noise: a level of the sky that is said, and one that is refused; arcs may fill an image
_CUT = 0.6  # of white noise is left by a camera that cuts negative counts: 0.49 to 0.75 on model1
_ZEROS = 0.1  # of the pixels: more are such a camera's
_VARIED = 5.0  # times these peaks, up or down, where scenes differ a hundredfold
_AROUND = 9  # px along a side, of the means by which an image's dark parts are known
_FAINT = 0.4  # part of the pixels, those of the faintest means, on which noise is measured
_DARKEST = 0.02  # quantile of the means that is the sky's level where lenses may fill the image with their light
_MEND = "lenssr.upscale(run, array) brings any image to the network's scale; check=False computes all the same."


class Predict:
    """Maps LR images to HR images, both in flux per pixel of their own and unit time, as the run's test does.

    The network sees flux per HR pixel, over the ``unit`` of its training set. An LR pixel covers ``scale`` x ``scale``
    HR pixels (four, where scale is 2) and holds the flux of all of them, so that an array is divided by that number
    too before the network sees it.

    Args:
        folder: of the run, for messages.
        config: of the run.
        metrics: its ``metrics.json``.
        model: its network.
    """

    def __init__(self, folder: str | Path, config: dict[str, Any], metrics: dict[str, Any], model: nn.Module) -> None:
        self._folder, self._config, self._metrics, self._model = Path(folder), config, metrics, model
        try:
            self.scale, self.unit = int(config["dataset"]["scale"]), float(metrics["unit"])
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{folder} is damaged: its files do not tell dataset.scale and unit.") from error

    def __call__(self, images: Images, check: bool = True) -> Images:
        """Return the super-resolved images, of the kind, the float type and the number of dimensions that came.

        Args:
            images: an array or a tensor, (h, w), (B, h, w) or (B, 1, h, w), of flux per LR pixel and unit time; whole
                numbers count as float32.
            check: refuse images on another scale than the training images, and warn of others that are unlike them
                (:mod:`warnings`); the noise, the brightest pixel and the level of the sky are looked at.

        Returns:
            (scale * h, scale * w) and so on, flux per HR pixel and unit time; no gradient goes through it.

        Raises:
            RunError: the run maps no image to one image, or knows no flux.
            DataError: these are no images, some pixels are no numbers, or they are far from the training images.
        """
        task = self._task()
        values = _values(images)
        shape = tuple(values.shape)
        batch = values.reshape(-1, 1, *shape[-2:]).float()
        if check:
            self._check(batch)
        device = next((p.device for p in self._model.parameters()), torch.device("cpu"))
        training, factor = self._model.training, self.scale**2 * self.unit
        self._model.eval()
        with torch.no_grad():
            parts = [task.upscale(part.to(device) / factor) * self.unit for part in batch.split(_TOGETHER)]
        self._model.train(training)
        found = torch.cat(parts)
        found = found.reshape(*shape[:-2], *found.shape[-2:]).to(values.device)
        if isinstance(images, Tensor):
            return found.to(images.dtype if images.is_floating_point() else torch.float32)
        given = np.asarray(images).dtype
        return found.numpy().astype(given.newbyteorder("=") if given.kind == "f" else np.float32)

    def _task(self) -> SuperResolution:
        """Return the run's task around the network; another's test may do more than call it once.

        Raises:
            RunError: the run maps no image to one image, or knows no flux.
        """
        from lenssr.runs.build import build_task
        from lenssr.tasks import Posterior, SuperResolution

        if "_built" not in vars(self):
            self._built = build_task(self._config)
            self._built.model = self._model
        name, task = self._config["model"]["name"], self._built
        if isinstance(task, Posterior):
            raise RunError(
                f"model={name} draws from a posterior: lenssr.upscale({str(self._folder)!r}, array) does it."
            )
        if not isinstance(task, SuperResolution):
            raise RunError(f"{self._folder} is a run of model={name}, which upscales no image; call the module.")
        if self._config["dataset"]["normalization"] != "constant":
            raise RunError(
                f"{self._folder} was trained on images that were each brought to a range of 0 to 1, and knows no flux: "
                f"lenssr.upscale({str(self._folder)!r}, array) measures it."
            )
        return task

    def _check(self, batch: Tensor) -> None:
        """Refuse images on another scale, warn of others that are unlike the training images.

        Raises:
            DataError: one is far from them.
        """
        seen = seen_by(self._config, self._metrics)
        told: dict[str, int] = {}
        for number, image in enumerate(batch[:, 0].double().cpu().numpy()):
            bad, words = _unlike(image / (self.scale**2 * self.unit), seen, self.scale**2 * self.unit)
            if bad:
                where = f"Image {number}" if len(batch) > 1 else "The image"
                raise DataError(f"{where} is not on the scale of the training images: {'; '.join(words)}. {_MEND}")
            for word in words:
                told.setdefault(word, number)
        for word in list(told)[:_TOGETHER]:
            where = f"image {told[word]}" if len(batch) > 1 else "the image"
            warnings.warn(f"{where} is unlike the training images: {word}. {_MEND}", UserWarning, stacklevel=3)


def _values(images: Any) -> Tensor:
    """Return images as a tensor of real numbers.

    Raises:
        DataError: they are none.
    """
    shape = tuple(getattr(images, "shape", ()))
    if len(shape) not in (2, 3, 4) or (len(shape) == 4 and shape[1] != 1) or 0 in shape:
        raise DataError(f"Images have the shape (h, w), (B, h, w) or (B, 1, h, w); these have {shape}.")
    if isinstance(images, np.ma.MaskedArray) and np.ma.is_masked(images):
        raise DataError("Some pixels are masked; lenssr.upscale(run, array) can leave them out.")
    if isinstance(images, Tensor):
        if images.is_complex():
            raise DataError(f"Images hold real numbers; these are {images.dtype}.")
        values = images.detach()
    else:
        array = np.asarray(images)
        if array.dtype.kind not in "fiu":
            raise DataError(f"Images hold real numbers; these are {array.dtype}.")
        values = torch.from_numpy(np.ascontiguousarray(array, np.float64))
    if not bool(torch.isfinite(values).all()):
        raise DataError("Some pixels are NaN or infinite; lenssr.upscale(run, array) can leave them out.")
    return values


def _unlike(image: np.ndarray, seen: Seen, factor: float) -> tuple[bool, list[str]]:
    """Return whether an image is too far from the training images, and how far, in words.

    Args:
        image: (h, w), in the network's units.
        seen: the training images.
        factor: flux of a unit.
    """
    from scipy.ndimage import uniform_filter

    from lenssr.data.camera.noise import sky

    if image.max() == image.min():
        return True, [f"it is {image.max() * factor:.3g} everywhere"]
    mean = uniform_filter(image, _AROUND)
    level = float(np.quantile(mean, _DARKEST)) if seen.varied else sky(image)[0]
    noise = _noise(image, mean)
    (low, high), peak = seen.noise, float(image.max()) - level
    loud, quiet, bright = noise / max(high, 1e-30), noise / max(low, 1e-30), peak / seen.peak
    wide = _VARIED if seen.varied else 1.0
    words, height = [], abs(level) / max(noise, high)
    if loud > _NOISE[1] or quiet < _NOISE[0]:
        usual = f"{low * factor:.3g}" + (f" to {high * factor:.3g}" if high > low else "")
        words.append(f"its noise is {noise * factor:.3g}, in training {usual}")
    if not _PEAK[0] / wide < bright < _PEAK[1] * wide:
        words.append(f"its peak is {peak * factor:.3g} above the sky, in training some {seen.peak * factor:.3g}")
    if height > _SKY[0]:
        words.append(f"its sky is at {level * factor:.3g}, in training at 0")
    if seen.clipped and float(image.min()) < -high:
        words.append("it has negative pixels, which the training images' camera cut to 0")
    # an image almost without noise is on no other scale where its brightness is right
    scaled = loud > _TOO_NOISY or (quiet < _TOO_QUIET and bright < _TOO_QUIET)
    return scaled or not _TOO_FAINT / wide < bright < _TOO_BRIGHT * wide or height > _SKY[1], words


def _noise(image: np.ndarray, mean: np.ndarray) -> float:
    """Return the standard deviation of an image's noise, by what neighbours differ in where its mean is faint.

    Where a camera cut negative counts, it is that before the cut.
    """
    faint = mean <= np.quantile(mean, _FAINT)
    steps = np.diff(image, axis=1)[faint[:, 1:] & faint[:, :-1]]
    left = float(np.sqrt(np.square(steps).mean() / 2)) if steps.size else float(image.std())
    return left / _CUT if image.min() >= 0 and (image == 0).mean() > _ZEROS else left
