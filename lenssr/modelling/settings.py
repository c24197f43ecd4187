"""The settings of a fit, as a model that has no weights."""

from __future__ import annotations

from typing import Any

from torch import nn

from lenssr.errors import ConfigError, did_you_mean

__all__ = ["IMAGES", "LensFit"]

IMAGES = ("lr", "interpolated", "super_resolved", "hr")
"""What may be fitted."""


class LensFit(nn.Module):
    """Settings of :class:`lenssr.modelling.modeller.Modeller`.

    Args:
        image: which image is fitted, see :data:`IMAGES`.
        radii: Einstein radii in arcsec, between which lenses are sought.
        starts: fits of an image, of which the best goes on.
        first: steps of these.
        steps: of the one that goes on, at most.
        subhaloes: what :class:`lenssr.modelling.hunt.Hunt` puts in and seeks; None for no hunt.

    Raises:
        ConfigError: a setting is impossible.
    """

    def __init__(
        self,
        image: str,
        radii: list[float],
        starts: int,
        first: int,
        steps: int,
        subhaloes: dict[str, Any] | None,
    ) -> None:
        super().__init__()
        if image not in IMAGES:
            raise ConfigError(f"model.image={image} is no image. {did_you_mean(image, IMAGES)}")
        if len(radii) != 2 or not 0 < radii[0] < radii[1]:
            raise ConfigError(f"model.radii={list(radii)} must be two Einstein radii in arcsec, as [0.5, 2.0].")
        if min(starts, first, steps) < 1:
            raise ConfigError("model.starts, model.first and model.steps must be 1 or more.")
        self.image, self.radii = image, (float(radii[0]), float(radii[1]))
        self.starts, self.first, self.steps, self.subhaloes = starts, first, steps, subhaloes
