"""A subhalo's gain is what a fit without it lacks; in noise it is small."""

import numpy as np
import torch
from lenses import SIZE, points, view

from lenssr.data.sky.haloes import Haloes, add_haloes_
from lenssr.modelling.fit import fit, model
from lenssr.modelling.lens import NAMES
from lenssr.modelling.substructure import Search

SIGMA, SCALE, TAU = 0.012, 0.15, 5.0


def with_halo(seen, point, x, y, theta):
    def more(axis):
        ax, ay = torch.zeros(2, 1, len(axis), len(axis))
        one = torch.ones(1, 1)
        add_haloes_(ax, ay, axis, Haloes(x * one, y * one, theta * one, SCALE * one, TAU))
        return ax, ay

    return (seen.source(point, 4, more) + seen.deflector(point, 4))[0]


def test_the_gain_is_what_a_smooth_fit_lacks_and_the_halo_is_found():
    seen, point = view(), points()
    x, y = -0.75, -0.45
    image = with_halo(seen, point, x, y, 0.06)
    weight = torch.full_like(image, 1 / SIGMA)
    smooth = fit(seen, image[None], weight[None], point, 20)
    search = Search(seen, smooth.points[0], weight, [SCALE], TAU, 0.15)
    found = search((image - model(seen, smooth.points, 4)[0]) * weight)
    assert float(smooth.chi2) > 25
    assert abs(found.chi2 / float(smooth.objective) - 1) < 0.3
    assert np.hypot(found.x - x, found.y - y) < 0.25


def test_noise_gains_little():
    seen, point = view(), points()
    clean = model(seen, point, 4)[0]
    weight = torch.full_like(clean, 1 / SIGMA)
    search = Search(seen, point[0], weight, [SCALE], TAU, 0.2)
    noise = torch.randn(20, SIZE * SIZE, generator=torch.Generator().manual_seed(0))
    gains = [search(one).chi2 for one in noise]
    assert max(gains) < 20 and np.median(gains) < 8


def test_a_fit_without_an_arc_in_the_field_has_no_place_for_a_halo():
    """Its source is far outside, so that what is seen of it lies in a corner, or is nothing."""
    seen, (point,) = view(), points()
    weight = torch.ones(SIZE * SIZE)
    for x, flux in ((-4.0, 0.0), (0.0, -np.inf)):
        lost = point.clone()
        lost[[NAMES.index("theta_E"), NAMES.index("source_x"), NAMES.index("source_y")]] = torch.tensor([0.1, x, x])
        lost[NAMES.index("source_log_flux")] += flux
        found = Search(seen, lost, weight, [SCALE], TAU, 0.5)(torch.ones(SIZE * SIZE))
        assert found.chi2 == 0 and np.isnan(found.x) and np.isnan(found.y)
