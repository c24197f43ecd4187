"""Instruments that cannot be are refused in a sentence that says what to do."""

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from lenssr.config.compose import compose, plain
from lenssr.config.groups import CONFIGS
from lenssr.data.camera.psf import PSF
from lenssr.data.camera.telescope import Telescope, check_pair
from lenssr.errors import ConfigError, DataError, LensSRError
from lenssr.runs.build import build_data

GOOD = OmegaConf.to_container(OmegaConf.load(CONFIGS / "instrument" / "euclid_vis.yaml"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"zero_point": None}, "dataset.lr.zero_point is missing"),
        ({"pixel_scale": 0.0}, "pixel_scale=0.0 must be above 0"),
        ({"pixel_scale": float("nan")}, "is no number"),
        ({"exposure_time": -1.0}, "exposure_time=-1.0 must be above 0"),
        ({"exposures": 2.5}, "exposures=2.5 must be a whole number"),
        ({"exposures": 0}, "exposures=0 must be a whole number"),
        ({"read_noise": -4.2}, "read_noise=-4.2 must be 0 or more"),
        ({"zero_point": "bright"}, "zero_point=bright is no number"),
        ({"sky_brightness": {"uniform": [22.0]}}, "neither a number nor a distribution"),
        ({"sky_brightness": {"unifrom": [22.0, 23.0]}}, "Did you mean 'uniform'"),
        ({"psf": 0.16}, "is no PSF"),
        ({"psf": {"type": "gaussian"}}, "dataset.lr.psf.fwhm is missing"),
        ({"psf": {"type": "gaussian", "fwhm": -0.1}}, "fwhm=-0.1 is no width"),
        ({"psf": {"type": "airy", "fwhm": 0.1}}, "type=airy is unknown"),
        ({"psf": {"type": "moffat", "fwhm": 0.7}}, "beta above 1"),
        ({"psf": {"type": "kernel"}}, "psf.file is missing"),
        ({"psf": {"type": "kernel", "file": "no.fits"}}, "is no file"),
        ({"noise_correlation": [0.5, 0.5]}, "odd, symmetric list that sums to 1"),
        ({"pixel_size": 0.1}, "has no setting 'pixel_size'. Did you mean 'pixel_scale'"),
    ],
    ids=str,
)
def test_an_impossible_instrument(change, said):
    with pytest.raises(ConfigError) as error:
        Telescope.read({**GOOD, **change}, "dataset.lr")
    assert said in str(error.value) and "\n" not in str(error.value)


def kernel_file(path, kernel):
    from astropy.io import fits

    fits.PrimaryHDU(np.asarray(kernel, np.float32)).writeto(path)
    return path


def gaussian(side, middle=None, width=2.0):
    axis = np.arange(side) - (side // 2 if middle is None else middle)
    return np.exp(-0.5 * np.add.outer(axis**2, axis**2) / width**2)


@pytest.mark.parametrize(
    ("kernel", "said"),
    [
        (gaussian(20), "an odd square was expected"),
        (gaussian(21) - 0.01, "light is not negative"),
        (gaussian(21, middle=9), "is off its middle by -1.00 px"),
        (np.zeros((21, 21)), "finite with a positive sum"),
    ],
    ids=["even", "negative", "off-centre", "empty"],
)
def test_a_kernel_that_is_none(kernel, said, tmp_path):
    psf = {"type": "kernel", "file": str(kernel_file(tmp_path / "psf.fits", kernel))}
    with pytest.raises(DataError, match=said):
        Telescope.read({**GOOD, "psf": psf}, "dataset.lr")


def test_a_kernel_of_ones_own_is_the_formula_that_it_samples(tmp_path):
    """A Gaussian as a FITS file, four pixels of it in one of the camera."""
    fwhm, step = 0.3, 0.1 / 4
    width = fwhm / 2.35482 / step
    path = kernel_file(tmp_path / "psf.fits", gaussian(81, width=width))
    own = PSF.read({"type": "kernel", "file": str(path), "oversampling": 4}, None, 0.1, "psf")
    formula = PSF("gaussian", (fwhm, fwhm))
    one = torch.tensor([fwhm], dtype=torch.float64)
    assert own.typical == pytest.approx(fwhm, rel=1e-3)
    for rays in (step, 0.6 * step):
        torch.testing.assert_close(own.sampled(one, 256, rays), formula.sampled(one, 256, rays), atol=2e-6, rtol=0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["instrument@dataset.hr=rubin_i"], "no finer than the 0.1"),
        (["dataset.scale=4"], "use dataset.scale=2"),
        (["instrument@dataset.lr=hsc_i", "dataset.scale=3"], "dataset.hr.pixel_scale=0.056 dataset.scale=3"),
        (["instrument@dataset.lr=euclid"], "Did you mean 'euclid_vis'"),
        (["physics=corrected"], "needs physics=survey"),
        (["physics.lens.theta_E=[40,50]"], "none of 10000 lenses has such an Einstein radius"),
        (["dataset.lr.gian=2"], "gian"),
    ],
    ids=str,
)
def test_a_pair_that_is_none(words, said, tmp_path):
    tiny = ["dataset.image_size=48", "loader.patch=24", "scale.dataset={train: 1, validation: 1, test: 1}"]
    with pytest.raises(LensSRError) as error:
        _ = build_data(plain(compose(["model=rdn", "dataset=survey", f"paths.outputs={tmp_path}", *tiny, *words]))).sets
    assert said in str(error.value)
    assert not list(tmp_path.rglob("manifest.json"))


def test_the_sentence_for_a_broken_ratio_mends_it():
    lr = Telescope.read(OmegaConf.to_container(OmegaConf.load(CONFIGS / "instrument" / "hsc_i.yaml")), "dataset.lr")
    node = OmegaConf.to_container(OmegaConf.load(CONFIGS / "instrument" / "hst_acs_f814w.yaml"))
    check_pair(lr, Telescope.read({**node, "pixel_scale": 0.056}, "dataset.hr"), 3)
