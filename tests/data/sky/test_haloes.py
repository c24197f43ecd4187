"""Truncated haloes: how many and how heavy, and their deflection against lenstronomy and integrals."""

import math

import numpy as np
import pytest
import torch
from data.sky.golden import make_lenstronomy as golden
from helpers import CLASSES, EXPOSURE, physics
from scipy import stats
from scipy.integrate import quad

from lenssr.data.sets.simulated import as_tensors, simulate
from lenssr.data.sky import haloes
from lenssr.data.sky.lensing import Instrument, render
from lenssr.data.sky.parameters import einstein_radius, sample
from lenssr.errors import ConfigError

COSMOLOGY = physics("corrected")["cosmology"]
TAU = 5.0
CAMERA = Instrument(75, golden.PIXEL_SCALE, golden.FWHM, golden.TRUNCATION, 4)


def rows(count, classes=("cdm",), **changes):
    config = physics("corrected")
    config["cdm"] |= changes
    return sample(config, EXPOSURE, list(classes), 0, "test", count)


def density(r, tau):
    """Baltz, Marshall and Oguri 2009, n = 1, in units of M0 / r_s^3."""
    return tau**2 / (4 * math.pi * r * (1 + r) ** 2 * (r**2 + tau**2))


def whole(tau):
    return quad(lambda r: 4 * math.pi * r**2 * density(r, tau), 0, np.inf)[0]


def arguments(row):
    """Return what lenstronomy calls the haloes of a row: alpha_Rs is the untruncated deflection at r_s."""
    columns = (row[f"subhalo_{name}"] for name in ("x", "y", "theta_E", "scale"))
    return [
        {
            "center_x": x,
            "center_y": y,
            "Rs": scale,
            "r_trunc": row["halo_truncation"] * scale,
            "alpha_Rs": theta**2 / whole(row["halo_truncation"]) / scale * (1 - math.log(2)),
        }
        for x, y, theta, scale in zip(*columns, strict=True)
    ]


def kpc():
    """Return kpc per arcsec at the lens by an integral over the expansion."""
    distance = quad(lambda z: (0.3 * (1 + z) ** 3 + 0.7) ** -0.5, 0, 0.5)[0] * 299792.458 / 70 * 1e3 / 1.5
    return distance * math.pi / 180 / 3600


