"""Steps within bounds, against SciPy's bounded least squares."""

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from lenssr.limits.steps import bounded


def test_without_bounds_a_step_is_newtons_and_of_independent_numbers_it_is_cut():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(8, 5))
    information, slope, place, far = matrix.T @ matrix, rng.normal(size=5), rng.uniform(size=5), np.full(5, np.inf)
    assert bounded(information, slope, place, -far, far) == pytest.approx(place + np.linalg.solve(information, slope))
    ones = np.full(5, 1.0)
    assert bounded(np.eye(5), slope * 3, place, 0 * ones, ones) == pytest.approx(np.clip(place + slope * 3, 0, 1))


def test_a_step_climbs_as_far_as_the_bounds_allow_where_one_that_is_cut_does_not():
    rng, gaps, cuts = np.random.default_rng(1), [], []
    for trial in range(120):
        matrix = rng.normal(size=(9, 6)) @ np.diag([1, 1, 3, 3, 9, 9]) @ rng.normal(size=(6, 6))
        information = matrix.T @ matrix
        place = rng.uniform(0.2, 0.8, 6) if trial % 2 else rng.choice([0.0, 0.5, 1.0], 6)  # on bounds, too
        target = rng.normal(size=9) * np.linalg.norm(matrix, axis=1)
        slope = matrix.T @ (target - matrix @ place)
        best = lsq_linear(matrix, target, bounds=(0, 1), tol=1e-12).cost
        found = bounded(information, slope, place, np.zeros(6), np.ones(6))
        assert (found >= 0).all() and (found <= 1).all()

        def cost(point, matrix=matrix, target=target):
            return 0.5 * np.square(matrix @ point - target).sum()

        cut = np.clip(place + np.linalg.solve(information, slope), 0, 1)
        gaps.append((cost(found) - best) / (cost(place) - best))
        cuts.append((cost(cut) - best) / (cost(place) - best))
    assert np.abs(gaps).max() < 1e-6 and np.median(cuts) > 0.05
