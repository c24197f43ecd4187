"""FSRCNN that turns and mirrors its output with its input, layer by layer."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from lenssr.models.e2cnn_compat import e2cnn
from lenssr.models.equivariant import Trunk, field
from lenssr.models.upscale import check_scale

__all__ = ["EquivariantFSRCNN"]


class EquivariantFSRCNN(nn.Module):
    """Equivariant trunk and equivariant enlargement: model(g x) = g model(x) for every g of the group.

    On square pixels that is exact for mirrors and quarter turns; finer rotations hold to interpolation.
    The 2023 report's network (``model=equivariant_fsrcnn_original``) has group D2, a circular input mask, and batch
    norm and ReLU on its output image.

    Args:
        scale: HR pixels per LR pixel, 1 to 4.
        group: ``D4``, ``C8``, ..., see :func:`lenssr.models.equivariant.group_space`.
        lifted: regular fields after the first layer and before the enlargement.
        expanded: regular fields in between.
        mappings: 3x3 layers.
        mask: zero the input outside the inscribed disc.
        output_norm: batch norm and ReLU on the output image, whose convolution then has no bias.
    """

    def __init__(
        self, scale: int, group: str, lifted: int, expanded: int, mappings: int, mask: bool, output_norm: bool
    ) -> None:
        super().__init__()
        check_scale(scale)
        e = e2cnn().nn
        self.trunk = Trunk(group, lifted, expanded, mappings, mask)
        space = self.trunk.space
        shrunk, image = field(space, lifted), field(space, 1, "trivial")
        layers: list[Any] = [
            e.R2Conv(self.trunk.output_type, shrunk, 1, bias=False),
            e.InnerBatchNorm(shrunk),
            e.ReLU(shrunk, inplace=True),
        ]
        for factor in {1: [], 4: [2, 2]}.get(scale, [scale]):
            # kernels and paddings that are symmetric about the pixel grid: 4/1 doubles, 5/1 trebles
            layers.append(e.R2ConvTransposed(shrunk, shrunk, factor + 2, stride=factor, padding=1))
        layers.append(e.R2Conv(shrunk, image, 3, padding=1, bias=not output_norm))
        if output_norm:
            layers += [e.InnerBatchNorm(image), e.ReLU(image, inplace=True)]
        self.enlarge = e.SequentialModule(*layers)

    def forward(self, lr: Tensor) -> Tensor:
        """Map (B, 1, h, w) to (B, 1, scale * h, scale * w)."""
        return self.enlarge(self.trunk(lr)).tensor

    def exported(self) -> nn.Module:
        """Return the same network of ordinary torch layers, for use without e2cnn (evaluation mode)."""
        return nn.Sequential(self.trunk.exported(), self.enlarge.eval().export()).eval()
