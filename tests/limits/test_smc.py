"""Annealing against posteriors that are known in closed form."""

import numpy as np
import pytest
from scipy import stats

from lenssr.limits.mixture import Mixture, reweighed
from lenssr.limits.smc import anneal, effective

WIDTH = np.array([0.01, 0.03, 0.02])


def gaussian(middle, width=WIDTH):
    return lambda points: stats.norm.logpdf(points, middle, width).sum(1)


def annealed(log_likelihood, seed=0, size=3, library=1024, **more):
    rng = np.random.default_rng(seed)
    points = rng.uniform(size=(library, size))
    return anneal(log_likelihood, points, log_likelihood(points), rng, **more)


def test_a_gaussian_has_its_mean_its_covariance_and_its_evidence():
    middle = np.array([0.4, 0.6, 0.5])
    found = annealed(gaussian(middle), particles=512, moves=8)
    assert np.abs(found.points.mean(0) - middle) == pytest.approx(0, abs=4 * WIDTH.max() / 512**0.5)
    assert found.points.std(0) == pytest.approx(WIDTH, rel=0.15)
    assert np.abs(np.corrcoef(found.points.T) - np.eye(3)).max() < 0.2
    assert found.log_evidence == pytest.approx(0, abs=0.7)  # the cube holds the whole of it


def test_a_posterior_at_a_wall_is_half_a_gaussian():
    found = annealed(gaussian(np.array([0.0]), 0.01), size=1, particles=512)
    assert found.points.mean() == pytest.approx(0.01 * (2 / np.pi) ** 0.5, rel=0.12)
    assert found.log_evidence == pytest.approx(np.log(0.5), abs=0.3)


def test_two_modes_keep_their_shares_and_a_circle_has_no_wall():
    def likelihood(points):
        return np.logaddexp(np.log(0.75) + stats.norm.logpdf(points[:, 0], 0.2, 0.01),
                            np.log(0.25) + stats.norm.logpdf(points[:, 0], 0.7, 0.01))  # fmt: skip

    found = annealed(likelihood, size=1, particles=512, library=2048)
    assert (found.points[:, 0] < 0.45).mean() == pytest.approx(0.75, abs=0.1)

    def circular(points):
        return stats.norm.logpdf((points[:, 0] + 0.5) % 1 - 0.5, 0.0, 0.02)

    found = annealed(circular, size=1, particles=512, periodic=np.array([True]))
    away = (found.points[:, 0] + 0.5) % 1 - 0.5
    assert away.std() == pytest.approx(0.02, rel=0.15) and 0.4 < (away > 0).mean() < 0.6


def test_true_values_fall_evenly_among_the_draws():
    """Simulation-based calibration (Talts et al. 2018, arXiv:1804.06788) with a correlated, non-linear likelihood."""
    places = []
    for trial in range(60):
        rng = np.random.default_rng([1, trial])
        truth = rng.uniform(size=2)

        def model(points):
            return np.stack([points[:, 0] + points[:, 1] ** 2, points[:, 0] * points[:, 1]], 1)

        seen = model(truth[None])[0] + rng.normal(0, 0.05, 2)

        def likelihood(points, seen=seen, model=model):
            return stats.norm.logpdf(seen, model(points), 0.05).sum(1)

        found = annealed(likelihood, seed=trial, size=2, library=256, particles=64)
        places.append((found.points < truth).mean(0))
    for column in np.array(places).T:
        assert stats.kstest(column, "uniform").pvalue > 0.005


def test_a_mixture_has_the_density_that_its_draws_have():
    rng = np.random.default_rng(3)
    mixture = Mixture(rng.uniform(0.4, 0.6, (40, 2)), np.array([False, False]))
    draws = mixture.draw(100_000, rng)
    box = np.array([[0.45, 0.5], [0.5, 0.55]])  # its share of the draws is the integral of the density over it
    axes = [np.linspace(*side, 61)[:-1] + (side[1] - side[0]) / 120 for side in box]
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*axes)], 1)
    integral = np.exp(mixture.log_density(grid)).mean() * np.prod(box[:, 1] - box[:, 0])
    share = ((draws >= box[:, 0]) & (draws < box[:, 1])).all(1).mean()
    assert share == pytest.approx(integral, rel=4 / (share * 1e5) ** 0.5)
    known = stats.multivariate_t(mixture.points[0], mixture.factors[0] @ mixture.factors[0].T, df=5)
    alone = Mixture(mixture.points[:1], np.array([False, False]))
    alone.__dict__["factors"] = mixture.factors[:1]  # one point has no neighbourhood
    assert alone.log_density(draws[:50]) == pytest.approx(known.logpdf(draws[:50]))


