"""Images as a modeller takes them, with the PSF and the noise that would be assumed, and their best fits."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lenssr.data import SurveyPairs
from lenssr.data.batches import Batch
from lenssr.errors import ConfigError
from lenssr.modelling.fit import Fit, fit
from lenssr.modelling.lens import NAMES
from lenssr.modelling.settings import LensFit
from lenssr.modelling.start import begin
from lenssr.modelling.view import View
from lenssr.models.interpolation import enlarged

__all__ = ["Modeller"]

_FAST = (2, 2)  # rays of fits that only choose where to go on


class Modeller:
    """Fits the lenses of one split of a set.

    An LR or HR image has its telescope's PSF and the noise of its exposures. An interpolated one is modelled as an LR
    image that was interpolated, with each pixel's own noise. A super-resolved one has the HR telescope's PSF and the
    standard deviation that the network tells. Pixels count as independent, as an error map has them.

    Args:
        settings: of the fits.
        data: a :class:`lenssr.data.SurveyPairs`.
        split: its name.
        upscale: a super-resolution network that tells its errors, as :func:`lenssr.runs.load.load_run` returns it; of
            ``image: super_resolved`` alone.

    Raises:
        ConfigError: the network tells no errors.
    """

    def __init__(self, settings: LensFit, data: SurveyPairs, split: str, upscale: nn.Module | None = None) -> None:
        if settings.image == "super_resolved" and not hasattr(upscale, "sigma"):
            raise ConfigError(
                "A fit needs the errors of the image: task.upscaler must name a network that tells them, as one with "
                "model.predict_variance=true."
            )
        self.settings, self.data, self.split, self.upscale = settings, data, split, upscale
        self._parameters = data.sets[split].parameters

    @property
    def telescope(self) -> str:
        """Whose PSF the images have: ``lr`` or ``hr``."""
        return "lr" if self.settings.image in ("lr", "interpolated") else "hr"

    def views(self, index: Tensor) -> list[tuple[View, Tensor]]:
        """Return what images are, with the places in ``index`` of those that are so."""
        data, kind = self.data, self.telescope
        widths = torch.from_numpy(self._parameters[f"{kind}_psf_fwhm"].to_numpy(float)[index.numpy()])
        low, own = kind == "lr", getattr(data.source, kind)
        made = (data.source.pixel_scale, data.image_size, data.scale if low else 1)
        enlarge = self.settings.image == "interpolated"
        return [
            (View(own, width, *made, enlarge), torch.nonzero(widths == width).flatten())
            for width in widths.unique().tolist()
        ]

    def images(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return images and one over their standard deviations, flux per HR pixel, (B, pixels)."""
        unit, kind = self.data.sets["train"].unit, self.settings.image
        if kind == "super_resolved":
            assert self.upscale is not None
            factor = float(self.upscale.unit)  # type: ignore[arg-type]
            lr = batch["lr"] * (unit / factor)
            image = self.upscale(lr).float()
            sigma: Callable[[Tensor, Tensor], Tensor] = self.upscale.sigma  # type: ignore[assignment]
            return (image * factor).flatten(1), (sigma(lr, image).float() * factor).reciprocal().flatten(1)
        if kind == "hr":
            return (batch["hr"] * unit).flatten(1), (batch["variance"].rsqrt() / unit).flatten(1)
        variance = self.data.observation.lr_variance(batch["index"], self.split, batch["lr"].device).unsqueeze(1)
        image = batch["lr"] * unit
        if kind == "interpolated":
            image, variance = enlarged(image, batch["hr"]), enlarged(variance, batch["hr"]) * self._smoothed()
        return image.flatten(1), variance.rsqrt().flatten(1)

    def _smoothed(self) -> float:
        """Return the variance of white noise after interpolation, on average over its pixels, of one before."""
        point = torch.zeros(1, 1, 5, 5)
        point[..., 2, 2] = 1.0
        size = 5 * self.data.scale
        return float(enlarged(point, point.new_empty(1, 1, size, size)).square().sum()) / self.data.scale**2

    def __call__(self, view: View, images: Tensor, weights: Tensor) -> Fit:
        """Fit images (B, pixels) from a few starts, and go on from the best.

        Args:
            view: what the images are.
            images: flux per HR pixel.
            weights: one over their standard deviations.
        """
        settings, count = self.settings, self.settings.starts
        starts = begin(view, images, weights, settings.radii, count)
        many = [part.repeat_interleave(count, 0) for part in (images, weights)]
        first = fit(view, many[0], many[1], starts.flatten(0, 1), settings.first, rays=_FAST)
        best = first.objective.view(-1, count).argmin(1)
        points = first.points.view(-1, count, len(NAMES))[torch.arange(len(images)), best]
        return fit(view, images, weights, points, settings.steps)
