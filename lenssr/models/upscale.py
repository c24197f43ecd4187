"""The ways to more pixels that several architectures share."""

from __future__ import annotations

from torch import nn

__all__ = ["check_scale", "shuffle_upscale"]


def check_scale(scale: int) -> None:
    """Refuse a scale that no architecture here knows.

    Raises:
        ValueError: the scale is none of 1, 2, 3, 4.
    """
    if isinstance(scale, bool) or scale not in (1, 2, 3, 4):
        raise ValueError(f"scale={scale} is none of 1, 2, 3, 4")


def shuffle_upscale(features: int, scale: int, activation: bool = False) -> nn.Sequential:
    """Return 3x3 convolutions and pixel shuffles (arXiv:1609.05158) that keep ``features``; 4 is 2 twice.

    Args:
        features: channels in and out.
        scale: 1 to 4.
        activation: add a PReLU after each shuffle.

    Raises:
        ValueError: see :func:`check_scale`.
    """
    check_scale(scale)
    layers: list[nn.Module] = []
    for factor in {1: [], 4: [2, 2]}.get(scale, [scale]):
        layers += [nn.Conv2d(features, features * factor**2, 3, padding=1), nn.PixelShuffle(factor)]
        if activation:
            layers.append(nn.PReLU(features))
    return nn.Sequential(*layers)
