"""Reading a stored set at random, against a file an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.alternate import Row, Size, alternate, config, timed, triple

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["reading"]

BATCH = 32  # images read together


def reading(size: Size, folder: Path) -> list[Row]:
    """Random batches of whole images, page cache warm: the memory-mapped set against a .npy file an image."""
    import numpy as np
    import torch

    from lenssr.data.camera.observe import Window
    from lenssr.runs.build import build_data

    splits = f"dataset.source.splits={{train:{size.stored},validation:1,test:1}}"
    data = build_data(config(folder, splits, "dataset.source.classes=[no_sub]", "loader.resident=false"))
    reader = data.reader("train", torch.device("cpu"))
    files = [folder / f"{i}.npy" for i in range(size.stored)]
    for path, image in zip(files, reader.images.images, strict=True):
        np.save(path, image)
    drawn = torch.from_numpy(np.random.default_rng(0).integers(size.stored, size=(size.batches, BATCH)))
    corner = torch.zeros(BATCH, dtype=torch.int64)
    window = Window(corner, corner, reader.image_size, reader.image_size)

    def ours(index: Tensor) -> Tensor:
        return reader._pixels.cut(index, window)  # read() would add noise, which is no matter of storage

    def theirs(index: Tensor) -> Tensor:
        return torch.from_numpy(np.stack([np.load(files[i]) for i in index.tolist()]))

    # this also brings every page that will be read into the page cache
    identical = all(torch.equal(ours(index), theirs(index)) for index in drawn)
    sides = [timed(lambda read=read: map(read, drawn), drawn.numel()) for read in (ours, theirs)]
    found = alternate("random reads", 2 * size.rounds + 1, *sides)
    rate, reference = found.rates("cpu")
    cells = {
        "images": str(size.stored),
        "batch": str(BATCH),
        "memory-mapped, images/s": f"{rate:.0f}",
        "a .npy each, images/s": f"{reference:.0f}",
        "ratio, CPU time": triple(found.ratio("cpu"), ".2f"),
        "ratio, wall": triple(found.ratio("wall"), ".2f"),
        "identical": "yes" if identical else "NO",
    }
    return [Row(cells, {"images": size.stored, "batch": BATCH, "identical": identical, **found.facts()})]
