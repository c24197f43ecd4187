"""What the equivariant architectures share: groups, the trunk, and export to plain convolutions.

Built on e2cnn (Weiler & Cesa 2019, arXiv:1911.08251).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lenssr.models.e2cnn_compat import e2cnn, forget_bases

__all__ = ["CircularMask", "Trunk", "field", "group_space"]


def group_space(group: str) -> Any:
    """Return the symmetries of the plane for a name: ``C4`` (rotations) or ``D4`` (and mirrors), of any order.

    Raises:
        ValueError: the name is not C or D and a number from 1 on.
    """
    kind, order = group[:1], group[1:]
    if kind not in ("C", "D") or not order.isdigit() or int(order) < 1:
        raise ValueError(f"group={group} is not C or D followed by the number of rotations, as in C4, D2, D4")
    spaces = e2cnn().gspaces
    if kind == "D":
        return spaces.FlipRot2dOnR2(int(order)) if int(order) > 1 else spaces.Flip2dOnR2()
    return spaces.Rot2dOnR2(int(order)) if int(order) > 1 else spaces.TrivialOnR2()


def field(space: Any, count: int, kind: str = "regular") -> Any:
    """Return ``count`` feature fields of the regular or the trivial representation."""
    representation = space.regular_repr if kind == "regular" else space.trivial_repr
    return e2cnn().nn.FieldType(space, count * [representation])


class CircularMask(nn.Module):
    """Keep the inscribed disc less a margin of the square, as the original network does for its fixed 75 px.

    Args:
        margin: px.
    """

    def __init__(self, margin: float = 1.0) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, image: Tensor) -> Tensor:
        """Set what lies outside the disc to zero; the edge falls off as a Gaussian of 2 px."""
        height, width = image.shape[-2:]
        y = torch.arange(height, device=image.device, dtype=image.dtype) - (height - 1) / 2
        x = torch.arange(width, device=image.device, dtype=image.dtype) - (width - 1) / 2
        radius = (y.view(-1, 1).square() + x.view(1, -1).square()).sqrt()  # hypot is not in ONNX
        beyond = (radius - ((min(height, width) - 1) / 2 - self.margin)).clamp(min=0)
        mask = torch.exp(-0.5 * (beyond / 2.0).square())
        return image * torch.where(mask < 1e-4, torch.zeros_like(mask), mask)


class Trunk(nn.Module):
    """5x5 lift, 1x1 expansion and 3x3 mappings, each with batch norm and ReLU, all equivariant.

    Args:
        group: see :func:`group_space`.
        lifted: regular fields after the first layer.
        expanded: regular fields from the second layer on.
        mappings: 3x3 layers.
        mask: apply :class:`CircularMask` to the input.
    """

    def __init__(self, group: str, lifted: int, expanded: int, mappings: int, mask: bool) -> None:
        super().__init__()
        forget_bases()
        e = e2cnn().nn
        self.space = group_space(group)
        self.input_type = field(self.space, 1, "trivial")
        types = [self.input_type, field(self.space, lifted), *[field(self.space, expanded)] * (mappings + 1)]
        kernels = [5, 1, *[3] * mappings]
        layers = []
        for inputs, outputs, kernel in zip(types[:-1], types[1:], kernels, strict=True):
            convolution = e.R2Conv(inputs, outputs, kernel, padding=kernel // 2, bias=False)
            layers += [convolution, e.InnerBatchNorm(outputs), e.ReLU(outputs, inplace=True)]
        self.mask = CircularMask() if mask else nn.Identity()
        self.layers = e.SequentialModule(*layers)
        self.output_type = types[-1]

    def forward(self, lr: Tensor) -> Any:
        """Map (B, 1, h, w) to a geometric tensor of the same size."""
        return self.layers(e2cnn().nn.GeometricTensor(self.mask(lr), self.input_type))

    def exported(self) -> nn.Module:
        """Return the same map of plain tensors as ordinary torch layers (evaluation mode)."""
        return nn.Sequential(self.mask, self.layers.eval().export())
