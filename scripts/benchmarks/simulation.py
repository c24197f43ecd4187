"""Simulating images, against lenstronomy."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.alternate import Row, Size, alternate, config, timed, triple

if TYPE_CHECKING:  # they take seconds to import; --help shall not wait for them
    import numpy as np

    from lenssr.data.lensing import Instrument

__all__ = ["lenstronomy_image", "simulation"]

TARGETS = {"no_sub": 3.0, "cdm": 2.5, "axion": 3.5}  # times lenstronomy's rate


def lenstronomy_image(row: dict[str, Any], camera: Instrument) -> np.ndarray:
    """Return the image of one row of the parameter table, everything built anew as the published simulator does."""
    from lenstronomy.Data.imaging_data import ImageData
    from lenstronomy.Data.psf import PSF
    from lenstronomy.ImSim.image_model import ImageModel
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.LightModel.light_model import LightModel
    from lenstronomy.Util.simulation_util import data_configure_simple

    ellipsoid = {key: row[key] for key in ("theta_E", "e1", "e2")}
    masses = zip(row["subhalo_x"], row["subhalo_y"], row["subhalo_theta_E"], strict=True)
    lens = [
        {**ellipsoid, "center_x": row["lens_x"], "center_y": row["lens_y"]},
        {"gamma1": row["gamma1"], "gamma2": row["gamma2"]},
        *({"center_x": x, "center_y": y, "theta_E": theta} for x, y, theta in masses),
    ]
    names = {"x": "center_x", "y": "center_y", "radius": "R_sersic", "index": "n_sersic", "amplitude": "amp"}
    source = {names.get(key, key): row[f"source_{key}"] for key in (*names, "e1", "e2")}
    # exposure time and background matter to noise alone, of which there is none
    pixels = data_configure_simple(camera.image_size, camera.pixel_scale, 1000.0, 0.01, inverse=False)
    psf = PSF("GAUSSIAN", fwhm=camera.psf_fwhm, pixel_size=camera.pixel_scale, truncation=camera.psf_truncation)
    lens_model = LensModel(["SIE", "SHEAR"] + ["POINT_MASS"] * (len(lens) - 2))
    model = ImageModel(ImageData(**pixels), psf, lens_model, LightModel(["SERSIC_ELLIPSE"]))
    return model.image(lens, [source])


def simulation(size: Size, folder: Path) -> list[Row]:
    """Noise-free images of 150 px: lenssr against lenstronomy, objects rebuilt for every image."""
    import numpy as np

    from lenssr.build import build_data
    from lenssr.data.parameters import sample
    from lenssr.data.simulate import simulate

    source = build_data(config(folder, "physics=deeplense", "dataset.image_size=150")).source
    rows = []
    for name, target in TARGETS.items():
        table = sample(source.physics, source.exposure_time, [name], source.seed, "train", size.images)
        records = table.to_dict("records")

        def ours(table: Any = table) -> Iterable[np.ndarray]:
            return simulate(table, source.instrument)

        def theirs(records: Any = records) -> Iterable[np.ndarray]:
            return (lenstronomy_image(row, source.instrument) for row in records)

        expected = np.stack(list(theirs()))  # warms up both, too
        difference = float(np.abs(np.concatenate(list(ours())) - expected).max() / expected.max())
        found = alternate(name, size.rounds, timed(ours, size.images), timed(theirs, size.images))
        rate, reference = found.rates("cpu")
        cells = {
            "class": name,
            "lenssr, images/s": f"{rate:.0f}",
            "lenstronomy, images/s": f"{reference:.0f}",
            "ratio, CPU time": triple(found.ratio("cpu"), ".2f"),
            "ratio, wall": triple(found.ratio("wall"), ".2f"),
            "target": f">= {target}",
            "max |difference| / peak": f"{difference:.0e}",
        }
        facts = {"class": name, "target": target, "max_difference_over_peak": difference, **found.facts()}
        rows.append(Row(cells, facts))
    return rows
