"""Fast super-resolution network (Dong et al. 2016, arXiv:1608.00367)."""

from __future__ import annotations

import math

from torch import Tensor, nn

from lenssr.models.upscale import check_scale

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


class FSRCNN(nn.Module):
    """Extract, shrink, map, expand, and enlarge last.

    Args:
        scale: HR pixels per LR pixel, 1 to 4.
        features: channels outside, d.
        shrunk: channels inside, s.
        mappings: 3x3 convolutions inside, m.
    """

    def __init__(self, scale: int, features: int, shrunk: int, mappings: int) -> None:
        super().__init__()
        check_scale(scale)
        shapes = [(1, features, 5), (features, shrunk, 1), *[(shrunk, shrunk, 3)] * mappings, (shrunk, features, 1)]
        layers: list[nn.Module] = []
        for inputs, outputs, kernel in shapes:
            convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
            nn.init.normal_(convolution.weight, std=math.sqrt(2 / (outputs * kernel**2)))
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            layers += [convolution, nn.PReLU(outputs)]
        self.body = nn.Sequential(*layers)
        self.enlarge = deconvolution(features, 1, scale, std=0.001)

    def forward(self, lr: Tensor) -> Tensor:
        """Map (B, 1, h, w) to (B, 1, scale * h, scale * w)."""
        return self.enlarge(self.body(lr))
