"""One sky through two telescopes, against lenstronomy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.alternate import Row, Size, alternate, config, timed, triple

if TYPE_CHECKING:  # they take seconds to import; --help shall not wait for them
    import numpy as np

    from lenssr.data.camera.telescope import Telescope
    from lenssr.data.sets.survey import SurveySource

__all__ = ["sky"]

TARGET = 3.0  # times lenstronomy's rate
RAYS = 4  # along a side of a pixel, for both of lenstronomy's images; here of the HR one's
PAIRS = {"hst_acs_f814w": "euclid_vis", "euclid_vis": "rubin_i"}


def sky(size: Size, folder: Path) -> list[Row]:
    """Noise-free pairs of 128 and 64 px, one lens with its light, a source and a neighbour.

    lenstronomy's objects are built once and kept. It traces the rays of each image, where here one pass serves both.
    """
    from lenssr.runs.build import build_data

    rows = []
    for hr, lr in PAIRS.items():
        words = [f"instrument@dataset.lr={lr}", f"instrument@dataset.hr={hr}", "task.data.classes=[no_sub]"]
        words += ["physics.star.probability=0", "physics.neighbour.probability=1"]
        source = build_data(config(folder, "dataset=survey", *words)).source
        found, more = _compared(source, size)
        cells = {"pair": f"{lr}, {hr}"}
        rows.append(Row(cells | more | {"target": f">= {TARGET}"}, {**cells, **found}))
    return rows


def _compared(source: SurveySource, size: Size) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the facts of a comparison, and its cells."""
    import numpy as np

    count = max(4, size.images // 4)
    table = source.table("train", count)
    for kind in ("lr", "hr"):  # of one seeing, so that lenstronomy's objects can be kept
        table[f"{kind}_psf_fwhm"] = getattr(source, kind).psf.typical
    records = table.to_dict("records")

    def ours() -> Iterable[Any]:
        return source.render(table)

    def theirs() -> Iterable[Any]:
        return _lenstronomy(source, records)

    expected = np.stack([hr for hr, _ in theirs()])  # warms up both, too
    inner = (slice(None), slice(32, -32), slice(32, -32))  # lenstronomy repeats the edges, where here light enters
    difference = np.abs(np.concatenate([hr for hr, _ in ours()]) - expected)[inner].max() / expected.max()
    found = alternate(source.lr.name, size.rounds, timed(ours, count), timed(theirs, count))
    rate, reference = found.rates("cpu")
    cells = {
        "lenssr, pairs/s": f"{rate:.1f}",
        "lenstronomy, pairs/s": f"{reference:.1f}",
        "ratio, CPU time": triple(found.ratio("cpu"), ".2f"),
        "max |difference| / peak": f"{difference:.0e}",
    }
    return {"max_difference_over_peak": float(difference), **found.facts()}, cells


def _lenstronomy(source: SurveySource, records: list[dict[str, Any]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the HR and the LR image of each row, counts a second of the HR telescope."""
    models = [_model(source.hr, source.image_size), _model(source.lr, source.image_size // source.scale)]
    for row in records:
        mass = {"gamma": row["slope"], "center_x": row["lens_x"], "center_y": row["lens_y"]}
        mass |= {key: row[key] for key in ("theta_E", "e1", "e2")}
        lens = [mass, {"gamma1": row["gamma1"], "gamma2": row["gamma2"]}]
        light = [_light(row, "source")], [_light(row, "deflector"), _light(row, "neighbour")]
        hr, lr = (model.image(lens, *light) for model in models)
        yield hr, lr


def _light(row: dict[str, Any], name: str) -> dict[str, float]:
    names = {"x": "center_x", "y": "center_y", "radius": "R_sersic", "index": "n_sersic", "amplitude": "amp"}
    return {names.get(key, key): row[f"{name}_{key}"] for key in (*names, "e1", "e2")}


def _model(telescope: Telescope, pixels: int) -> Any:
    import torch
    from lenstronomy.Data.imaging_data import ImageData
    from lenstronomy.Data.psf import PSF
    from lenstronomy.ImSim.image_model import ImageModel
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.LightModel.light_model import LightModel
    from lenstronomy.Util.simulation_util import data_configure_simple

    width, step = telescope.psf.typical, telescope.pixel_scale / RAYS
    if telescope.psf.type == "gaussian":
        psf = PSF("GAUSSIAN", fwhm=width, pixel_size=telescope.pixel_scale, truncation=5)
    else:
        side = 2 * int(telescope.psf.reach / step) + 1
        kernel = torch.fft.fftshift(telescope.psf.sampled(torch.tensor([width]).double(), side, step)[0]).numpy()
        psf = PSF("PIXEL", kernel_point_source=kernel, point_source_supersampling_factor=RAYS)
    grid = data_configure_simple(pixels, telescope.pixel_scale, 1000.0, 0.01, inverse=False)
    numerics = {"supersampling_factor": RAYS, "supersampling_convolution": True, "supersampling_kernel_size": None}
    return ImageModel(
        ImageData(**grid),
        psf,
        LensModel(["EPL", "SHEAR"]),
        LightModel(["SERSIC_ELLIPSE"]),
        LightModel(["SERSIC_ELLIPSE"] * 2),
        kwargs_numerics=numerics,
    )
