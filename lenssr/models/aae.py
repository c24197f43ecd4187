"""Adversarial autoencoder (Makhzani et al. 2015, arXiv:1511.05644), at the 2023 report's size for 150 px."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

__all__ = ["AAE"]

_KERNEL, _STRIDE, _PADDING = 7, 3, 1
_LAST_KERNEL = 6  # of the decoder, where it fits
_SMALLEST_MAP = 4


def _halved(size: int) -> int:
    """Return the size of a map after a strided convolution of the encoder."""
    return (size + 2 * _PADDING - _KERNEL) // _STRIDE + 1


class AAE(nn.Module):
    """Encoder, decoder and the discriminator that holds the codes to a Gaussian prior.

    The encoder has two convolutions of stride 3 and one that shrinks the map; for 150 px the maps are
    49, 15 and 9 px wide, as in the report. Other image sizes get other maps by the same rule, and the decoder
    mirrors them.

    Args:
        image_size: pixels along a side.
        latent: length of the code.
        channels: of the three convolutions.
        discriminator_width: hidden units of the discriminator's two layers.

    Raises:
        ValueError: the image is too small for the encoder, or not three channel numbers are given.
    """

    def __init__(self, image_size: int, latent: int, channels: list[int], discriminator_width: int) -> None:
        super().__init__()
        if len(channels) != 3:
            raise ValueError(f"channels={channels} must be three numbers")
        first = _halved(image_size)
        second = _halved(first)
        # a 7-px kernel if it leaves a map, else the largest that leaves a few pixels
        kernel = max(1, min(_KERNEL, second - _SMALLEST_MAP + 1))
        third = second - kernel + 1
        if second < 1:
            raise ValueError(f"image_size={image_size} is too small for the encoder; it needs at least 17 px")
        self.image_size = image_size
        a, b, c = channels
        self.encoder = nn.Sequential(
            nn.Conv2d(1, a, _KERNEL, _STRIDE, _PADDING),
            nn.ReLU(),
            nn.Conv2d(a, b, _KERNEL, _STRIDE, _PADDING),
            nn.ReLU(),
            nn.Conv2d(b, c, kernel),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(c * third**2, latent),
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent, c * third**2),
            nn.Unflatten(1, (c, third, third)),
            nn.ConvTranspose2d(c, b, kernel),
            nn.ReLU(),
            _enlarging(b, a, second, first, _KERNEL),
            nn.ReLU(),
            _enlarging(a, 1, first, image_size, _LAST_KERNEL),
            nn.Tanh(),
        )
        widths = [latent, discriminator_width, discriminator_width]
        hidden = [layer for i, o in pairwise(widths) for layer in (nn.Linear(i, o), nn.ReLU())]
        self.discriminator = nn.Sequential(*hidden, nn.Linear(discriminator_width, 1))

    def encode(self, image: Tensor) -> Tensor:
        """Map images (B, 1, N, N) to codes (B, latent).

        Raises:
            ValueError: the images are of another size than the autoencoder was made for.
        """
        if image.shape[-1] != self.image_size or image.shape[-2] != self.image_size:
            raise ValueError(
                f"The autoencoder was made for {self.image_size} px and got {image.shape[-2]} x {image.shape[-1]}"
            )
        return self.encoder(image)

    def forward(self, image: Tensor) -> Tensor:
        """Return the reconstruction of images (B, 1, N, N), in (-1, 1)."""
        return self.decoder(self.encode(image))

    def judge(self, code: Tensor) -> Tensor:
        """Return the discriminator's logits (B, 1): positive where a code looks drawn from the prior."""
        return self.discriminator(code)


def _enlarging(inputs: int, outputs: int, size: int, target: int, kernel: int) -> nn.ConvTranspose2d:
    """Return the transposed convolution of stride 3 that maps ``size`` to ``target`` px."""
    for k in (kernel, _KERNEL):
        extra = target - ((size - 1) * _STRIDE - 2 * _PADDING + k)
        if 0 <= extra < _STRIDE:
            return nn.ConvTranspose2d(inputs, outputs, k, _STRIDE, _PADDING, output_padding=extra)
    raise ValueError(f"no decoder layer maps {size} px to {target} px")