@pytest.mark.parametrize("tau", [1.0, 5.0, 20.0])
def test_the_mass_within_a_projected_radius_is_an_integral(tau):
    def seen(x):  # everything within a cylinder: spheres, and the caps that a cylinder cuts from larger ones
        inner = quad(lambda r: 4 * math.pi * r**2 * density(r, tau), 0, x)[0]
        cap = lambda r: 4 * math.pi * r * (r - math.sqrt(r * r - x * x)) * density(r, tau)  # noqa: E731
        return (inner + quad(cap, x, 30 * x)[0] + quad(cap, 30 * x, np.inf)[0]) / whole(tau)

    x = np.array([0.01, 0.3, 1.0, 1.001, 4.0, 50.0])
    assert haloes.projected(x, tau) == pytest.approx([seen(value) for value in x], rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_the_deflection_of_a_halo_is_lenstronomys(dtype):
    lens_model = pytest.importorskip("lenstronomy.LensModel.lens_model")
    scale, theta = 0.3, 0.02
    # radii of 0.05 to 30 r_s; y is 0.01 r_s throughout
    x = torch.logspace(math.log10(0.05), math.log10(30), 60, dtype=torch.float64).mul(scale).to(dtype)
    ax, ay = torch.zeros(2, 1, 60, 60, dtype=dtype)
    one = [torch.tensor([[value]], dtype=dtype) for value in (0.0, float(x[0]) - 0.01 * scale, theta, scale)]
    haloes.add_haloes_(ax, ay, x, haloes.Haloes(*one, TAU))
    row = {"subhalo_x": [0.0], "subhalo_y": [0.0], "subhalo_theta_E": [theta], "subhalo_scale": [scale]}
    found = arguments({**row, "halo_truncation": TAU})
    places = x.double().numpy(), np.full(60, 0.01 * scale)
    expected = lens_model.LensModel(["TNFW"]).alpha(*places, found)
    assert ax[0, 0].double().numpy() == pytest.approx(expected[0], rel=1e-4)
    assert ay[0, 0].double().numpy() == pytest.approx(expected[1], rel=1e-3)


def test_an_image_of_few_haloes_is_lenstronomys():
    pytest.importorskip("lenstronomy")
    table = rows(1, sigma_sub=6e-4)
    row = table.iloc[0]
    assert 5 < len(row["subhalo_x"]) < 50
    found = render(as_tensors(table, dtype=torch.float64), CAMERA)[0].numpy()
    places = np.stack([row[f"subhalo_{name}"] for name in ("x", "y", "theta_E")])
    expected = golden.image(row[golden.SCALARS], places, 75, 4, arguments(row))
    assert np.abs(found - expected).max() < 1e-4 * expected.max()


@pytest.mark.parametrize("pixel", [0.05, 0.101])
def test_light_haloes_on_a_coarse_grid_change_nothing_that_is_seen(pixel, monkeypatch):
    table = rows(3)
    camera = Instrument(64, pixel, 0.087, 4.0, 4)
    coarse = next(iter(simulate(table, camera, chunk=3)))
    monkeypatch.setattr(haloes, "_COARSE", 0.0)
    fine = next(iter(simulate(table, camera, chunk=3)))
    difference = np.abs(coarse - fine).max((1, 2)) / fine.max((1, 2))
    assert 0 < difference.max() < 1e-3


def test_one_image_does_not_depend_on_its_neighbours():
    table = rows(6, CLASSES)
    together = render(as_tensors(table), CAMERA)
    for i in range(6):
        alone = render(as_tensors(table.iloc[[i]]), CAMERA)[0]
        assert float((together[i] - alone).abs().max() / alone.max()) < 1e-6


def test_a_vortex_is_of_point_masses_still():
    table = rows(1, ["axion"])
    assert not table["subhalo_scale"][0].any()
    points = as_tensors(table.drop(columns="subhalo_scale"))
    assert torch.equal(render(as_tensors(table), CAMERA), render(points, CAMERA))


@pytest.mark.parametrize("sigma", [0.01, 0.025])
@pytest.mark.parametrize("line_of_sight", [0.0, 0.5])
def test_counts_are_poisson_about_the_integral_of_the_mass_function(sigma, line_of_sight):
    integral = quad(lambda log: math.exp(log) ** -0.9, math.log(1e-2), math.log(1e2), limit=200)[0]
    mean = sigma * math.pi * (2.0 * kpc()) ** 2 * integral * (1 + line_of_sight)
    cdm = physics("corrected")["cdm"] | {"line_of_sight": line_of_sight}
    assert haloes.mean_number(sigma, cdm, COSMOLOGY) == pytest.approx(mean, rel=1e-5)
    counts = rows(200, sigma_sub=sigma, line_of_sight=line_of_sight)["subhalo_x"].map(len)
    assert abs(counts.mean() - mean) < 4 * math.sqrt(mean / 200)
    assert abs(counts.var() / mean - 1) < 4 * math.sqrt(2 / 200)


def test_the_published_range_of_normalisations_gives_hundreds():
    cdm = physics("corrected")["cdm"]
    found = [haloes.mean_number(sigma, cdm, COSMOLOGY) for sigma in (0.01, 0.025)]
    assert found == pytest.approx([328, 820], abs=1)  # 468 kpc^2 * 70.09 * sigma
    assert haloes.mean_number(0.01, {**cdm, "slope": -1.0}, COSMOLOGY) == pytest.approx(4.682 * math.log(1e4), rel=1e-3)


def test_a_normalisation_may_be_drawn():
    counts = rows(60, sigma_sub={"uniform": [0.005, 0.025]})["subhalo_x"].map(len)
    assert counts.min() < 350 and counts.max() > 650


def test_masses_have_the_slope_and_places_are_uniform_in_the_disc():
    table = rows(30)
    theta, scale = (np.concatenate(list(table[f"subhalo_{name}"])) for name in ("theta_E", "scale"))
    mass = np.logspace(6, 10, 2000)
    radii = einstein_radius(haloes.total_mass(mass, TAU, COSMOLOGY), COSMOLOGY)
    found = np.exp(np.interp(np.log(theta), np.log(radii), np.log(mass)))
    assert stats.kstest(found, lambda m: (m**-0.9 - 1e6**-0.9) / (1e10**-0.9 - 1e6**-0.9)).pvalue > 1e-3
    assert scale == pytest.approx(haloes.scale_radius(found, COSMOLOGY), rel=1e-4)
    offsets = [np.hypot(r["subhalo_x"] - r["lens_x"], r["subhalo_y"] - r["lens_y"]) for _, r in table.iterrows()]
    assert stats.kstest(np.concatenate(offsets), lambda r: r**2 / 4.0).pvalue > 1e-3
    assert all((np.diff(values) <= 0).all() for values in table["subhalo_theta_E"])


def test_the_concentration_and_radius_of_a_light_halo_by_hand():
    # a = 0.520 + 0.385 exp(-0.617 * 0.43229) = 0.81486, b = -0.088; log10(1e8 * 0.7 / 1e12) = -4.15490
    c = 10 ** (0.81486 + 0.088 * 4.15490)
    assert haloes.concentration(1e8, COSMOLOGY) == pytest.approx(c, rel=1e-4) == pytest.approx(15.15, abs=0.01)
    # critical density: 277.536627 h^2 E^2 solar masses / kpc^3, E^2 = 0.3 * 1.5^3 + 0.7
    r200 = (3e8 / (4 * math.pi * 200 * 277.536627 * 0.49 * 1.7125)) ** (1 / 3)
    assert haloes.scale_radius(1e8, COSMOLOGY) == pytest.approx(r200 / c / kpc(), rel=1e-3)
    enclosed = quad(lambda r: r / (1 + r) ** 2, 0, c)[0]
    assert haloes.total_mass(1e8, TAU, COSMOLOGY) == pytest.approx(1e8 * whole(TAU) / enclosed, rel=1e-4)


def test_the_heavy_ones_are_those_above_1e8():
    theta = einstein_radius(haloes.total_mass(np.array([0.98e8, 1e8]), TAU, COSMOLOGY), COSMOLOGY)
    assert theta[0] < haloes.HEAVY <= theta[1]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"profile": "tnwf"}, "'tnwf'.*'tnfw'"),
        ({"sigma_sub": -0.01}, "sigma_sub=-0.01"),
        ({"line_of_sight": -0.5}, "line_of_sight=-0.5"),
        ({"truncation": 0.0}, "truncation=0.0"),
    ],
    ids=str,
)
def test_what_makes_no_haloes_is_refused(change, match):
    with pytest.raises(ConfigError, match=match):
        rows(1, **change)
