"""Annealing against posteriors that are known in closed form."""

import numpy as np
import pytest
from scipy import stats

from lenssr.limits.smc import anneal

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
