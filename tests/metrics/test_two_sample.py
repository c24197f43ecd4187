"""A classifier's accuracy between two samples, where the best one that there can be is known in closed form."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from lenssr.metrics.two_sample import c2st, told_apart

COUNT, SIZE = 2000, 3


def samples(shift=0.0, width=1.0, seed=0):
    rng = np.random.default_rng(seed)
    one, other = rng.normal(size=(2, COUNT, SIZE))
    other = width * other
    other[:, 0] += shift
    return one, other


@pytest.mark.parametrize("shift", [0.0, 1.0, 3.0])
def test_shifted_gaussians_are_told_apart_as_often_as_can_be(shift):
    """The best rule between N(0, 1) and N(d, 1) errs with probability Phi(-d / 2)."""
    best = norm.cdf(shift / 2)
    assert told_apart(*samples(shift)) == pytest.approx(best, abs=4 * math.sqrt(0.25 / (2 * COUNT)))


@pytest.mark.parametrize("width", [2.0, 0.25])
def test_a_wider_gaussian_is_told_by_its_width_alone(width):
    """The best rule is a radius r: the wider one is outside. Chi-squared of three dimensions says how often."""
    from scipy.stats import chi2

    wide, narrow = max(1.0, width), min(1.0, width)
    radius = 2 * SIZE * math.log(wide / narrow) / (1 / narrow**2 - 1 / wide**2)
    best = 0.5 * (chi2.cdf(radius / narrow**2, SIZE) + chi2.sf(radius / wide**2, SIZE))
    assert told_apart(*samples(width=width)) == pytest.approx(best, abs=4 * math.sqrt(0.25 / (2 * COUNT)))


def test_few_draws_of_one_posterior_are_as_good_as_a_guess():
    """Sixteen draws of each kind, over many images: the mean accuracy is one half."""
    found = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        found.append(told_apart(*rng.normal(size=(2, 16, 2))))
    assert np.mean(found) == pytest.approx(0.5, abs=4 * np.std(found) / math.sqrt(len(found)))


def test_images_are_compared_along_what_exact_draws_differ_by():
    """Draws that differ along two patterns; a third pattern, which exact draws lack, is not looked at."""
    torch.manual_seed(0)
    patterns = torch.linalg.qr(torch.randn(36, 3)).Q.T.reshape(3, 6, 6)

    def images(count, weights):
        return torch.einsum("nk,khw->nhw", torch.randn(count, 3) * torch.tensor(weights), patterns)

    exact = images(400, [1.0, 0.5, 0.0])
    assert c2st(exact, images(200, [1.0, 0.5, 0.0]), 2) == pytest.approx(0.5, abs=0.1)
    assert c2st(exact, images(200, [1.0, 0.5, 9.0]), 2) == pytest.approx(0.5, abs=0.1)
    assert c2st(exact, images(200, [1.0, 4.0, 0.0]), 2) > 0.75
    assert c2st(exact, images(200, [1.0, 0.5, 0.0]) + 5 * patterns[0], 2) > 0.95


@pytest.mark.parametrize("shapes", [((16, 2), (15, 2)), ((5, 2), (5, 2))])
def test_too_few_or_other_draws_are_refused(shapes):
    with pytest.raises(ValueError, match="cannot be compared"):
        told_apart(*(np.zeros(shape) for shape in shapes))
