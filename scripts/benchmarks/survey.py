"""Upscaling many cutouts: as a stream of batches, against an image at a time with its eight turns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.alternate import Row, Size, alternate, config, timed, triple

__all__ = ["survey"]

CUTOUT = 64  # pixels along a side


def survey(size: Size, folder: Path) -> list[Row]:
    """FITS cutouts through the main job's RDN, read, upscaled and written: a stream against one after the other."""
    import numpy as np
    from astropy.io import fits

    from lenssr.data.files.images import read
    from lenssr.inference.destinations import Folder
    from lenssr.inference.product import write_fits
    from lenssr.inference.stream import inputs_of
    from lenssr.inference.survey import survey as stream
    from lenssr.inference.upscale import opened, products
    from lenssr.train import train

    small = ["dataset.source.splits={train:8,validation:2,test:2}", "trainer.max_steps=2", "trainer.validations=1"]
    run = train(config(folder, "model=rdn", "trainer.accelerator=cpu", *small)).folder
    rng, paths = np.random.default_rng(0), []
    y, x = np.mgrid[:CUTOUT, :CUTOUT] - CUTOUT / 2
    for i in range(size.images):
        ring = np.exp(-0.5 * ((np.hypot(x, y) - 14) / 2) ** 2) + rng.normal(0, 0.1, (CUTOUT, CUTOUT))
        paths.append(folder / f"c{i}.fits")
        fits.PrimaryHDU(ring.astype(np.float32)).writeto(paths[-1])
    network = opened(run, "cpu", None, symmetry=False)

    def ours() -> Iterator[object]:
        yield stream(network, inputs_of(paths), read, Folder(folder / "ours", overwrite=True))

    turning = opened(run, "cpu", None, symmetry=True)

    def theirs() -> Iterator[object]:
        for path in paths:
            ((_, product),) = products(turning, read(path), lambda number, part, note: None)
            yield write_fits(product, folder / f"{path.stem}_sr.fits")

    found = alternate("cutouts", size.rounds, *(timed(side, len(paths)) for side in (ours, theirs)))
    rate, reference = found.rates("cpu")
    cells = {
        "cutouts": f"{len(paths)} of {CUTOUT} px",
        "stream, images/CPU-s": f"{rate:.1f}",
        "one by one, images/CPU-s": f"{reference:.1f}",
        "ratio, CPU time": triple(found.ratio("cpu"), ".2f"),
        "ratio, wall": triple(found.ratio("wall"), ".2f"),
    }
    return [Row(cells, {"images": len(paths), "pixels": CUTOUT, **found.facts()})]
