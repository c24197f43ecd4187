"""A fit of lenses that vary: the truth within what it tells, and a vortex beside a lens whose mass is free."""

import numpy as np
from exposed import fits

from lenssr.limits.fit import VORTEX
from lenssr.limits.prior import Prior


def test_places_come_back_and_an_einstein_radius_stands_for_a_mass(varied):
    prior = Prior(varied.source.physics, "axion")
    points = np.random.default_rng(0).uniform(size=(50, len(prior.names)))
    assert np.allclose(prior.places(prior.columns(points)), points)
    assert np.allclose(prior.walled(prior.unwalled(points)), points) and prior.normal.sum() == 8


def test_the_true_numbers_of_smooth_lenses_are_within_what_their_fits_tell(varied):
    pulls = np.array([list(found.pulls(prior, true).values()) for found, prior, true in fits(varied, "no_sub")])
    assert pulls.shape == (12, 14)
    rms = float(np.sqrt(np.square(pulls).mean()))
    assert 0.7 < rms < 1.4  # 168 numbers, not all of their own
    assert 0.55 < (np.abs(pulls) < 1).mean() < 0.85


def test_a_vortex_takes_its_mass_from_the_lens(varied):
    """What a smooth fit gives the lens is the lens's and the vortex's together."""
    pulls = [found.pulls(prior, true) for found, prior, true in fits(varied, "axion")]
    assert all(set(VORTEX) < set(one) and len(one) == 16 for one in pulls)
    assert np.median([abs(one["mass"]) for one in pulls]) < 2  # the vortex has 3 to 10 % of it, 10 sigma and more
    assert np.median([abs(pull) for one in pulls for name, pull in one.items() if name not in VORTEX]) < 1.3
