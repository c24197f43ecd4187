"""Conditional U-Net for diffusion, on any image size."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lenssr.models.interpolation import enlarged
from lenssr.models.spread import Spread

__all__ = ["UNet"]


class UNet(nn.Module):
    """Sees noisy image, LR image and a guess side by side; diffusers' UNet2DModel inside.

    Args:
        widths: channels of each level; each but the first halves the size.
        layers: residual blocks a level.
        attention: whether the lowest level has self-attention.

    Attributes:
        spread: rms of what is learnt, set by the task before training.
    """

    def __init__(self, widths: list[int], layers: int, attention: bool) -> None:
        super().__init__()
        from diffusers import UNet2DModel

        levels = len(widths)
        self.multiple = self.grid = 2 ** (levels - 1)
        self.spread = Spread()
        body: Any = UNet2DModel(
            in_channels=3,
            out_channels=1,
            block_out_channels=tuple(widths),
            layers_per_block=layers,
            down_block_types=("DownBlock2D",) * levels,
            up_block_types=("UpBlock2D",) * levels,
            norm_num_groups=8,
            add_attention=attention,
        )
        self.body = body.to(memory_format=torch.channels_last)  # a quarter faster on a CPU

    def forward(self, noisy: Tensor, time: Tensor, lr: Tensor, guess: Tensor) -> Tensor:
        """Return velocity or noise.

        Args:
            noisy: (B, 1, H, W).
            time: 1 (noise) to 0 (data), (B,).
            lr: (B, 1, h, w).
            guess: of the image, (B, 1, H, W).
        """
        height, width = noisy.shape[-2:]
        seen = torch.cat([noisy, enlarged(lr, noisy), guess], dim=1)
        pad = (0, -width % self.multiple, 0, -height % self.multiple)
        padded = F.pad(seen, pad, mode="replicate").contiguous(memory_format=torch.channels_last)
        told = self.body(padded, 1000 * time).sample
        return told[..., :height, :width]
