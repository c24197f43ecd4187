"""Which pixels of which images make a batch, and how they come to the device that computes with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lenssr.data.camera.observe import Window
from lenssr.data.sets.store import ImageSet

__all__ = ["Arrangement", "Pixels", "sent", "window_of"]


def sent(values: Tensor, device: torch.device) -> Tensor:
    """Return a tensor of the CPU's on a device, without waiting for what the device does meanwhile."""
    if device.type == "cpu":
        return values
    return (values.pin_memory() if device.type == "cuda" else values).to(device, non_blocking=True)


def window_of(images: Tensor, window: Window, factor: int) -> Tensor:
    """Return a window of each image (B, H, W), which is binned by ``factor``."""
    size = window.size // factor
    places = [(row // factor, column // factor) for row, column in window.places()]
    return torch.stack([image[r : r + size, c : c + size] for image, (r, c) in zip(images, places, strict=True)])


class Pixels:
    """Cuts windows out of a split's images.

    Args:
        images: the split.
        device: where the cut-outs shall be.
        resident: whether all images are kept there.
    """

    def __init__(self, images: ImageSet, device: torch.device, resident: bool) -> None:
        self.images, self.device = images.images, device
        self._all = torch.from_numpy(np.array(images.images)).to(device) if resident else None

    @property
    def size(self) -> int:
        """Pixels along a side of a whole image."""
        return int(self.images.shape[-1])

    def cut(self, index: Tensor, window: Window, numbers: Sequence[int] = ()) -> Tensor:
        """Return the images ``index`` (int64, B) in a window, (B, size, size)."""
        if self._all is not None:
            offset = torch.arange(window.size, device=self.device)
            rows = (window.row.view(-1, 1) + offset).unsqueeze(2)
            columns = (window.column.view(-1, 1) + offset).unsqueeze(1)
            return self._all[index.view(-1, 1, 1), rows, columns]
        size, places = window.size, zip(numbers or index.tolist(), window.places(), strict=True)
        cut = np.stack([self.images[i, r : r + size, c : c + size] for i, (r, c) in places])
        return sent(torch.from_numpy(cut), self.device)


@dataclass(frozen=True)
class Arrangement:
    """Which samples, and where in them: made on the CPU, and sent to the device at once.

    Attributes:
        index: rows of the set, int64 (B,), on the device, as is all but ``rows``.
        window: what is cut out of each.
        epoch: of the noise, (B, 1, 1) or one for all.
        rows: the index as numbers.
    """

    index: Tensor
    window: Window
    epoch: Tensor | int
    rows: Sequence[int] = ()
