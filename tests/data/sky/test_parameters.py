"""Parameters of the lenses: Einstein radii, distributions, and rows that depend on their address alone."""

import numpy as np
import pandas as pd
import pytest
from helpers import CLASSES, EXPOSURE, physics
from scipy import optimize, stats

from lenssr.data.sky.parameters import draw, einstein_radius, sample
from lenssr.errors import ConfigError


def table(split="test", count=60, seed=0, name="deeplense", classes=CLASSES):
    return sample(physics(name), EXPOSURE, classes, seed, split, count)


@pytest.mark.parametrize(
    ("name", "mass", "expected", "rel"),
    [
        ("deeplense", 1e12, 1.28149, 1e-5),  # the published simulator's own number
        ("deeplense", 3e8, 0.02220, 3e-4),  # one point of the vortex
        ("corrected", 1e12, 1.6645, 1e-4),
    ],
)
def test_einstein_radius(name, mass, expected, rel):
    assert einstein_radius(mass, physics(name)["cosmology"]) == pytest.approx(expected, rel=rel)


def test_einstein_radius_from_an_integral_over_the_expansion():
    from scipy import constants
    from scipy.integrate import quad

    H0 = 70e3 / (1e6 * constants.parsec)
    comoving = [constants.c / H0 * quad(lambda z: (0.3 * (1 + z) ** 3 + 0.7) ** -0.5, 0, z)[0] for z in (0.5, 1.0)]
    d_l, d_s, d_ls = comoving[0] / 1.5, comoving[1] / 2, (comoving[1] - comoving[0]) / 2
    solar = 1.32712440018e20  # G M_sun in m^3 / s^2
    radius = np.sqrt(4 * solar * 3e11 / constants.c**2 * d_ls / (d_l * d_s)) * 180 * 3600 / np.pi
    assert einstein_radius(3e11, physics("corrected")["cosmology"]) == pytest.approx(radius, rel=1e-4)


def test_unknown_distances_are_refused():
    with pytest.raises(ConfigError, match="comoving"):
        einstein_radius(1e12, {**physics("deeplense")["cosmology"], "distances": "comoving"})


