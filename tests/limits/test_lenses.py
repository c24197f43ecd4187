"""Priors, posteriors and fits of lens images, against the simulator that made these."""

import numpy as np
import pytest
import torch
from exposed import exposure

from lenssr.config.compose import compose, plain
from lenssr.data.camera.observe import Address
from lenssr.data.sky.parameters import SPLITS
from lenssr.limits.fit import Fitter
from lenssr.limits.lenses import Lenses
from lenssr.limits.prior import Prior


def truth(data, prior, index):
    row = data.sets["test"].parameters.iloc[index]
    return prior.places({name: np.array([row[name]]) for name in prior.names})


@pytest.mark.parametrize("index, name", [(0, "no_sub"), (1, "axion"), (2, "cdm")])
def test_a_point_of_the_cube_is_the_image_that_the_set_has_there(data, index, name):
    images = data.sets["test"]
    row = images.parameters.iloc[index]
    told = np.stack([np.asarray(row[f"subhalo_{k}"], float) for k in ("x", "y", "theta_E")]) if name == "cdm" else None
    prior = Prior(data.source.physics, name, told)
    lenses = Lenses(prior, data.source.instrument, data.observation.lr, data.scale)
    place = truth(data, prior, index)
    assert row["class"] == name and ((place >= 0) & (place <= 1)).all()
    drawn = lenses.flux(place)[0].numpy()
    assert np.abs(drawn - images.images[index]).max() < 2e-5 * images.images[index].max()


def test_the_corrected_physics_has_its_prior_too():
    physics = plain(compose(["model=bilinear", "physics=corrected"]))["physics"]
    prior = Prior(physics, "axion")
    points = np.random.default_rng(0).uniform(0.01, 0.99, (50, len(prior.names)))
    assert len(prior.names) == 16 and np.allclose(prior.places(prior.columns(points)), points)
    # 3e11 solar masses give 0.91 arcsec at these redshifts
    low = prior.columns(np.where(np.array(prior.names) == "mass", 0.0, points))
    assert low["theta_E"] == pytest.approx(0.91, abs=0.005)


def test_posteriors_hold_the_truth_and_know_their_width(data):
    pulls, lenses = [], {}
    for index, name in enumerate(data.sets["test"].parameters["class"]):
        if name == "cdm":
            continue
        prior = Prior(data.source.physics, name)
        few = (data.source.instrument, data.observation.lr, data.scale, 32, 256)
        one = lenses.setdefault(name, Lenses(prior, *few))
        found = one.posterior(*exposure(data, index), index)
        place = [prior.names.index(f"source_{axis}") for axis in "xy"]
        away = found.points[:, place] - truth(data, prior, index)[:, place]
        pulls.append(away.mean(0) / away.std(0))
        assert found.points[:, place].std(0).max() < 0.05
    rms = float(np.sqrt(np.square(pulls).mean()))
    assert 0.5 < rms < 1.7  # 1 is right; the extremes of 16 numbers in one of a thousand cases


def test_a_fit_is_likelier_than_the_truth_and_names_the_class(data):
    few = (data.source.instrument, data.observation.lr, data.scale)
    lenses = {name: Lenses(Prior(data.source.physics, name), *few, library=256) for name in ("no_sub", "axion")}
    fitter, right = Fitter(lenses, 2), 0
    for index in (0, 1, 3, 4, 6, 7):
        name = data.sets["test"].parameters["class"][index]
        seen, time = exposure(data, index)
        found = fitter(seen, time)
        there = lenses[name].log_likelihood(truth(data, lenses[name].prior, index), seen, time)[0]
        assert found.log_likelihood > there - 1.0
        right += found.name == name
    assert right >= 4  # some vortices are too small to be told from none


def test_the_fisher_information_is_the_scatter_of_fits(data):
    """The covariance that a fit tells is that of fits to many exposures of one lens."""
    prior = Prior(data.source.physics, "no_sub")
    lenses = Lenses(prior, data.source.instrument, data.observation.lr, data.scale, library=256)
    fitter, found = Fitter({"no_sub": lenses}, 1), []
    flux, time = torch.from_numpy(data.sets["test"].images[:1].copy()), torch.tensor([2000.0])
    pixels = torch.arange(32 * 32).view(1, 32, 32)
    for trial in range(40):
        address = Address(torch.tensor([trial]), 0, (7, SPLITS["test"]))
        binned = flux.view(1, 32, 2, 32, 2).sum((2, 4))
        where = (pixels, address.index.view(-1, 1, 1), 0, 1)
        seen = data.observation.lr.expose(binned, time.view(-1, 1, 1), where, address.key)[0]
        found.append(fitter(seen, 2000.0))
    scatter = np.cov(np.array([one.point for one in found]).T)
    told = np.mean([one.covariance for one in found], axis=0)
    assert np.sqrt(np.diag(scatter) / np.diag(told)) == pytest.approx(1, abs=0.35)
