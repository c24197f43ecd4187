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


def test_a_grey_sky_has_the_magnitude_in_both_telescopes(tmp_path):
    """A round exponential disc, its wings within the field, and a star."""
    lr, hr = Telescope.read(node("rubin_i"), "lr"), Telescope.read(node("euclid_vis"), "hr")
    row = table(1, zero_point=hr.zero_point, pixel=0.2).iloc[[0]].copy()
    for name in ("source", "deflector", "neighbour"):
        row[f"{name}_amplitude"] = 1e-9
    size, pixel = 96, 0.1
    row["star_flux"], row["star_x"], row["star_y"] = 10 ** (-0.4 * (21.0 - hr.zero_point)), 0.63, -0.41
    row["lr_psf_fwhm"], row["hr_psf_fwhm"] = 0.7, 0.16
    seen = observed_by(as_tensors(row), {"lr": lr, "hr": hr}, size, pixel, {"lr": 2, "hr": 1}, RAYS)
    for image, scale in ((seen["hr"], 1), (seen["lr"], 2)):
        flux = image.double()[0]
        assert -2.5 * np.log10(float(flux.sum())) + hr.zero_point == pytest.approx(21.0, abs=0.01)
        axis = (torch.arange(size // scale) - (size // scale - 1) / 2) * pixel * scale
        centre = (float((flux.sum(0) * axis).sum() / flux.sum()), float((flux.sum(1) * axis).sum() / flux.sum()))
        assert centre == pytest.approx((0.63, -0.41), abs=0.002)


def test_a_disc_has_its_magnitude():
    from lenssr.data.sky.parameters import sersic_flux

    telescope = Telescope.read(node("hst_acs_f814w"), "hr")
    row = table(1).iloc[[0]].copy()
    for name in ("source", "deflector"):
        row[f"{name}_amplitude"] = 1e-9
    flux = float(telescope.counts(22.0))
    row["neighbour_radius"], row["neighbour_index"], row["neighbour_x"], row["neighbour_y"] = 0.3, 1.0, 0.0, 0.0
    row["neighbour_amplitude"], row["at_psf_fwhm"] = flux / sersic_flux(0.3, 1.0), 0.09
    image = observed_by(as_tensors(row), {"at": telescope}, 128, 0.05, {"at": 1}, RAYS)["at"]
    assert -2.5 * np.log10(float(image.double().sum())) + telescope.zero_point == pytest.approx(22.0, abs=0.01)


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_an_empty_pixel_is_as_noisy_as_lenstronomys(name):
    pytest.importorskip("lenstronomy")
    telescope = Telescope.read({**node(name), "noise_correlation": 0}, name)
    sky = telescope.typical()["sky_brightness"]
    assert telescope.background_rms(sky) == pytest.approx(single_band(telescope, 0.7).background_noise, rel=1e-6)
    dull = Telescope.read(node(name, gain=2.0, zero_point=telescope.zero_point - 2.5 * np.log10(2)), name)
    assert dull.background_rms(sky) * 2 == pytest.approx(
        telescope.background_rms(sky), rel=1e-6
    )  # counts, not electrons


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    drizzled = "dataset.hr.noise_correlation=[0.1,0.8,0.1]"
    return built(tmp_path_factory.mktemp("survey"), "instrument@dataset.lr=rubin_i", "instrument@dataset.hr=euclid_vis",
                 drizzled, "dataset.source.registration=0.02")  # fmt: skip


def test_noise_has_the_rms_that_it_is_said_to_have(pairs):
    """Over 200 exposures, sky and bright pixels: HR as the variance says, LR as what is expected of it."""
    from lenssr.data.camera.observe import Address, Window

    images = pairs.sets["test"]
    truth, index = torch.from_numpy(images.images[:1].copy()), torch.zeros(200, dtype=torch.long)
    window = Window(index, index, 48, 48)
    address = Address(index, torch.arange(200).view(-1, 1, 1), (0, 2))
    seen = pairs.observation(truth.expand(200, -1, -1), torch.ones(200), 1.0, window, address)
    pulls = (seen.hr - truth) / seen.variance.sqrt()
    assert float(pulls.square().mean().sqrt()) == pytest.approx(1, rel=0.01)
    bright = truth[0] > truth.flatten().quantile(0.98)
    assert float(pulls[:, bright].square().mean().sqrt()) == pytest.approx(1, rel=0.03)
    one = (torch.ones(1), Address(index[:1], 0, (0, 2)))
    mean, variance = pairs.observation.expect_lr(truth, truth, *one)
    assert float(((seen.lr - mean).square() / variance).mean().sqrt()) == pytest.approx(1, rel=0.01)
    # of nothing, what is expected is what the telescopes' PSFs do not make of the scene
    inner, (rest, _) = (0, slice(6, -6), slice(6, -6)), pairs.observation.expect_lr(0 * truth, truth, *one)
    assert float(rest[inner].abs().max()) < 0.02 * float(mean[inner].max())
    # drizzle draws neighbours of the sky together, by 2 t0 t1 / (2 t1^2 + t0^2)
    rough, rms = seen.hr - truth, float(images.parameters["hr_background_rms"][0])
    assert float((rough[..., 1:] * rough[..., :-1]).mean()) / rms**2 == pytest.approx(0.16 / 0.66, rel=0.05)


def test_a_patch_has_the_noise_of_the_whole_image(pairs):
    whole = pairs.evaluation("test", torch.device("cpu")).at(torch.tensor([0, 1]))
    from lenssr.data.camera.observe import Window
    from lenssr.data.pixels import Arrangement

    at = torch.tensor([6, 10])
    window = Window(at, at + 2, 24, 48)
    part = pairs.reader("test", torch.device("cpu")).read(Arrangement(torch.tensor([0, 1]), window, 0))
    for i, corner in enumerate(at.tolist()):
        rows, columns = slice(corner, corner + 24), slice(corner + 2, corner + 26)
        torch.testing.assert_close(part["hr"][i, 0], whole["hr"][i, 0, rows, columns])
        low = tuple(slice(s.start // 2, s.stop // 2) for s in (rows, columns))
        torch.testing.assert_close(part["lr"][i, 0], whole["lr"][i, 0][low])


def test_the_truth_explains_the_lr_image(pairs):
    batch = pairs.evaluation("test", torch.device("cpu")).at(torch.arange(3))
    assert pairs.lr_chi_squared(batch["truth"][:, 0], batch, "test").mean() == pytest.approx(1, abs=0.15)
    assert pairs.lr_chi_squared(batch["truth"][:, 0] * 0.9, batch, "test").mean() > 1.3


def test_what_an_image_is_degraded_with_is_what_the_telescopes_differ_by():
    """Gaussians: the kernel's variance is the difference of the two."""
    from lenssr.runs.seen import seen_by

    config = plain(compose(["model=rdn", "dataset=survey"]))
    seen = seen_by(config, {"unit": 2.0})
    assert seen.pixel_scale == 0.1 and seen.noise[0] == seen.noise[1] > 0
    ((width, kernel),) = seen.kernels
    assert width == pytest.approx(1.6)
    offset = (np.arange(len(kernel)) - len(kernel) // 2) * 0.05
    variance = float((kernel.sum(0) * offset**2).sum())
    assert variance * 8 * np.log(2) == pytest.approx(0.16**2 - 0.09**2, rel=0.02)


def test_the_einstein_radius_is_that_of_angular_diameter_distances():
    from astropy import constants, units
    from astropy.cosmology import FlatLambdaCDM

    model = FlatLambdaCDM(H0=70, Om0=0.3)
    for _, row in table(8).iterrows():
        ratio = model.angular_diameter_distance_z1z2(row["z_lens"], row["z_source"]) / model.angular_diameter_distance(
            row["z_source"]
        )
        speed = row["velocity_dispersion"] * units.km / units.s
        theta = 4 * np.pi * (speed / constants.c) ** 2 * ratio * units.rad
        assert row["theta_E"] == pytest.approx(theta.to_value(units.arcsec), rel=1e-3)
        assert 0.5 <= row["theta_E"] <= 2.5


def test_velocity_dispersions_have_their_distribution():
    """The dispersion function of Choi et al. 2007 times sigma^4, integrated."""
    from scipy.integrate import quad

    from lenssr.data.sky.parameters import draw

    node = {"schechter": {"scale": 161.0, "slope": 5.32, "power": 2.67}}
    drawn = draw(node, np.random.default_rng(0), 20000)

    def density(s):
        return (s / 161) ** (2.32 - 1 + 4) * np.exp(-((s / 161) ** 2.67))

    norm = quad(density, 0, 1500)[0]
    assert drawn.mean() == pytest.approx(quad(lambda s: s * density(s), 0, 1500)[0] / norm, rel=0.01)
    assert (drawn < 200).mean() == pytest.approx(quad(density, 0, 200)[0] / norm, abs=0.01)


@pytest.mark.parametrize(("lr", "hr", "scale"), [("euclid_vis", "hst_acs_f814w", 2), ("rubin_i", "hst_acs_f814w", 4)])
def test_pairs_of_every_ratio_render(lr, hr, scale, tmp_path):
    words = [f"instrument@dataset.lr={lr}", f"instrument@dataset.hr={hr}", f"dataset.scale={scale}"]
    data = built(tmp_path, *words, "task.data.classes=[no_sub,axion]")
    batch = next(iter(data.evaluation("test", torch.device("cpu"))))
    assert batch["lr"].shape == (3, 1, 48 // scale, 48 // scale)
    means = [float(batch[name].mean()) for name in ("lr", "hr")]
    assert means[0] == pytest.approx(means[1], rel=0.25)  # one unit, one flux
