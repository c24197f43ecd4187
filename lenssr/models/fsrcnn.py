"""Fast super-resolution network (Dong et al. 2016, arXiv:1608.00367)."""

from __future__ import annotations

import math

from torch import Tensor, nn

from lenssr.models.upscale import Upscaler

__all__ = ["FSRCNN", "deconvolution"]


def deconvolution(inputs: int, outputs: int, scale: int, std: float | None = None) -> nn.ConvTranspose2d:
    """Return the 9x9 transposed convolution that maps h to scale * h.

    With ``std``, its weights begin with that standard deviation and its bias at zero; None: as torch begins.
    """
    made = nn.ConvTranspose2d(inputs, outputs, 9, stride=scale, padding=4, output_padding=scale - 1)
    if std is not None:
        nn.init.normal_(made.weight, std=std)
        nn.init.zeros_(made.bias)  # type: ignore[arg-type]
    return made


class FSRCNN(Upscaler):
    """Extract, shrink, map, expand, and enlarge last.

    Args:
        scale: HR pixels per LR pixel, 1 to 4.
        features: channels outside, d.
        shrunk: channels inside, s.
        mappings: 3x3 convolutions inside, m.
        skip: see :class:`lenssr.models.upscale.Upscaler`.
    """

    def __init__(self, scale: int, features: int, shrunk: int, mappings: int, skip: str | None = None) -> None:
        super().__init__(scale, skip)
        shapes = [(1, features, 5), (features, shrunk, 1), *[(shrunk, shrunk, 3)] * mappings, (shrunk, features, 1)]
        layers: list[nn.Module] = []
        for inputs, outputs, kernel in shapes:
            convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
            nn.init.normal_(convolution.weight, std=math.sqrt(2 / (outputs * kernel**2)))
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            layers += [convolution, nn.PReLU(outputs)]
        self.body = nn.Sequential(*layers)
        self.enlarge = deconvolution(features, 1, scale, std=0.001)

    def network(self, x: Tensor) -> Tensor:
        """Map (B, inputs, h, w) to (B, 1, factor * h, factor * w)."""
        return self.enlarge(self.body(x))
