"""SwinIR, light size (Liang et al. 2021, arXiv:2108.10257): self-attention in shifted windows."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lenssr.models.upscale import check_scale

__all__ = ["SwinIR"]


def _relative_index(window: int) -> Tensor:
    """Return, for every pair of pixels in a window, the row of the position-bias table, int64 (w^2, w^2)."""
    axis = torch.arange(window)
    places = torch.stack(torch.meshgrid(axis, axis, indexing="ij")).flatten(1)
    offset = places[:, :, None] - places[:, None, :] + window - 1
    return offset[0] * (2 * window - 1) + offset[1]


def _split(x: Tensor, window: int) -> Tensor:
    """Cut (B, H, W, C) into windows (B * nH * nW, window^2, C)."""
    b, h, w, c = x.shape
    x = x.view(b, h // window, window, w // window, window, c)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, window**2, c)


def _join(windows: Tensor, window: int, h: int, w: int) -> Tensor:
    """Undo :func:`_split`."""
    c = windows.shape[-1]
    x = windows.view(-1, h // window, w // window, window, window, c)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, h, w, c)


def _shift_mask(h: int, w: int, window: int, shift: int, device: torch.device) -> Tensor:
    """Return which pairs of a rolled image's windows were neighbours before, bool (nH * nW, 1, w^2, w^2)."""
    region = torch.zeros(1, h, w, 1, device=device)
    edges = (slice(0, -window), slice(-window, -shift), slice(-shift, None))
    for i, rows in enumerate(edges):
        for j, columns in enumerate(edges):
            region[:, rows, columns] = 3 * i + j
    label = _split(region, window).squeeze(-1)
    return (label[:, None, :] == label[:, :, None]).unsqueeze(1)


class _Attention(nn.Module):
    """Multi-head self-attention inside windows, with a learned bias for relative positions."""

    def __init__(self, features: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.qkv = nn.Linear(features, 3 * features)
        self.out = nn.Linear(features, features)
        self.bias = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.bias, std=0.02)
        self.register_buffer("index", _relative_index(window), persistent=False)

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        n, tokens, c = windows.shape
        q, k, v = self.qkv(windows).view(n, tokens, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        bias = self.bias[self.index].permute(2, 0, 1).unsqueeze(0)  # type: ignore[index]
        if mask is not None:
            away = torch.zeros_like(mask, dtype=bias.dtype).masked_fill(~mask, -100.0)
            bias = (bias + away).repeat(n // mask.shape[0], 1, 1, 1)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        return self.out(x.transpose(1, 2).reshape(n, tokens, c))


class _Layer(nn.Module):
    """Attention and a two-layer perceptron, each after a layer norm and with a skip."""

    def __init__(self, features: int, heads: int, window: int, shift: int, ratio: float) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1, self.norm2 = nn.LayerNorm(features), nn.LayerNorm(features)
        self.attention = _Attention(features, heads, window)
        hidden = int(features * ratio)
        self.mlp = nn.Sequential(nn.Linear(features, hidden), nn.GELU(), nn.Linear(hidden, features))

    def forward(self, x: Tensor) -> Tensor:
        _, h, w, _ = x.shape
        y, mask = self.norm1(x), None
        if self.shift:
            y = torch.roll(y, (-self.shift, -self.shift), (1, 2))
            mask = _shift_mask(h, w, self.window, self.shift, x.device)
        y = _join(self.attention(_split(y, self.window), mask), self.window, h, w)
        if self.shift:
            y = torch.roll(y, (self.shift, self.shift), (1, 2))
        x = x + y
        return x + self.mlp(self.norm2(x))


class _Group(nn.Module):
    """Layers with and without shift in turn, a convolution, and a skip around all."""

    def __init__(self, features: int, depth: int, heads: int, window: int, ratio: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(_Layer(features, heads, window, window // 2 if i % 2 else 0, ratio) for i in range(depth))
        )
        self.tail = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.tail(self.layers(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


class SwinIR(nn.Module):
    """Shifted-window transformer for restoration; images are padded by reflection to whole windows.

    Args:
        scale: HR pixels per LR pixel, 1 to 4.
        features: channels.
        depths: layers of each group.
        heads: of the attention; divides ``features``.
        window: pixels along a side of a window.
        ratio: of the perceptron's hidden width to ``features``.

    Raises:
        ValueError: the heads do not divide the channels.
    """

    def __init__(self, scale: int, features: int, depths: list[int], heads: int, window: int, ratio: float) -> None:
        super().__init__()
        check_scale(scale)
        if features % heads:
            raise ValueError(f"features={features} is not a multiple of heads={heads}")
        self.scale, self.window, self.grid = scale, window, window
        self.head = nn.Conv2d(1, features, 3, padding=1)
        self.enter = nn.LayerNorm(features)
        self.groups = nn.Sequential(*(_Group(features, depth, heads, window, ratio) for depth in depths))
        self.leave = nn.LayerNorm(features)
        self.body_tail = nn.Conv2d(features, features, 3, padding=1)
        self.tail = nn.Sequential(nn.Conv2d(features, scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, lr: Tensor) -> Tensor:
        """Map (B, 1, h, w) to (B, 1, scale * h, scale * w)."""
        h, w = lr.shape[-2:]
        shallow = self.head(self._padded(lr))
        x = self.groups(_normalised(shallow, self.enter))
        x = shallow + self.body_tail(_normalised(x, self.leave))
        return self.tail(x)[..., : h * self.scale, : w * self.scale]

    def _padded(self, lr: Tensor) -> Tensor:
        # twice the window at least, so that a shifted window has a neighbour
        h, w = lr.shape[-2:]
        for dim, size in ((-2, h), (-1, w)):
            wanted = max(2, -(-size // self.window)) * self.window
            while lr.shape[dim] < wanted:
                more = min(wanted - lr.shape[dim], lr.shape[dim])
                lr = torch.cat([lr, lr.flip(dim).narrow(dim, 0, more)], dim)
        return lr


def _normalised(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    """Apply a layer norm over the channels of (B, C, H, W)."""
    return norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
