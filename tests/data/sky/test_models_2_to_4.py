"""Models II to IV: the published geometry, flux and noise, against closed forms, lenstronomy and scikit-image."""

import math

import numpy as np
import pytest
import torch

from lenssr.config.compose import compose, plain
from lenssr.data.camera.degrade import BlurredExposure, blurred
from lenssr.data.camera.observe import Address
from lenssr.data.sky.galaxies import galaxies
from lenssr.data.sky.parameters import einstein_radius, sample
from lenssr.runs.build import build_data

IMAGES = "{train: 6, validation: 3, test: 6}"


def data(name, tmp_path, *overrides):
    chosen = [f"dataset={name}", f"scale.dataset={IMAGES}", f"paths.outputs={tmp_path}", "loader.patch=64", *overrides]
    return build_data(plain(compose(chosen)))


@pytest.mark.parametrize(("name", "theta"), [("model2", 0.812), ("model3", 0.812), ("model4", 0.951)])
def test_effective_einstein_radii_are_the_published_ones(name, theta, tmp_path):
    table = data(name, tmp_path).sets["test"].parameters
    assert table["theta_E"].to_numpy() == pytest.approx(theta, abs=1e-3)
    assert table["gamma1"].to_numpy() == pytest.approx(0.05 * theta / {0.951: 1.5}.get(theta, 1.28149), rel=2e-3)


def test_corrected_radii_belong_to_the_sources_own_redshift(tmp_path):
    made = data("model2", tmp_path, "physics=corrected")
    masses = made.source.physics["macro"]["mass"]["log_uniform"]
    low, high = (einstein_radius(mass, made.source.physics["cosmology"]) for mass in masses)
    assert made.sets["test"].parameters["theta_E"].between(low, high).all()


@pytest.mark.parametrize("name", ["model2", "model3"])
def test_an_unlensed_source_has_its_magnitudes_flux(name, tmp_path):
    """Magnitude 20 at the zero-point: 10^(0.4 (zp - 20)) counts / s, found again in the pixels."""
    from lenssr.data.sets.simulated import simulate

    made = data(name, tmp_path)
    source = made.source
    table = sample(source.physics, 1.0, ["no_sub"], 0, "test", 1, source.scene)
    table[["theta_E", "gamma1", "gamma2"]] = 0.0
    image = next(iter(simulate(table, source.instrument)))
    zero_point = {"model2": 24.0, "model3": 25.96}[name]
    # what a profile of exponential wings loses beyond the field is far below this
    assert image.sum() == pytest.approx(10 ** (0.4 * (zero_point - 20)), rel=0.02)


def test_background_noise_is_lenstronomys(tmp_path):
    api = pytest.importorskip("lenstronomy.SimulationAPI.observation_api")
    euclid = {"pixel_scale": 0.101, "exposure_time": 565, "num_exposures": 4, "seeing": 0.16, "ccd_gain": 3.1}
    euclid |= {"magnitude_zero_point": 24.0, "read_noise": 4.2, "sky_brightness": 22.35, "psf_type": "GAUSSIAN"}
    hst = {"pixel_scale": 0.08, "exposure_time": 5400, "num_exposures": 1, "seeing": 0.08, "ccd_gain": 2.5}
    hst |= {"magnitude_zero_point": 25.96, "read_noise": 4, "sky_brightness": 22.3, "psf_type": "GAUSSIAN"}
    bands = {"model2": euclid, "model3": hst}
    for name, band in bands.items():
        expected = api.SingleBand(**band)
        made = data(name, tmp_path)
        assert made.observation.hr.background_rms == pytest.approx(expected.background_noise, rel=2e-3)
        flux = torch.full((1, 64, 64), 0.5)
        _, variance = made.observation.hr.moments(flux, made.sets["test"].exposure_time[0] * torch.ones(1, 1, 1))
        assert float(variance.mean()) ** 0.5 == pytest.approx(
            math.hypot(expected.background_noise, expected.flux_noise(0.5)), rel=5e-3
        )


