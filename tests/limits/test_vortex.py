"""A vortex's posterior as a mixture, against the posterior that annealing draws; and of lenses that vary, the truth."""

import numpy as np
import pytest
from exposed import exposure, fits
from scipy import stats

from lenssr.limits.fit import Fitter
from lenssr.limits.lenses import Lenses
from lenssr.limits.prior import Prior
from lenssr.limits.vortex import VORTEX, with_vortex, without


def test_a_vortex_is_taken_off_a_lens_again(varied):
    prior = Prior(varied.source.physics, "axion")
    smooth = np.random.default_rng(0).uniform(0.3, 0.9, 14)
    point = with_vortex(prior, smooth, np.array([0.5, 0.3]))
    assert point[0] < smooth[0] and (point[1:14] == smooth[1:]).all()
    assert without(prior, point) == pytest.approx(smooth, abs=5e-3)  # the radius within which it counts moves with it


@pytest.mark.parametrize("index", [1, 4])
def test_the_mixture_is_the_posterior_that_annealing_draws(data, index):
    few = (data.source.instrument, data.observation.lr, data.scale)
    lenses = {name: Lenses(Prior(data.source.physics, name), *few, 256, 2048, 0, 1024) for name in ("no_sub", "axion")}
    seen, time = exposure(data, index)
    found = Fitter(lenses, 2, ["axion"], nodes=128)(seen, time)
    exact = lenses["axion"].posterior(seen, time, index).points
    mass, angle = (found.draws[:, -2], exact[:, -2]), (found.draws[:, -1], exact[:, -1])
    width = exact[:, :-1].std(0)
    assert np.abs(found.draws[:, :-1].mean(0) - exact[:, :-1].mean(0)) / width == pytest.approx(np.zeros(3), abs=0.35)
    assert found.draws[:, :-1].std(0) / width == pytest.approx(np.ones(3), abs=0.3)
    assert stats.ks_2samp(*mass).statistic < 0.2
    assert np.abs(np.exp(2j * np.pi * angle[0]).mean() - np.exp(2j * np.pi * angle[1]).mean()) < 0.25


def test_intervals_of_a_vortex_and_its_lens_hold_the_truth(varied):
    pulls = [found.pulls(prior, true) for found, prior, true in fits(varied, "axion", nodes=48, most=6)]
    vortex = np.abs([one[name] for one in pulls for name in VORTEX])
    others = np.abs([pull for one in pulls for name, pull in one.items() if name not in VORTEX])
    assert len(vortex) == 12 and (vortex < 2).mean() > 0.7  # 0.95 is right; a Gaussian about the fit has a third
    assert len(others) == 84 and (others < 2).mean() > 0.8 and (others < 1).mean() > 0.45
