"""One sky through two telescopes, against lenstronomy's SimulationAPI."""

import numpy as np
import pytest
import torch

from lenssr.config.compose import compose, plain
from lenssr.config.groups import CONFIGS
from lenssr.data.camera.telescope import Telescope
from lenssr.data.sets.simulated import as_tensors
from lenssr.data.sets.survey import observed_by
from lenssr.runs.build import build_data

INSTRUMENTS = sorted(path.stem for path in (CONFIGS / "instrument").glob("*.yaml"))
PAIRS = {"euclid_vis": "hst_acs_f814w", "rubin_i": "euclid_vis", "kids_r": "euclid_vis"}
SIZE, RAYS = 32, 4


def node(name, **changes):
    from omegaconf import OmegaConf

    return {**OmegaConf.to_container(OmegaConf.load(CONFIGS / "instrument" / f"{name}.yaml")), **changes}


def built(tmp_path, *more):
    words = ["model=rdn", "dataset=survey", f"paths.outputs={tmp_path}", "dataset.image_size=48", "loader.patch=32"]
    words += ["task.data.classes=[no_sub]", "scale.dataset={train: 4, validation: 2, test: 3}"]
    return build_data(plain(compose([*words, *more])))


def table(count=2, split="test", zero_point=25.0, pixel=0.1, field=4.0):
    from lenssr.data.sky.population import population

    physics = plain(compose(["model=rdn", "dataset=survey"]))["physics"]
    physics["neighbour"]["probability"], physics["star"]["probability"] = 1.0, 0.0
    return population(physics, ["no_sub"], 3, split, count, zero_point, pixel, field)


def single_band(telescope, fwhm):
    from lenstronomy.SimulationAPI.sim_api import SimAPI

    psf = {"psf_type": "GAUSSIAN", "seeing": fwhm}
    if telescope.psf.type != "gaussian":
        step = telescope.pixel_scale / RAYS
        side = 2 * int(telescope.psf.reach / step) + 1
        kernel = telescope.psf.sampled(torch.tensor([fwhm], dtype=torch.float64), side, step)[0]
        psf = {"psf_type": "PIXEL", "kernel_point_source": torch.fft.fftshift(kernel).numpy()}
        psf["point_source_supersampling_factor"] = RAYS
    band = {
        "pixel_scale": telescope.pixel_scale,
        "exposure_time": telescope.exposure_time,
        "num_exposures": telescope.exposures,
        "magnitude_zero_point": telescope.zero_point,
        "read_noise": telescope.read_noise,
        "ccd_gain": telescope.gain,
        "sky_brightness": telescope.typical()["sky_brightness"],
        **psf,
    }
    model = {
        "lens_model_list": ["EPL", "SHEAR"],
        "source_light_model_list": ["SERSIC_ELLIPSE"],
        "lens_light_model_list": ["SERSIC_ELLIPSE", "SERSIC_ELLIPSE"],
    }
    return SimAPI(SIZE, band, model)


def reference(api, row, size=None):
    """Return what lenstronomy makes of a row, counts a second."""

    def light(name):
        pairs = {"R_sersic": "radius", "n_sersic": "index", "magnitude": "magnitude", "e1": "e1", "e2": "e2"}
        pairs |= {"center_x": "x", "center_y": "y"}
        return {key: row[f"{name}_{column}"] for key, column in pairs.items()}

    mass = {"theta_E": row["theta_E"], "gamma": row["slope"], "e1": row["e1"], "e2": row["e2"]}
    mass |= {"center_x": row["lens_x"], "center_y": row["lens_y"]}
    lens_light, source, _ = api.magnitude2amplitude([light("deflector"), light("neighbour")], [light("source")])
    numerics = {"supersampling_factor": RAYS, "supersampling_convolution": True, "supersampling_kernel_size": None}
    model = api.image_model_class(numerics)
    return model.image([mass, {"gamma1": row["gamma1"], "gamma2": row["gamma2"]}], source, lens_light)


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_noise_free_images_are_lenstronomys(name):
    pytest.importorskip("lenstronomy")
    telescope = Telescope.read(node(name), name)
    fwhm = telescope.psf.typical
    rows = table(2, zero_point=telescope.zero_point, pixel=telescope.pixel_scale, field=SIZE * telescope.pixel_scale)
    rows["at_psf_fwhm"] = fwhm
    found = observed_by(as_tensors(rows), {"at": telescope}, SIZE, telescope.pixel_scale, {"at": 1}, RAYS)["at"]
    api = single_band(telescope, fwhm)
    for image, (_, row) in zip(found.double().numpy(), rows.iterrows(), strict=True):
        wanted = reference(api, row)
        inner = (slice(8, -8),) * 2  # lenstronomy repeats edge pixels where we render beyond them
        assert np.abs(image - wanted)[inner].max() < 1e-4 * wanted.max()