@pytest.mark.parametrize(
    ("name", "zero", "sky", "read", "count", "seconds", "pixel"),
    [("model2", 24.0, 22.35, 4.2, 4, 565, 0.101), ("model3", 25.96, 22.3, 4.0, 1, 5400, 0.08)],
)
def test_an_lr_camera_has_four_times_the_sky_and_the_same_read_noise(
    name, zero, sky, read, count, seconds, pixel, tmp_path
):
    """lenstronomy's band of twice the pixel scale, and the same sum by hand: electrons / s / px."""
    made = data(name, tmp_path).observation
    for size, detector in ((pixel, made.hr), (2 * pixel, made.lr)):
        electrons = 10 ** (0.4 * (zero - sky)) * size**2 * count * seconds
        rms = math.sqrt(electrons + count * read**2) / (count * seconds)
        assert detector.background_rms == pytest.approx(rms, rel=2e-3)
    api = pytest.importorskip("lenstronomy.SimulationAPI.observation_api")
    band = {"exposure_time": seconds, "num_exposures": count, "seeing": 0.1, "psf_type": "GAUSSIAN", "ccd_gain": 2.5}
    band |= {"magnitude_zero_point": zero, "read_noise": read, "sky_brightness": sky, "pixel_scale": 2 * pixel}
    assert made.lr.background_rms == pytest.approx(api.SingleBand(**band).background_noise, rel=1e-3)


def test_stand_in_galaxies_are_whole_and_different():
    found = galaxies("stand_in", 0.64, 3, 0)
    assert found.stamps.shape == (9, 128, 128) and found.stamps.min() >= 0
    assert found.stamps.sum((1, 2)) == pytest.approx(1, rel=1e-4)
    assert np.abs(found.stamps[0] - found.stamps[1]).sum() > 0.2


def test_no_galaxy_is_in_two_splits(tmp_path):
    made = data(
        "model4", tmp_path, "scale.dataset={train: 90, validation: 30, test: 90}", "dataset.source.supersampling=1"
    )
    stamps = {split: set(images.parameters["source_stamp"]) for split, images in made.sets.items()}
    assert not stamps["train"] & stamps["test"] and not stamps["validation"] & (stamps["train"] | stamps["test"])
    assert len(stamps["train"]) > 40


def test_a_lensed_stamp_without_a_lens_is_the_turned_stamp(tmp_path):
    """Drawn at its own place, size, angle and flux: scipy's rotation on the other side."""
    from scipy.ndimage import rotate

    from lenssr.data.sets.simulated import simulate

    source = data("model4", tmp_path).source
    table = sample(source.physics, 1.0, ["no_sub"], 0, "test", 1, source.scene)
    angle = 0.7
    table[["theta_E", "gamma1", "gamma2", "source_x", "source_y"]] = 0.0
    table["source_angle"] = angle
    stamps = galaxies(**{**source._galaxies, "width": 5.0})
    image = next(iter(simulate(table, source.instrument, galaxies=stamps)))[0]
    assert image.sum() == pytest.approx(39.81, rel=0.02)
    stamp = stamps.stamps[int(table["source_stamp"][0])]
    expected = rotate(stamp, -math.degrees(angle), reshape=False, order=1)
    axis = (np.arange(128) - 63.5) * 5.0 / 128
    moments = [(expected * axis).sum(), (expected * axis[:, None]).sum(), (expected * axis * axis[:, None]).sum()]
    pixel = (np.arange(64) - 31.5) * 0.101
    found = [(image * pixel).sum(), (image * pixel[:, None]).sum(), (image * pixel * pixel[:, None]).sum()]
    assert np.array(found) / image.sum() == pytest.approx(np.array(moments) / expected.sum(), abs=0.01)


