"""Scores of lens finders against scipy, closed forms and repeated experiments."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, mannwhitneyu, norm

from lenssr.metrics.finding import (
    completeness,
    intervals,
    pseudo_auroc,
    pseudo_completeness,
    scored,
)
from lenssr.metrics.rates import clopper_pearson


def drawn(rng, lenses=600, others=600, shift=2.0):
    """Return binormal scores, and which are of lenses."""
    lens = np.arange(lenses + others) < lenses
    return rng.normal(size=len(lens)) + shift * lens, lens


def test_the_area_is_mann_and_whitneys():
    rng = np.random.default_rng(0)
    scores, lens = drawn(rng, 70, 50, 0.5)
    scores = scores.round(1)  # ties
    wanted = mannwhitneyu(scores[lens], scores[~lens]).statistic / (70 * 50)
    assert pseudo_auroc(scores, lens).mean() == pytest.approx(wanted, abs=1e-12)


def test_completeness_counts():
    scores = np.array([9.0, 5, 4, 1, 8, 3, 2, 0])
    lens = np.array([1, 1, 1, 1, 0, 0, 0, 0], bool)
    assert completeness(scores, lens, 0.001) == (0.25, 8.0)  # none of four may pass
    assert completeness(scores, lens, 0.25) == (0.75, 3.0)  # one may
    assert pseudo_completeness(scores, lens, 0.25).mean() == pytest.approx(0.75)


@pytest.mark.parametrize(("rate", "count"), [(0.01, 2000), (0.001, 4000)])
def test_errors_are_those_of_repeated_experiments(rate, count):
    """Binormal scores again and again: the mean is the closed form's, the spread what a single one tells of itself."""
    rng = np.random.default_rng(1)
    found, told, areas, area_told = [], [], [], []
    for _ in range(300):
        scores, lens = drawn(rng, count // 2, count // 2)
        numbers = pseudo_completeness(scores, lens, rate)
        found.append(numbers.mean())
        told.append(numbers.var(ddof=1) / count)
        numbers = pseudo_auroc(scores, lens)
        areas.append(numbers.mean())
        area_told.append(numbers.var(ddof=1) / count)
    assert np.mean(areas) == pytest.approx(norm.cdf(2 / 2**0.5), abs=0.001)
    assert np.sqrt(np.mean(area_told)) == pytest.approx(np.std(areas), rel=0.12)
    # few others pass, so that the threshold is a little high on average
    assert np.mean(found) == pytest.approx(norm.cdf(2 - norm.isf(rate)), abs=0.05)
    assert np.sqrt(np.mean(told)) == pytest.approx(np.std(found), rel=0.3)
    # binomial errors alone, without the threshold's, would be far too small
    share = np.mean(found)
    assert np.sqrt(share * (1 - share) / (count / 2)) < 0.75 * np.std(found)


def test_a_bootstrap_holds_the_closed_form_as_often_as_it_says():
    rng, wanted = np.random.default_rng(2), norm.cdf(2 - norm.isf(0.01))
    inside = []
    for _ in range(40):
        low, high = intervals(*drawn(rng, 300, 300), draws=200)["finding/completeness_1"]
        inside.append(low <= wanted <= high)
    assert binom.cdf(sum(inside), 40, 0.95) > 1e-3


def test_a_test_is_summarised_with_intervals():
    scores, lens = drawn(np.random.default_rng(3), 100, 100)
    frame = pd.DataFrame({"index": range(200), "prediction/logit/value": scores, "prediction/right/value": lens * 1.0})
    found = scored(frame.assign(**{"prediction/finding/nll": 0.5}), 0.1).summary()
    told = found["prediction"]
    assert set(told) == {"finding/nll", "finding/auroc", "finding/completeness_1", "finding/completeness_01"}
    for name in set(told) - {"finding/nll"}:
        assert told[name]["low"] <= told[name]["mean"] <= told[name]["high"]
    assert found["chance"]["finding/completeness_01"]["mean"] == 0.001
    alone = scored(frame[lens].assign(**{"prediction/finding/nll": 0.5}), 0.1).summary()
    assert set(alone["prediction"]) == {"finding/nll"}  # lenses alone rank nothing


def test_clopper_and_pearson():
    """Their definition: at each end the tail is 2.5 %."""
    low, high = clopper_pearson(3, 40)
    assert binom.sf(2, 40, low) == pytest.approx(0.025) and binom.cdf(3, 40, high) == pytest.approx(0.025)
    assert clopper_pearson(0, 9)[0] == 0 and clopper_pearson(9, 9)[1] == 1