def test_what_comes_round_a_circle_is_part_of_the_density():
    rng = np.random.default_rng(6)
    middles = np.stack([rng.uniform(0.45, 0.55, 60), rng.normal(0, 0.15, 60) % 1], 1)  # about 0 and 1 alike, and wide
    mixture = Mixture(middles, np.array([False, True]))
    draws = mixture.draw(20_000, rng)
    assert ((draws[:, 1] >= 0) & (draws[:, 1] < 1)).all()
    line = np.linspace(-2, 3, 1001)[:-1] + 0.0025
    circle = (np.arange(64) + 0.5) / 64
    grid = np.stack([axis.ravel() for axis in np.meshgrid(line, circle)], 1)
    density = np.exp(mixture.log_density(grid)).reshape(64, 1000)
    assert density.mean() * 5 == pytest.approx(1, abs=0.01)
    shares = np.histogram(draws[:, 1], 8, (0, 1))[0] / len(draws)
    assert shares == pytest.approx(density.mean(1).reshape(8, 8).mean(1) * 5 / 8, abs=0.012)


def test_a_mixture_that_cannot_fit_leaves_the_particles_alone():
    def nowhere(points):
        return np.full(len(points), -np.inf)

    outside = np.full((64, 2), 1.5) + np.random.default_rng(0).normal(0, 1e-3, (64, 2))
    _, values, weight = reweighed(nowhere, outside, np.random.default_rng(1), 128, np.zeros(2, bool))
    assert np.isneginf(values).all() and effective(weight) == 0.0
    seen = gaussian(np.full(3, 0.5), 0.02)
    points = np.full((8, 3), 0.5)  # eight that are one span no space: the evidence stays that of the annealing
    kept = anneal(seen, points, seen(points), np.random.default_rng(2), 8, moves=0, last=0, proposals=64)
    assert (kept.points == 0.5).all() and kept.log_evidence == pytest.approx(float(seen(points)[0]))


def test_weights_give_back_shares_width_and_evidence_that_particles_lost():
    def likelihood(points):
        return np.logaddexp(np.log(0.75) + stats.norm.logpdf(points, 0.2, 0.01).sum(1),
                            np.log(0.25) + stats.norm.logpdf(points, 0.7, 0.02).sum(1))  # fmt: skip

    rng = np.random.default_rng(4)
    wrong = np.concatenate([rng.normal(0.2, 0.007, (64, 2)), rng.normal(0.7, 0.015, (64, 2))])  # shares of a half
    points, _, weight = reweighed(likelihood, wrong, rng, 4096, np.zeros(2, bool))
    share = np.exp(weight - weight.max())
    share /= share.sum()
    low = points[:, 0] < 0.45
    assert share[low].sum() == pytest.approx(0.75, abs=0.03)
    width = np.sqrt(np.average(np.square(points[low] - 0.2), weights=share[low], axis=0))
    assert width == pytest.approx(0.01, rel=0.08)
    assert np.log(np.exp(weight).mean()) == pytest.approx(0, abs=0.05)


def test_particles_that_are_drawn_anew_keep_two_modes_in_their_shares():
    def likelihood(points):
        return np.logaddexp(np.log(0.75) + stats.norm.logpdf(points, 0.2, 0.01).sum(1),
                            np.log(0.25) + stats.norm.logpdf(points, 0.7, 0.01).sum(1))  # fmt: skip

    off = {0: [], 1024: []}
    for seed in range(16):
        for proposals, errors in off.items():
            found = annealed(likelihood, seed, size=2, particles=64, library=2048, proposals=proposals)
            errors.append((found.points[:, 0] < 0.45).mean() - 0.75)
    rms = {proposals: np.sqrt(np.square(errors).mean()) for proposals, errors in off.items()}
    assert rms[1024] < 0.075 and rms[1024] < 0.7 * rms[0]