def test_galaxy10_is_read_as_the_published_simulator_does(tmp_path):
    h5py = pytest.importorskip("h5py")
    from lenssr.errors import DataError

    rng = np.random.default_rng(0)
    images = rng.integers(10, 20, (5, 256, 256, 3)).astype(np.uint8)
    images[:, 100:150, 100:150] += 100
    with h5py.File(tmp_path / "g.h5", "w") as file:
        near = [0.01, 0.5, 0.01, 0.015, 0.012]
        file["images"], file["ans"], file["redshift"] = images, [6, 6, 2, 6, 6], near
    found = galaxies("galaxy10", 0.64, 1, 0, str(tmp_path / "g.h5"))
    assert found.stamps.shape == (3, 256, 256)  # class 6 and near, one for each split
    with pytest.raises(DataError, match=r"holds 3 galaxies.*count=1"):
        galaxies("galaxy10", 0.64, 2, 0, str(tmp_path / "g.h5"))
    assert found.stamps[0, 100:150, 100:150].sum() > 0.8  # the background is gone
    (tmp_path / "bad.h5").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be read"):
        galaxies("galaxy10", 0.64, 10, 0, str(tmp_path / "bad.h5"))


def test_blur_is_scipys():
    from scipy.ndimage import gaussian_filter

    torch.manual_seed(0)
    images, sigma = torch.rand(3, 40, 40), torch.tensor([0.5, 1.3, 2.5])
    found = blurred(images, sigma, 2.5)
    for image, width, out in zip(images.numpy(), sigma.tolist(), found.numpy(), strict=True):
        radius = round(3 * width)
        expected = gaussian_filter(image, width, mode="nearest", radius=radius)
        assert out == pytest.approx(expected, abs=1e-5)


def exposure(**changes):
    arguments = {"scale": 1, "blur": [0.5, 2.5], "noise": [0.01, 0.1], "hr_background_rms": 0.01,
                     "detector": {"shot_noise": "poisson", "clip": False}, "clip": False, "seed": 0}  # fmt: skip
    return BlurredExposure(**{**arguments, **changes})


def test_strengths_are_uniform_and_stay_with_the_sample():
    address = Address(torch.arange(4000), 0, (0, 2))
    sigma, noise = exposure().strengths(address)
    for values, (low, high) in ((sigma, (0.5, 2.5)), (noise, (0.01, 0.1))):
        assert low <= float(values.min()) and float(values.max()) <= high
        assert float(values.mean()) == pytest.approx((low + high) / 2, rel=0.03)
    alone, _ = exposure().strengths(Address(torch.tensor([17]), 0, (0, 2)))
    assert alone == sigma[17]


def test_the_published_clip_loses_the_fainter_half():
    """Scaled to [-1, 1] and cut to [0, 1]: all below half the peak becomes zero, up to the noise."""
    from lenssr.data.camera.observe import Window

    torch.manual_seed(0)
    scene = torch.rand(1, 32, 32) ** 4
    zero = torch.zeros(1, dtype=torch.int64)
    window = Window(zero, zero, 32, 32)
    quiet = {"blur": [0.01, 0.01], "noise": [1e-6, 1e-6]}
    arguments = (scene, torch.ones(1) * 1000, 1.0, window, Address(zero, 0, (0, 2)))
    whole, cut = exposure(**quiet)(*arguments).lr, exposure(clip=True, **quiet)(*arguments).lr
    peak = scene.max()
    assert torch.allclose(whole, scene, atol=1e-4)
    assert torch.allclose(cut, (2 * scene - peak).clamp(min=0), atol=1e-4)
    assert float((cut[scene < 0.49 * peak] < 1e-4).float().mean()) == 1


def test_lr_of_the_true_scene_is_consistent(tmp_path):
    """The reduced chi-squared of LR about the degraded truth is 1, for both kinds of LR image."""
    for name in ("model2", "model4"):
        made = data(name, tmp_path)
        for batch in made.evaluation("test", torch.device("cpu")):
            chi = made.lr_chi_squared(batch["flux"][:, 0], batch, "test")
            assert chi.numpy() == pytest.approx(1, abs=0.15), name
            off = made.lr_chi_squared(1.5 * batch["flux"][:, 0], batch, "test")
            assert (off > chi).all()


def test_sets_of_different_scenes_do_not_share_a_folder(tmp_path):
    paths = {str(data(name, tmp_path, *more).source.path) for name, more in
             (("model2", ()), ("model3", ()), ("model4", ()), ("model4", ("dataset.source.flux=20",)))}  # fmt: skip
    assert len(paths) == 4
