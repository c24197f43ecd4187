"""Paired comparisons against textbook numbers and known differences."""

import numpy as np
import pytest

from lenssr.results.tables.statistics import compare, holm, recovered, verdict


def test_holm_on_a_worked_example():
    """0.01, 0.04, 0.03, 0.005 of four tests: 0.03, 0.06, 0.06, 0.02."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]).max() == 1.0


def test_a_real_difference_is_found_and_bounded():
    rng = np.random.default_rng(1)
    images = rng.normal(30, 1, 200)  # images differ much more than models do: pairing is what finds it
    one = images + 0.05 + rng.normal(0, 0.02, (3, 200))
    other = images + rng.normal(0, 0.02, (3, 200))
    found = compare(one, other)
    assert found.low < 0.05 < found.high and found.high - found.low < 0.02
    assert found.p < 1e-10
    assert verdict(found, found.p, higher_is_better=True) == "better"
    assert verdict(found, found.p, higher_is_better=False) == "worse"


def test_no_difference_is_a_tie_as_often_as_the_level_says():
    rng = np.random.default_rng(2)
    p = [compare(rng.normal(size=(1, 40)), rng.normal(size=(1, 40)), resamples=2).p for _ in range(400)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.03)


def test_a_difference_within_the_seeds_spread_is_a_tie():
    """Many images make any difference significant; the seeds say whether it is the model's."""
    rng = np.random.default_rng(3)
    images = rng.normal(30, 1, 5000)
    one = images + np.array([[0.3], [-0.3], [0.06]])
    other = images + np.zeros((3, 1)) + rng.normal(0, 0.01, (3, 5000))
    found = compare(one, other)
    assert found.p < 1e-10 and found.difference == pytest.approx(0.02, abs=1e-3)
    assert verdict(found, found.p, higher_is_better=True) == "tie"


def test_seeds_are_not_counted_as_further_images():
    rng = np.random.default_rng(4)
    one, other = rng.normal(0.3, 1, (1, 30)), rng.normal(0, 1, (1, 30))
    assert compare(np.repeat(one, 5, 0), np.repeat(other, 5, 0)).p == compare(one, other).p


def test_equal_scores_are_a_tie_and_unequal_images_refused():
    scores = np.ones((2, 10))
    assert compare(scores, scores).p == 1.0
    with pytest.raises(ValueError, match="cannot be paired"):
        compare(scores, np.ones((2, 9)))


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
