"""Numbers from an image's components along eigen-images, by a perceptron with skips.

Images of one lens and one kind of source lie near a surface of few dimensions. The directions in which noise-free
images differ most (eigen-images, Turk & Pentland 1991, doi:10.1162/jocn.1991.3.1.71) hold nearly all of what a noisy
one tells of the numbers that made it: some hundred components where the image has ten thousand pixels. A perceptron
on these takes so little time a step that it may see as many images as it needs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lenssr.models.label_network import LabelNetwork

__all__ = ["EigenMLP"]

_SPARE, _ROUNDS = 20, 3  # of the randomised decomposition (Halko et al. 2011, doi:10.1137/090771806)
_LINEAR = 2.0  # sigma of the noise above which components are seen logarithmically


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class EigenMLP(LabelNetwork):
    """Numbers from an image.

    Args:
        outputs: how many numbers.
        image_size: pixels along a side.
        components: eigen-images.
        width: of the perceptron's layers.
        blocks: pairs of layers with a skip.
        predict_variance: give the variance of each number too (Nix & Weigend 1994, doi:10.1109/ICNN.1994.374138).
        hints: numbers that are learnt beside the outputs, and told in training alone.

    Attributes:
        basis: the eigen-images, (pixels, components); 0 until :meth:`look`.
        centre: the mean image, (pixels,).
        noise: the standard deviation of a component's noise.
        hint_mean: of each hint over the training images, (hints,); ``hint_std`` likewise.

    Raises:
        ValueError: a number is out of its range.
    """

    basis: Tensor
    centre: Tensor
    noise: Tensor
    hint_mean: Tensor
    hint_std: Tensor
    looks = True

    def __init__(
        self,
        outputs: int,
        image_size: int,
        components: int,
        width: int,
        blocks: int,
        predict_variance: bool,
        hints: int = 0,
    ) -> None:
        super().__init__(outputs, predict_variance)
        if not 0 < components <= image_size**2 or width < 1 or blocks < 1:
            raise ValueError(
                f"width={width} and blocks={blocks} must be positive, and components={components} no more than pixels"
            )
        self.image_size, self.hints = image_size, hints
        self.told_numbers = outputs * (2 if predict_variance else 1)
        self.body = nn.Sequential(
            nn.Linear(components, width), *(_Residual(width) for _ in range(blocks)), nn.SiLU(),
            nn.Linear(width, self.told_numbers + hints),
        )  # fmt: skip
        self.register_buffer("basis", torch.zeros(image_size**2, components))
        self.register_buffer("centre", torch.zeros(image_size**2))
        self.register_buffer("noise", torch.ones(()))
        self.register_buffer("hint_mean", torch.zeros(hints))
        self.register_buffer("hint_std", torch.ones(hints))

    @torch.no_grad()
    def look(self, images: Tensor, noise: float) -> None:
        """Find the eigen-images.

        Args:
            images: (N, 1, H, W), noise-free where the set knows them; more than there are components.
            noise: the standard deviation of a pixel of what will be seen about them; 0 where it is in them.
        """
        rows, components = images.flatten(1).float().cpu(), self.basis.shape[1]  # the same on every device
        self.centre.copy_(rows.mean(0))
        rows = rows - rows.mean(0)
        found = min(components, *rows.shape)
        axes = torch.svd_lowrank(rows, q=min(found + _SPARE, *rows.shape), niter=_ROUNDS)[2][:, :found]
        self.basis.zero_()
        self.basis[:, :found] = axes
        left = (rows - rows @ axes @ axes.T).square().mean().sqrt()
        self.noise.copy_(max(left, left.new_tensor(noise), 1e-6 * rows.square().mean().sqrt()))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """Map (B, 1, H, W) to the numbers (B, outputs) and the logarithm of their variances, or None."""
        return self.with_hints(image)[0]

    def calibrate_hints(self, mean: Tensor, std: Tensor) -> None:
        """Set the location and scale of the hints, (hints,) each."""
        self.hint_mean.copy_(mean)
        self.hint_std.copy_(std)

    def hinted(self, hints: Tensor) -> Tensor:
        """Return hints (B, hints) in units of their spread, as :meth:`with_hints` tells them."""
        return (hints - self.hint_mean) / self.hint_std

    def with_hints(self, image: Tensor) -> tuple[tuple[Tensor, Tensor | None], Tensor]:
        """Return what :meth:`forward` does, and the hints (B, hints) in units of their spread.

        Raises:
            ValueError: the images have another size than those that were looked at.
        """
        if image.shape[-2:] != (self.image_size, self.image_size):
            raise ValueError(f"images of {tuple(image.shape[-2:])} px where the eigen-images have {self.image_size}")
        places = (image.flatten(1).float() - self.centre) @ self.basis / (_LINEAR * self.noise)
        found = self.body(torch.asinh(places))
        return self.told(found[:, : self.told_numbers]), found[:, self.told_numbers :]
