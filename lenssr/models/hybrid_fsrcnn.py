"""The 2023 report's hybrids: equivariant features, ordinary enlargement."""

from __future__ import annotations

from torch import Tensor, nn

from lenssr.models.equivariant import Trunk
from lenssr.models.fsrcnn import deconvolution
from lenssr.models.upscale import check_scale

__all__ = ["HybridFSRCNN"]


class HybridFSRCNN(nn.Module):
    """Equivariant trunk, then a 9x9 transposed convolution that breaks the symmetry.

    Args:
        scale: HR pixels per LR pixel, 1 to 4.
        group: see :func:`lenssr.models.equivariant.group_space`.
        lifted: regular fields after the trunk's first layer.
        expanded: regular fields of the trunk from its second layer on.
        mappings: 3x3 layers of the trunk.
        mask: zero the input outside the inscribed disc.
        refine: (channels, kernel) of ordinary convolutions at the high resolution, each with a ReLU; the last must
            have one channel. Empty: the transposed convolution gives the image.
        output_relu: whether the last of them has its ReLU too.
        enlarge_std: of the transposed convolution's first weights, as FSRCNN has it (its bias then begins at zero);
            None: torch's own, which suits few channels: from 256 they make images some twelve times the data's range.

    Raises:
        ValueError: the last refinement has not one channel.
    """

    def __init__(
        self,
        scale: int,
        group: str,
        lifted: int,
        expanded: int,
        mappings: int,
        mask: bool,
        refine: list[list[int]],
        output_relu: bool,
        enlarge_std: float | None = None,
    ) -> None:
        super().__init__()
        check_scale(scale)
        if refine and refine[-1][0] != 1:
            raise ValueError(f"refine ends with {refine[-1][0]} channels; the image has 1")
        self.trunk = Trunk(group, lifted, expanded, mappings, mask)
        inputs = self.trunk.output_type.size
        enlarged = refine[0][0] if refine else 1
        self.enlarge = deconvolution(inputs, enlarged, scale, enlarge_std)
        layers: list[nn.Module] = []
        for channels, kernel in refine:
            layers += [nn.Conv2d(enlarged, channels, kernel, padding=kernel // 2), nn.ReLU()]
            enlarged = channels
        self.refine = nn.Sequential(*(layers if output_relu else layers[:-1]))

    def forward(self, lr: Tensor) -> Tensor:
        """Map (B, 1, h, w) to (B, 1, scale * h, scale * w)."""
        return self.refine(self.enlarge(self.trunk(lr).tensor))

    def exported(self) -> nn.Module:
        """Return the same network of ordinary torch layers, for use without e2cnn (evaluation mode)."""
        return nn.Sequential(self.trunk.exported(), self.enlarge, self.refine).eval()
