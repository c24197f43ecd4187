"""Which structure of the truth an image holds, by spatial frequency.

Power alone is blind: another image of the set has the right power everywhere. What counts is the power in common with
the truth: the transfer P_xt / P_tt (1: structure is as strong as it should be) and the coherence |P_xt|^2 / (P_xx P_tt)
(1: it is the truth's structure, 0: it is none of it), both of powers averaged over rings of frequency.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric

from lenssr.data.batches import Batch

__all__ = ["FLOOR", "Spectrum", "coherence", "cross_power", "radial_power", "resolution", "transfer"]

FLOOR = 1e-10  # of the truth's strongest ring: below, its power is what float32 leaves, and a ratio means nothing
_HALF = 0.5


def radial_power(image: Tensor) -> Tensor:
    """Return the azimuthally averaged power spectrum, (B, N // 2), at 1, 2, ... N // 2 cycles an image side.

    The mean is removed first and no window is applied: the arcs lie well inside the image.
    """
    return cross_power(image, image)


def cross_power(image: Tensor, other: Tensor) -> Tensor:
    """Return the same of the product of one image's Fourier modes and the other's conjugate; its real part."""
    size = image.shape[-1]
    one = _modes(image)
    power = (one * (one if other is image else _modes(other)).conj()).real
    frequency = torch.fft.fftfreq(size, d=1.0 / size, device=image.device, dtype=torch.float64)
    ring = torch.hypot(frequency.view(-1, 1), frequency.view(1, -1)).round().long().flatten()
    bins = size // 2
    kept = (ring >= 1) & (ring <= bins)
    index = ring[kept] - 1
    summed = torch.zeros(len(image), bins, dtype=torch.float64, device=image.device)
    summed.index_add_(1, index, power.flatten(1)[:, kept])
    return summed / torch.bincount(index, minlength=bins)


def _modes(image: Tensor) -> Tensor:
    return torch.fft.fft2(image.double() - image.double().mean(dim=(-2, -1), keepdim=True))


def _meaningful(truth: Tensor) -> Tensor:
    return truth > FLOOR * truth.amax(-1, keepdim=True)


def coherence(cross: Tensor, power: Tensor, truth: Tensor) -> Tensor:
    """Return |P_xt|^2 / (P_xx P_tt) of powers (..., F); NaN where the truth has none above the numerical floor."""
    found = cross.square() / (power * truth).clamp(min=torch.finfo(torch.float64).tiny)
    return torch.where(_meaningful(truth), found, torch.nan)


def transfer(cross: Tensor, truth: Tensor) -> Tensor:
    """Return P_xt / P_tt of powers (..., F); NaN where the truth has none above the numerical floor."""
    return torch.where(_meaningful(truth), cross / truth, torch.nan)


def _smooth(power: Tensor) -> Tensor:
    """Return the mean over three neighbouring rings: the innermost hold a handful of modes."""
    return F.avg_pool1d(F.pad(power.unsqueeze(1), (1, 1), mode="replicate"), 3, stride=1).squeeze(1)


def resolution(image: Tensor, truth: Tensor, scale: int) -> Tensor:
    """Return the frequency at which the coherence with the truth falls to one half, in LR Nyquist frequencies, (B,).

    The effective resolution: 1 is that of the LR pixels, ``scale`` that of the HR pixels, which is the most.

    Args:
        image: (B, H, W).
        truth: noise-free, the same shape.
        scale: HR pixels per LR pixel.
    """
    cross, power, true = (_smooth(cross_power(*pair)) for pair in ((image, truth), (image, image), (truth, truth)))
    found = coherence(cross, power, true).nan_to_num(0.0)
    below = F.pad(found, (0, 1)) < _HALF  # beyond the last ring there is nothing
    first = below.int().argmax(-1)
    before, here = (F.pad(found, (1, 1)).gather(1, (first + k).unsqueeze(1))[:, 0] for k in (0, 1))
    before = torch.where(first == 0, 1.0, before)
    part = (before - _HALF) / (before - here).clamp(min=1e-12)
    return (first + part.clamp(0, 1)) / (image.shape[-1] / (2 * scale))


class Spectrum(Metric):
    """Mean spectra of all images: power, and transfer and coherence with the truth where it is known.

    Args:
        pixel_scale: of the HR images, in arcsec.
    """

    full_state_update = False
    count: Tensor

    def __init__(self, pixel_scale: float) -> None:
        super().__init__()
        self.pixel_scale, self.size = pixel_scale, 0
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, images: dict[str, Tensor | None], batch: Batch) -> None:
        """Add a batch of images (B, 1, H, W) by name; ``ceiling`` is the truth itself."""
        self.count = self.count.to(batch["hr"].device) + len(batch["index"])
        self.size = batch["hr"].shape[-1]
        for name, image in {**images, "hr": batch["hr"]}.items():
            if image is not None:
                self._add(f"power_{name}", radial_power(image[:, 0]))
                if "truth" in batch:
                    self._add(f"cross_{name}", cross_power(image[:, 0], batch["truth"][:, 0]))
        if "truth" in batch:
            self._add("power_truth", radial_power(batch["truth"][:, 0]))

    def _add(self, state: str, power: Tensor) -> None:
        if state not in self._defaults:
            self.add_state(state, torch.zeros_like(power[0]), dist_reduce_fx="sum")
        setattr(self, state, getattr(self, state) + power.sum(0))

    def compute(self) -> pd.DataFrame:
        """Return ``cycles_per_arcsec``, the mean power of each name, and ``transfer/``, ``coherence/`` of each."""
        frequency = np.arange(1, self.size // 2 + 1) / (self.size * self.pixel_scale)
        sums = {state: getattr(self, state) / self.count for state in self._defaults if state != "count"}
        columns = {state[len("power_") :]: sums[state] for state in sums if state.startswith("power_")}
        columns.pop("ceiling", None)
        true = columns.get("truth")
        for name in [name for name in columns if f"cross_{name}" in sums]:
            assert true is not None  # the cross power is with it
            columns[f"transfer/{name}"] = transfer(sums[f"cross_{name}"], true)
            columns[f"coherence/{name}"] = coherence(sums[f"cross_{name}"], columns[name], true)
        return pd.DataFrame({"cycles_per_arcsec": frequency, **{n: v.cpu().numpy() for n, v in columns.items()}})
