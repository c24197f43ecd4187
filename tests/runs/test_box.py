"""The models in the box: found by name, told of, and what the package takes along."""

import numpy as np
import pytest
import torch
from tiny import ROOT

import lenssr
from lenssr.config.kinds import draws_posteriors
from lenssr.data.camera.psf import PSF
from lenssr.errors import DataError, RunError
from lenssr.runs.box import BOX, boxed, listing
from lenssr.runs.find import find
from lenssr.runs.load import read_config
from lenssr.runs.seen import seen_by
from lenssr.system.files import read_json

NAMES = sorted(boxed())
DRAWS = [name for name in NAMES if draws_posteriors(read_config(BOX / name))]
ALONE = [name for name in NAMES if name not in DRAWS]  # networks that give an image at once


def test_the_box_is_small_and_whole():
    assert "euclid_vis_x2" in NAMES
    files = [path for path in BOX.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 8e6
    for name in NAMES:
        there = {path.name for path in boxed()[name].iterdir()}
        assert {"config.json", "model.safetensors", "metrics.json", "status.json", "README.md"} <= there
        assert (ROOT / "configs" / "experiment" / f"box_{name}.yaml").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_found_by_its_name_wherever_one_is(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find(name) == BOX / name
    if name in DRAWS:
        product = lenssr.upscale(name, np.random.default_rng(0).normal(size=(32, 32)))[0]
        assert product.sr.shape == (64, 64) and (product.err > 0).all()
        return
    model = lenssr.load(name)
    found = model.predict(np.random.default_rng(0).normal(size=(32, 32)), check=False)
    assert np.asarray(found).shape == (64, 64) and np.isfinite(found).all()


def test_a_slip_in_its_name_is_mended(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="Did you mean 'euclid_vis_x2'"):
        find("euclid_vis_x")


def test_the_listing_tells_what_each_is_for():
    told = listing()
    for name in NAMES:
        assert name in told
    assert "what hst_acs_f814w would see where euclid_vis looked" in told
    assert DRAWS and "draws from the posterior" in told


@pytest.mark.parametrize(("peak", "radius"), [(300, 25), (2000, 12), (40, 4)])
@pytest.mark.parametrize("name", ALONE)
def test_galaxies_of_any_size_and_brightness_pass_and_another_scale_does_not(name, peak, radius):
    """In units of the noise, and pixels: one that fills the image with its light, a bright one, a faint one."""
    model = lenssr.load(name).predict
    seen = seen_by(read_config(BOX / name), read_json(BOX / name / "metrics.json"))
    y, x = np.mgrid[-32:32, -32:32]
    light = peak * np.exp(-7.67 * ((np.hypot(x, 1.3 * y) + 0.5) / radius) ** 0.25)
    noise = seen.noise[1] * model.unit * model.scale**2
    image = noise * (peak * light / light.max() + np.random.default_rng(5).normal(size=x.shape))
    assert np.isfinite(model(image)).all()
    for other in (30 * image, image / 1000, image + 30 * noise):
        with pytest.raises(DataError, match="not on the scale"):
            model(other)


# PSF, FWHM and pixel in arcsec, and electrons of the noise of an LR pixel
STARS = {
    "euclid_vis_x2": (("gaussian", (0.17, 0.17)), 0.1, 24.0),
    "euclid_vis_x2_draws": (("gaussian", (0.17, 0.17)), 0.1, 24.0),
    "rubin_to_euclid_x2": (("moffat", (0.71, 0.71), 4.765), 0.2, 500.0),
}


@pytest.mark.parametrize("peak", [30, 100, 500])
@pytest.mark.parametrize("name", NAMES)
def test_a_star_gets_no_dark_ring(name, peak):
    """On noise of 1, with its own photons': nothing below the sky by more than 2.5 times the noise of the input."""
    shape, pixel, electrons = STARS[name]
    fine = PSF(*shape).sampled(torch.tensor([shape[1][0]]).double(), 320, pixel / 5)[0]
    star = torch.fft.fftshift(fine).roll((2, 1), (0, 1)).reshape(64, 5, 64, 5).sum((1, 3)).numpy()
    rng = np.random.default_rng(1)
    image = rng.normal(size=star.shape) + rng.poisson(star * peak / star.max() * electrons) / electrons
    product = lenssr.upscale(name, image)[0]
    assert product.sr.shape == (128, 128) and np.isfinite(product.err).all()
    assert float(product.sr.min()) * 4 > -2.5


@pytest.mark.parametrize("exposure", ["system1_F390W", "system3_F475X", "system3_F600LP"])
def test_a_real_lens_degraded_is_what_hst_saw(real, exposure):
    """Without fine-tuning, on drizzled pixels of 0.04 arcsec: to within the noise, and no ring below the sky."""
    product = lenssr.upscale("euclid_vis_x2", real / "real_lenses" / f"image_lens_{exposure}.h5")[0]
    assert 0.8 < product.facts["chi2"] < 1.2
    assert product.facts["sky"] - float(product.sr.min()) * 4 < 3 * product.facts["noise"]
