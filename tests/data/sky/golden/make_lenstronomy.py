"""Lens images as lenstronomy 1.14.2 makes them, kept in ``lenstronomy.npz`` beside this script.

``python tests/data/sky/golden/make_lenstronomy.py`` writes the file anew. It holds, for every case, ``<case>/image``
(float32), ``<case>/grid`` (pixels along a side, supersampling), ``<case>/scalars`` (named by ``SCALARS``) and
``<case>/subhaloes`` (x, y, Einstein radius; arcsec). Nothing of lenssr is used here.
"""

from pathlib import Path

import numpy as np

PATH = Path(__file__).with_name("lenstronomy.npz")
PIXEL_SCALE, FWHM, TRUNCATION = 0.05, 0.087, 4.0  # arcsec, arcsec, standard deviations
SCALARS = [
    "theta_E",
    "lens_x",
    "lens_y",
    "e1",
    "e2",
    "gamma1",
    "gamma2",
    "source_x",
    "source_y",
    "source_e1",
    "source_e2",
    "source_radius",
    "source_index",
    "source_amplitude",
]


def image(scalars, subhaloes, size, supersampling, truncated=None):
    """Return the noise-free image (size, size), flux per pixel and unit time, float64.

    ``truncated``: arguments of lenstronomy's TNFW profile, one mapping a halo; None: the sub-haloes are points.
    """
    from lenstronomy.Data.imaging_data import ImageData
    from lenstronomy.Data.psf import PSF
    from lenstronomy.ImSim.image_model import ImageModel
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.LightModel.light_model import LightModel
    from lenstronomy.Util import simulation_util

    p = dict(zip(SCALARS, map(float, scalars), strict=True))
    lens = [
        {"theta_E": p["theta_E"], "e1": p["e1"], "e2": p["e2"], "center_x": p["lens_x"], "center_y": p["lens_y"]},
        {"gamma1": p["gamma1"], "gamma2": p["gamma2"]},
        *(truncated or ({"theta_E": t, "center_x": x, "center_y": y} for x, y, t in subhaloes.T)),
    ]
    source = {
        "amp": p["source_amplitude"],
        "R_sersic": p["source_radius"],
        "n_sersic": p["source_index"],
        "e1": p["source_e1"],
        "e2": p["source_e2"],
        "center_x": p["source_x"],
        "center_y": p["source_y"],
    }
    data = ImageData(**simulation_util.data_configure_simple(size, PIXEL_SCALE, 1000.0, 0.01, inverse=False))
    model = ImageModel(
        data,
        PSF(psf_type="GAUSSIAN", fwhm=FWHM, pixel_size=PIXEL_SCALE, truncation=TRUNCATION),
        lens_model_class=LensModel(["SIE", "SHEAR"] + ["TNFW" if truncated else "POINT_MASS"] * subhaloes.shape[1]),
        source_model_class=LightModel(["SERSIC_ELLIPSE"]),
        kwargs_numerics={"supersampling_factor": supersampling, "supersampling_convolution": supersampling > 1},
    )
    return model.image(kwargs_lens=lens, kwargs_source=[source])


def _substructure(name, rng, lens_x, lens_y):
    if name == "no_sub":
        return np.zeros((3, 0))
    if name == "axion":  # 100 equal masses on a line through the lens
        along, angle = np.linspace(-0.6, 0.6, 100), rng.uniform(0, 2 * np.pi)
        return np.stack([lens_x + along * np.cos(angle), lens_y + along * np.sin(angle), np.full(100, 0.0222)])
    angle, radius = rng.uniform(0, 2 * np.pi, 25), rng.uniform(0.25, 2.0, 25)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), 10 ** rng.uniform(-2.9, -0.9, 25)])


def cases():
    """Yield (name, scalars, subhaloes, size, supersampling)."""
    rng = np.random.default_rng(20230)
    for size in (150, 64, 75):
        for name in ("no_sub", "axion", "cdm"):  # the published model: one lens, one source that moves
            position = rng.uniform(-0.35, 0.35, 2)
            scalars = [1.28149, 0, 0, 0.1, 0, 0.05, 0, *position, -0.1, 0.1, 0.25, 1.0, 20.0]
            yield f"deeplense-{size}-{name}", np.array(scalars), _substructure(name, rng, 0, 0), size, 1
    for size in (64, 75):
        for name in ("no_sub", "axion", "cdm"):  # everything varies
            lens = [rng.uniform(0.9, 1.6), *rng.normal(0, 0.02, 2), *rng.normal(0, 0.1, 2), *rng.normal(0, 0.04, 2)]
            place = [*rng.uniform(-0.35, 0.35, 2), *rng.normal(0, 0.15, 2)]
            light = [rng.uniform(0.12, 0.4), rng.uniform(0.7, 2.5), rng.uniform(10, 40)]
            scalars = np.array([*lens, *place, *light])
            yield f"corrected-{size}-{name}", scalars, _substructure(name, rng, *lens[1:3]), size, 4


if __name__ == "__main__":
    arrays = {}
    for case, scalars, subhaloes, size, supersampling in cases():
        arrays[f"{case}/image"] = image(scalars, subhaloes, size, supersampling).astype(np.float32)
        arrays[f"{case}/grid"] = np.array([size, supersampling])
        arrays[f"{case}/scalars"], arrays[f"{case}/subhaloes"] = scalars, subhaloes
    np.savez_compressed(PATH, **arrays)
    print(f"{len(arrays) // 4} images, {PATH.stat().st_size / 1e6:.2f} MB")
