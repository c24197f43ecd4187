"""Comparisons of trainings: textbook numbers, and how often identical networks are called different."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from lenssr.results.tables.statistics import compare, detectable, difference_from, holm, recovered, verdict

SEED_SPREAD, IMAGES = 0.4, 60  # dB over trainings, and test images


def trained(rng, count, seeds, shift=0.0):
    """Return scores (seeds, images) of networks that differ by their seeds alone, but the first by a shift."""
    images = rng.normal(30, 1, IMAGES)
    made = [images + rng.normal(0, SEED_SPREAD, (seeds, 1)) + rng.normal(0, 0.3, (seeds, IMAGES)) for _ in range(count)]
    made[0] = made[0] + shift
    return made


def test_holm_on_a_worked_example():
    """0.01, 0.04, 0.03, 0.005 of four tests: 0.03, 0.06, 0.06, 0.02."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]).max() == 1.0


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("paired", [True, False])
def test_identical_networks_are_called_different_as_often_as_the_level_says(seeds, paired):
    rng = np.random.default_rng(seeds)
    count = 1500
    p = [compare(*trained(rng, 2, seeds), paired=paired).p for _ in range(count)]
    assert np.mean(np.array(p) < 0.05) < 0.05 + 3 * (0.05 * 0.95 / count) ** 0.5


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_a_table_of_identical_networks_calls_none_the_best(seeds):
    rng, count, found = np.random.default_rng(20 + seeds), 60, 0
    for _ in range(count):
        rows = trained(rng, 10, seeds)
        found += holm([compare(one, other).p for one, other in combinations(rows, 2)]).min() < 0.05
    assert found / count < 0.05 + 3 * (0.05 * 0.95 / count) ** 0.5


def test_a_difference_of_two_spreads_is_found_with_the_stated_power():
    """Five paired seeds: the power of Student's t with four degrees of freedom, from the noncentral t."""
    rng, count, seeds = np.random.default_rng(4), 1500, 5
    shift = 2 * SEED_SPREAD
    # images and pixels add 0.3^2 / 60 to the variance of a training, twice in the difference's (see compare)
    error = (2 * (SEED_SPREAD**2 + 2 * 0.3**2 / IMAGES) / seeds) ** 0.5
    power = stats.nct.sf(stats.t.ppf(0.975, seeds - 1), seeds - 1, shift / error)
    found = np.mean([compare(*trained(rng, 2, seeds, shift)).p < 0.05 for _ in range(count)])
    assert found == pytest.approx(power, abs=0.04)


@pytest.mark.parametrize("family", [1, 9])
def test_the_detectable_difference_is_found_in_four_of_five(family):
    """With a known error, a difference as large is found with 80 % at the level that the family leaves."""
    rng, seeds = np.random.default_rng(5), 6
    scores = rng.normal(0, 1, (seeds, 1)) + np.zeros((1, 3))
    one = compare(scores, np.zeros((1, 3)))
    shift = detectable(one, family) / one.error  # in standard errors, of freedom 5
    draws = rng.normal(0, 1, (40_000, seeds))
    told = draws.mean(1) + shift / seeds**0.5
    p = 2 * stats.t.sf(np.abs(told) / (draws.std(1, ddof=1) / seeds**0.5), seeds - 1)
    assert np.mean(p < 0.05 / family) == pytest.approx(0.8, abs=0.015)


def test_paired_trainings_are_students_paired_test():
    rng = np.random.default_rng(6)
    one, other = rng.normal(30, 1, (5, 1)), rng.normal(30, 1, (5, 1))  # a single image: only trainings scatter
    found, right = compare(one, other), stats.ttest_rel(one[:, 0], other[:, 0])
    assert found.p == pytest.approx(right.pvalue) and found.freedom == 4
    interval = right.confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize("sizes", [(5, 3), (4, 9)])
def test_unlike_seeds_are_welchs_test(sizes):
    rng = np.random.default_rng(7)
    one, other = (rng.normal(30, scale, (size, 1)) for scale, size in zip((1, 3), sizes, strict=True))
    found = compare(one, other)
    assert not found.paired
    assert found.p == pytest.approx(stats.ttest_ind(one[:, 0], other[:, 0], equal_var=False).pvalue)


def test_what_is_not_random_is_judged_by_images():
    """Two interpolations: nothing but the choice of images could have made the difference."""
    rng = np.random.default_rng(8)
    images = rng.normal(25, 1, 80)
    other = images + rng.normal(0.1, 0.2, 80)
    assert compare(other, images).p == pytest.approx(stats.ttest_rel(other, images).pvalue)


def test_against_interpolation_only_the_networks_trainings_scatter():
    rng = np.random.default_rng(9)
    network, baseline = rng.normal(30, 1, (5, 1)), np.full((1, 1), 30.0)
    assert compare(network, baseline).p == pytest.approx(stats.ttest_1samp(network[:, 0], 30.0).pvalue)


def test_a_difference_within_the_spread_of_trainings_is_a_tie_however_many_images():
    rng = np.random.default_rng(3)
    images = rng.normal(30, 1, 5000)
    one = images + np.array([[0.3], [-0.3], [0.06]])
    other = images + np.zeros((3, 1)) + rng.normal(0, 0.01, (3, 5000))
    found = compare(one, other)
    assert found.difference == pytest.approx(0.02, abs=1e-3) and found.low < 0 < found.high
    assert verdict(found, found.p, higher_is_better=True) == "tie"


def test_a_real_difference_is_found_and_bounded():
    rng = np.random.default_rng(1)
    images = rng.normal(30, 1, 200)
    one = images + 0.5 + rng.normal(0, 0.02, (5, 1)) + rng.normal(0, 0.02, (5, 200))
    other = images + rng.normal(0, 0.02, (5, 1)) + rng.normal(0, 0.02, (5, 200))
    found = compare(one, other)
    assert found.low < 0.5 < found.high and found.high - found.low < 0.1
    assert verdict(found, found.p, higher_is_better=True) == "better"
    assert verdict(found, found.p, higher_is_better=False) == "worse"


def test_equal_scores_are_a_tie_and_unequal_images_refused():
    scores = np.ones((2, 10))
    assert compare(scores, scores).p == 1.0
    with pytest.raises(ValueError, match="cannot be paired"):
        compare(scores, np.ones((2, 9)))


def test_a_published_number_scatters_as_one_of_our_trainings():
    """The number of one training, and ours of five, of the same law: they differ as often as the level says."""
    rng = np.random.default_rng(10)
    p = [difference_from(rng.normal(0, 1, 5), rng.normal(0, 1)).p for _ in range(2000)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.015)


def test_the_interval_of_a_share_holds_the_truth_as_often_as_it_says():
    """Three models of three seeds each, which scatter as much as their difference: 95 % within a few percent."""
    rng = np.random.default_rng(0)
    held = []
    for _ in range(150):
        images = rng.normal(0, 0.2, 300)
        scores = [m + rng.normal(0, 0.01, (3, 1)) + images + rng.normal(0, 0.05, (3, 300)) for m in (0.20, 0.23, 0.14)]
        _, low, high = recovered(*scores, resamples=100)
        held.append(low <= 1 / 3 <= high)
    assert 0.89 <= np.mean(held) <= 1.0
    share, low, high = recovered([[1.0, 1.0]], [[0.0, 0.0]], [[4.0, 4.0]])
    assert share == low == high == 0.25