@pytest.mark.parametrize(
    ("value", "cdf"),
    [
        ({"uniform": [-2.0, 3.0]}, stats.uniform(-2, 5).cdf),
        ({"log_uniform": [0.1, 40.0]}, stats.loguniform(0.1, 40).cdf),
        ({"normal": [1.0, 0.3]}, stats.norm(1, 0.3).cdf),
        ({"disc": [0.25, 2.0]}, lambda r: (r**2 - 0.25**2) / (2.0**2 - 0.25**2)),
        ({"power_law": {"slope": -1.0, "range": [1.0, 100.0]}}, stats.loguniform(1, 100).cdf),
        (
            {"power_law": {"slope": -1.9, "range": [1e6, 1e10]}},
            lambda m: (m**-0.9 - 1e6**-0.9) / (1e10**-0.9 - 1e6**-0.9),
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_distributions(value, cdf):
    values = draw(value, np.random.default_rng(1), 20_000)
    assert stats.kstest(values, cdf).pvalue > 1e-3
    assert np.ndim(draw(value, np.random.default_rng(1))) == 0


@pytest.mark.parametrize("slope", [-0.9, -1.9])
def test_power_law_slope_by_maximum_likelihood(slope):
    low, high, count = 1e6, 1e10, 20_000
    logs = np.log(draw({"power_law": {"slope": slope, "range": [low, high]}}, np.random.default_rng(2), count))
    assert np.log(low) <= logs.min() and logs.max() <= np.log(high)

    def minus_log_likelihood(s):  # of one value; density x^s / integral
        k = s + 1
        norm = np.log(abs(np.exp(k * np.log(high / low)) - 1) / abs(k)) + k * np.log(low)
        return norm - s * logs.mean()

    found = optimize.minimize_scalar(minus_log_likelihood, bounds=(slope - 0.05, slope + 0.05), method="bounded").x
    h = 1e-3
    curvature = (
        minus_log_likelihood(found + h) - 2 * minus_log_likelihood(found) + minus_log_likelihood(found - h)
    ) / h**2
    assert abs(found - slope) < 4 / np.sqrt(count * curvature)


def test_poisson_and_constants():
    rng = np.random.default_rng(3)
    counts = draw({"poisson": 25}, rng, 20_000)
    assert abs(counts.mean() - 25) < 4 * np.sqrt(25 / 20_000)
    assert abs(counts.var() / 25 - 1) < 0.05
    assert draw({"constant": 25}, rng) == draw(25, rng) == 25
    assert (draw(0.3, rng, 4) == np.full(4, 0.3)).all()


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"'unifrom'.*'uniform'"):
        draw({"unifrom": [0, 1]}, np.random.default_rng(0))
    with pytest.raises(ConfigError, match=r"'axoin'.*'axion'"):
        table(classes=["axoin"])


@pytest.mark.parametrize("name", ["deeplense", "corrected"])
def test_the_first_rows_do_not_depend_on_how_many_follow(name):
    few, many = table(count=7, name=name), table(count=31, name=name)
    pd.testing.assert_frame_equal(few, many.iloc[:7])


def test_splits_and_seeds_share_nothing():
    tables = [table(split) for split in ("train", "validation", "test")] + [table(seed=1)]
    for column in ("source_x", "source_y", "exposure_time"):
        values = np.concatenate([t[column] for t in tables])
        assert len(np.unique(values)) == len(values)


@pytest.mark.parametrize("count", [3, 60, 61])
def test_classes_are_balanced_in_every_stretch(count):
    counts = table(count=count)["class"].value_counts()
    assert counts.max() - counts.min() <= 1
    assert set(table(count=count)["class"].iloc[:3]) == set(CLASSES)


@pytest.mark.parametrize(("log10_mass", "half_length"), [(-22.0, 0.03), (-24.0, 3.0), (-23.0, 0.3)])
def test_vortex_length_and_total_mass(log10_mass, half_length):
    config = physics("deeplense")
    config["axion"]["log10_mass"] = log10_mass
    row = sample(config, EXPOSURE, ["axion"], 0, "test", 1).iloc[0]
    x, y = row["subhalo_x"], row["subhalo_y"]
    assert len(x) == 100
    assert np.hypot(x, y).max() == pytest.approx(half_length, rel=1e-9)
    np.testing.assert_allclose(x * np.sin(row["vortex_angle"]) - y * np.cos(row["vortex_angle"]), 0, atol=1e-12)
    np.testing.assert_allclose(np.diff(np.hypot(x[50:], y[50:])), 2 * half_length / 99, rtol=1e-6)
    # Einstein radii of point masses add in quadrature; 3e10 solar masses in all
    assert np.sqrt((row["subhalo_theta_E"] ** 2).sum()) == pytest.approx(1.28149 * np.sqrt(0.03), rel=1e-5)


def _offset_from_lens(name):
    rows = table(count=20, name=name, classes=["axion"])
    x = rows["subhalo_x"].map(np.mean) - rows["lens_x"]
    y = rows["subhalo_y"].map(np.mean) - rows["lens_y"]
    return np.hypot(x, y).max()


def test_the_vortex_goes_through_the_lens():
    assert _offset_from_lens("deeplense") < 1e-9


def test_the_vortex_goes_through_a_lens_off_the_axis():
    assert _offset_from_lens("corrected") < 1e-9


def test_no_sub_has_no_point_masses_and_cdm_25():
    rows = table(count=30)
    lengths = rows["subhalo_x"].map(len).groupby(rows["class"]).unique()
    assert list(lengths["no_sub"]) == [0] and list(lengths["cdm"]) == [25] and list(lengths["axion"]) == [100]
    cdm = rows[rows["class"] == "cdm"]
    radius = np.hypot(np.concatenate(list(cdm["subhalo_x"])), np.concatenate(list(cdm["subhalo_y"])))
    assert radius.min() >= 0.25 and radius.max() <= 2.0


def test_exposure_times_lie_in_the_published_range():
    times = table(count=300)["exposure_time"]
    assert stats.kstest(times, stats.loguniform(1000, 10**3.5).cdf).pvalue > 1e-3
