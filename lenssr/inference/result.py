"""What became of one image."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lenssr.data.files.images import Image
from lenssr.inference.network import Network

__all__ = ["Product"]


@dataclass
class Product:
    """What became of one image.

    Attributes:
        image: that came in.
        scale: SR pixels per input pixel along a side.
        sr: flux per SR pixel in the input's unit (or surface brightness, where the input's was), NaN where the input's.
        err: standard deviation of ``sr``; ``spread`` says of what. None where the network tells none.
        symmetry: standard deviation over the eight turns and mirrors, which is no uncertainty; None of draws.
        bilinear: the input interpolated, in the same unit.
        residual: ``sr`` degraded to the input's pixels, less the input, over the input's noise.
        facts: numbers that say how far to trust it.
        warnings: where the input is unlike what the network saw, and where the result does not fit it.
    """

    image: Image
    scale: int
    sr: np.ndarray
    err: np.ndarray | None
    bilinear: np.ndarray
    residual: np.ndarray
    spread: str
    network: Network
    symmetry: np.ndarray | None = None
    facts: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
