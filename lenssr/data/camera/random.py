"""Random numbers by address: every sample, pixel and epoch has its own, whatever asks for it.

Philox-4x32-10 (Salmon et al. 2011, doi:10.1145/2063384.2063405) maps a 128-bit counter and a 64-bit key
to four 32-bit words. The address of a number is its counter, so sample *i* is the same whatever the batch
size, the crop, the worker count or the device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

__all__ = ["normal", "philox", "poisson", "uniform"]

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_MASK = 0xFFFFFFFF
_TOGETHER = 1 << 16  # words that are made at once on a CPU
# below this rate a Poisson number is found by summation, above it by an asymptotic quantile
_SUMMATION_LIMIT = 12.0
# the largest number that the summation gives: at that rate, for the largest uniform number there is, 1 - 2^-24
_STEPS = 34


def philox(
    counter: tuple[Tensor | int, Tensor | int, Tensor | int, Tensor | int], key: tuple[int, int]
) -> list[Tensor]:
    """Return the four 32-bit words, as int64 tensors, of counters that broadcast against each other.

    Args:
        counter: four integers or int64 tensors in [0, 2^32).
        key: two integers, of which the lower 32 bits are used.
    """
    if all(c.device.type == "cpu" for c in counter if isinstance(c, Tensor)):
        return _in_cache(counter, key)
    return in_steps(counter, key)


def in_steps(counter: Sequence[Tensor | int], key: tuple[int, int]) -> list[Tensor]:
    """Return the same on any device, all words at once."""
    c0, c1, c2, c3 = counter  # numbers stay numbers: as tensors they would have to be sent to the device, one by one
    k0, k1 = key[0] & _MASK, key[1] & _MASK
    for _ in range(10):
        # the product wraps in int64; its bits are those of the unsigned product
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            ((p1 >> 32) & _MASK) ^ c1 ^ k0,
            p1 & _MASK,
            ((p0 >> 32) & _MASK) ^ c3 ^ k1,
            p0 & _MASK,
        )
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return [c0, c1, c2, c3]  # type: ignore[list-item]  # each has met every tensor by now


def _in_cache(counter: Sequence[Tensor | int], key: tuple[int, int]) -> list[Tensor]:
    """Return the same on a CPU by numpy's unsigned numbers, as many at once as its cache holds: four times as fast."""
    shape = torch.broadcast_shapes(*(c.shape for c in counter if isinstance(c, Tensor)))
    rows = shape or (1,)
    parts = [torch.as_tensor(c).expand(shape).reshape(rows) for c in counter]
    found = [np.empty(rows, np.int64) for _ in parts]
    step = max(1, _TOGETHER * rows[0] // max(1, math.prod(rows)))
    for first in range(0, rows[0], step):
        place = slice(first, first + step)
        for words, made in zip(found, _rounds([part[place].numpy() for part in parts], key), strict=True):
            words[place] = made
    return [torch.from_numpy(words).view(shape) for words in found]


def _rounds(counter: list[np.ndarray], key: tuple[int, int]) -> list[np.ndarray]:
    c0, c1, c2, c3 = (part.astype(np.uint32) for part in counter)
    k0, k1 = key[0] & _MASK, key[1] & _MASK
    for _ in range(10):
        p0, p1 = (c.astype(np.uint64) * np.uint64(m) for c, m in zip((c0, c2), _MULTIPLIERS, strict=True))
        high0, high1 = ((p >> np.uint64(32)).astype(np.uint32) for p in (p0, p1))
        c0, c1 = high1 ^ c1 ^ np.uint32(k0), p1.astype(np.uint32)
        c2, c3 = high0 ^ c3 ^ np.uint32(k1), p0.astype(np.uint32)
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return [c0, c1, c2, c3]


def uniform(word: Tensor) -> Tensor:
    """Map 32-bit words to float32 in the open interval (0, 1)."""
    return ((word.to(torch.float32) + 0.5) * 2.0**-32).clamp_(max=1.0 - 2.0**-24)


def normal(word: Tensor) -> Tensor:
    """Map 32-bit words to standard normal numbers, by the inverse of the distribution function."""
    # the difference from 2^31 is exact in float64, which keeps both tails alike
    return torch.special.ndtri((word.to(torch.float64) + 0.5) * 2.0**-32).to(torch.float32)


def poisson(rate: Tensor, word: Tensor) -> Tensor:
    """Return Poisson numbers of the given rates (>= 0): the quantile at the uniform number of each word.

    Rates of 12 and more use the asymptotic quantile of Giles (2016, doi:10.1145/2699466), eq. for Q_N2,
    whose floor differs from the exact quantile in about one number in a thousand, then by one.
    """
    u = uniform(word)
    u, rate = torch.broadcast_tensors(u, rate)
    w = normal(word).expand_as(rate)
    root = rate.clamp(min=_SUMMATION_LIMIT).sqrt()
    large = rate + root * w + (2.0 + w * w) / 6.0 - w * (2.0 + w * w) / (72.0 * root)
    out = large.floor_().clamp_(min=0)  # far in the lower tail the expansion falls below zero
    small = rate < _SUMMATION_LIMIT
    if rate.device.type != "cpu":  # where asking which, or whether all are done, would wait for the device
        return torch.where(small, _poisson_in_steps(rate.clamp(max=_SUMMATION_LIMIT), u), out)
    out[small] = _poisson_by_summation(rate[small], u[small])
    return out


def _poisson_in_steps(rate: Tensor, u: Tensor) -> Tensor:
    """Return what :func:`_poisson_by_summation` does, after as many steps as the largest number takes."""
    lam, u = rate.double(), u.double()
    term = torch.exp(-lam)
    total = term.clone()
    count = torch.zeros_like(lam)
    for k in range(1, _STEPS + 1):
        count += u > total
        term *= lam / k
        total += term
    return count.to(rate.dtype)


def _poisson_by_summation(rate: Tensor, u: Tensor) -> Tensor:
    out = torch.zeros_like(rate)
    active = torch.nonzero(rate > 0).squeeze(-1)
    lam, u = rate[active].double(), u[active].double()
    term = torch.exp(-lam)
    total = term.clone()
    count = torch.zeros_like(lam)
    k = 0
    while active.numel():
        k += 1
        below = u > total
        count += below
        term *= lam / k
        total += term
        if not bool(below.any()) or k > 80:
            break
    out[active] = count.to(out.dtype)
    return out
