"""A vortex's posterior as a mixture, against the posterior that annealing draws; and of lenses that vary, the truth."""

from types import SimpleNamespace

import numpy as np
import pytest
from exposed import exposure, fits
from scipy import stats

from lenssr.limits.fit import Fitter
from lenssr.limits.lenses import Lenses
from lenssr.limits.prior import Prior
from lenssr.limits.smc import effective
from lenssr.limits.vortex import VORTEX, Node, _flattened, _weighed, with_vortex, without


def test_a_vortex_is_taken_off_a_lens_again(varied):
    prior = Prior(varied.source.physics, "axion")
    smooth = np.random.default_rng(0).uniform(0.3, 0.9, 14)
    point = with_vortex(prior, smooth, np.array([0.9, 0.3]))
    assert point[0] < smooth[0] and (point[1:14] == smooth[1:]).all()
    # all of a short vortex lies within the Einstein radius
    mass = [prior.columns(one[None])["mass"][0] for one in (np.concatenate([smooth, [0.9, 0.3]]), point)]
    assert mass[0] - mass[1] == pytest.approx(prior.axion["total_mass"], rel=1e-3)
    for vortex in ([0.9, 0.3], [0.02, 0.7]):  # of a long one a part, which is another once the mass is less
        point = with_vortex(prior, smooth, np.array(vortex))
        assert without(prior, point) == pytest.approx(smooth, abs=3e-3)


def test_without_weight_nothing_is_flattened_and_a_few_draws_are_no_posterior():
    some = np.full(32, -np.inf)
    some[:10] = -np.arange(10.0)
    assert effective(_flattened(some)) > 8.5  # ten of them are all there are
    few = SimpleNamespace(
        nodes={(0.5, 0.5): Node(np.zeros(3), np.zeros(1), 0.0)},
        factor=np.eye(1),
        within=lambda others: np.abs(others) <= 9.0,
        values=lambda places: np.where(np.arange(len(places)) < 3, 0.0, -np.inf),
    )
    assert _weighed(few, np.full((64, 2), 0.5), np.random.default_rng(0)) is None


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
