"""Simulating images, against lenstronomy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.alternate import Row, Size, alternate, config, timed, triple

if TYPE_CHECKING:  # they take seconds to import; --help shall not wait for them
    import numpy as np
    import pandas as pd

    from lenssr.data.sky.lensing import Instrument

__all__ = ["lenstronomy_images", "simulation"]

TARGETS = {"no_sub": 3.0, "cdm": 2.5, "axion": 3.5}  # times lenstronomy's rate


def lenstronomy_images(rows: list[dict[str, Any]], camera: Instrument, kept: bool) -> Iterator[np.ndarray]:
    """Yield the image of each row of the parameter table.

    Args:
        rows: of the table.
        camera: the camera.
        kept: build the camera and the profiles once, as a careful user would; else for every image, as the published
            simulator does.
    """
    built: dict[int, Any] = {}
    for row in rows:
        lens, source = _arguments(row)
        masses = len(lens) - 2
        if masses not in built or not kept:
            built[masses] = _build(camera, masses)
        yield built[masses].image(lens, [source])


def _build(camera: Instrument, masses: int) -> Any:
    from lenstronomy.Data.imaging_data import ImageData
    from lenstronomy.Data.psf import PSF
    from lenstronomy.ImSim.image_model import ImageModel
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.LightModel.light_model import LightModel
    from lenstronomy.Util.simulation_util import data_configure_simple

    # exposure time and background matter to noise alone, of which there is none
    pixels = data_configure_simple(camera.image_size, camera.pixel_scale, 1000.0, 0.01, inverse=False)
    psf = PSF("GAUSSIAN", fwhm=camera.psf_fwhm, pixel_size=camera.pixel_scale, truncation=camera.psf_truncation)
    lens_model = LensModel(["SIE", "SHEAR"] + ["POINT_MASS"] * masses)
    return ImageModel(ImageData(**pixels), psf, lens_model, LightModel(["SERSIC_ELLIPSE"]))


def _arguments(row: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return what lenstronomy calls the lens and the source of a row."""
    ellipsoid = {key: row[key] for key in ("theta_E", "e1", "e2")}
    masses = zip(row["subhalo_x"], row["subhalo_y"], row["subhalo_theta_E"], strict=True)
    lens = [
        {**ellipsoid, "center_x": row["lens_x"], "center_y": row["lens_y"]},
        {"gamma1": row["gamma1"], "gamma2": row["gamma2"]},
        *({"center_x": x, "center_y": y, "theta_E": theta} for x, y, theta in masses),
    ]
    names = {"x": "center_x", "y": "center_y", "radius": "R_sersic", "index": "n_sersic", "amplitude": "amp"}
    source = {names.get(key, key): row[f"source_{key}"] for key in (*names, "e1", "e2")}
    return lens, source


def simulation(size: Size, folder: Path) -> list[Row]:
    """Noise-free images of 150 px: lenssr in single precision, as it stores them, against lenstronomy in double.

    Its objects are rebuilt for every image, as the published simulator does, or kept.
    """
    from lenssr.data.sky.parameters import sample
    from lenssr.runs.build import build_data

    source = build_data(config(folder, "physics=deeplense", "dataset.image_size=150")).source
    rows = []
    for name, target in TARGETS.items():
        table = sample(source.physics, source.exposure_time, [name], source.seed, "train", size.images)
        for kept in (False, True):
            cells = {"class": name, "objects": "kept" if kept else "rebuilt"}
            found, more = _compared(table, source.instrument, kept, size)
            rows.append(Row(cells | more | {"target": "" if kept else f">= {target}"}, {**cells, **found}))
    return rows


def _compared(table: pd.DataFrame, camera: Instrument, kept: bool, size: Size) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the facts of a comparison, and its cells."""
    import numpy as np

    from lenssr.data.sets.simulated import simulate

    records = table.to_dict("records")

    def ours() -> Iterable[np.ndarray]:
        return simulate(table, camera)

    def theirs() -> Iterable[np.ndarray]:
        return lenstronomy_images(records, camera, kept)

    expected = np.stack(list(theirs()))  # warms up both, too
    difference = float(np.abs(np.concatenate(list(ours())) - expected).max() / expected.max())
    label = f"{table['class'].iloc[0]}, {'kept' if kept else 'rebuilt'}"
    found = alternate(label, size.rounds, timed(ours, size.images), timed(theirs, size.images))
    rate, reference = found.rates("cpu")
    cells = {
        "lenssr, images/s": f"{rate:.0f}",
        "lenstronomy, images/s": f"{reference:.0f}",
        "ratio, CPU time": triple(found.ratio("cpu"), ".2f"),
        "ratio, wall": triple(found.ratio("wall"), ".2f"),
        "max |difference| / peak": f"{difference:.0e}",
    }
    return {"max_difference_over_peak": difference, **found.facts()}, cells
