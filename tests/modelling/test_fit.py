"""Fits find the truth within the errors they tell, and lenstronomy finds none better."""

import numpy as np
import pytest
import torch
from lenses import FWHM, PIXEL, SIZE, lenstronomy_image, points, telescope, view

from lenssr.modelling.fit import derivatives, fit, model
from lenssr.modelling.lens import MASS, NAMES, prior, steps
from lenssr.modelling.start import begin
from lenssr.modelling.view import View

SIGMA = 0.012
CHANGES = ({}, {"source_x": -0.2, "theta_E": 0.8}, {"source_y": 0.25, "e1": -0.1, "gamma1": -0.04})
RANGES = {"theta_E": (0.7, 1.2), "e1": (-0.15, 0.15), "e2": (-0.15, 0.15), "gamma1": (-0.05, 0.05),
          "gamma2": (-0.05, 0.05), "source_x": (-0.25, 0.25), "source_y": (-0.25, 0.25)}  # fmt: skip


def noisy(seen, truth, seed=0):
    clean = model(seen, truth, 4)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    return clean + SIGMA * noise, torch.full_like(clean, 1 / SIGMA)


def fitted(seen, images, weights, count=1):
    starts = begin(seen, images, weights, (0.5, 1.3), count)
    many = [part.repeat_interleave(count, 0) for part in (images, weights)]
    first = fit(seen, *many, starts.flatten(0, 1), 6, rays=(2, 2))
    best = first.objective.view(-1, count).argmin(1)
    return fit(seen, images, weights, first.points.view(-1, count, len(NAMES))[torch.arange(len(images)), best], 40)


def test_images_are_lenstronomys():
    pytest.importorskip("lenstronomy")
    found = model(view(), points(), 4)[0].double().view(SIZE, SIZE).numpy()
    wanted = lenstronomy_image(points()[0])
    inner = (slice(8, -8),) * 2  # lenstronomy repeats edge pixels where we render beyond them
    assert np.abs(found - wanted)[inner].max() < 1e-4 * wanted.max()


def test_derivatives_are_those_of_central_differences():
    """In double precision and with another step; an error of a forward difference is of the order of its step."""
    seen, point = view(), points().double()
    found = derivatives(seen, point, 2)[0]
    for i, step in enumerate(steps().double() / 20):
        ahead, back = point.clone(), point.clone()
        ahead[0, i] += step
        back[0, i] -= step
        wanted = (model(seen, ahead, 2) - model(seen, back, 2))[0] / (2 * step)
        assert float((found[:, i] - wanted).norm() / wanted.norm()) < 0.05, NAMES[i]


def test_a_noise_free_image_gives_the_truth():
    seen, truth = view(), points({"slope": 2.08})
    clean = model(seen, truth, 4)
    found = fitted(seen, clean, torch.full_like(clean, 1 / SIGMA))
    assert bool(found.converged.all()) and float(found.chi2) < 1.0
    off = (found.points - truth)[0].double() / found.covariance[0].diagonal().sqrt()
    assert float(off[MASS].abs().max()) < 0.5


def test_the_truth_is_within_the_told_errors():
    seen, truth = view(), points(*CHANGES[:2])
    images, weights = noisy(seen, truth)
    found = fitted(seen, images, weights)
    pixels = images.shape[1]
    assert bool(found.converged.all())
    assert ((found.chi2 / pixels - 1).abs() < 5 * (2 / pixels) ** 0.5).all()
    known = ((truth.double() - prior()[0]).square() * prior()[1]).sum(1)
    right = ((images - model(seen, truth, 4)) * weights).double().square().sum(1) + known
    assert (found.objective < right).all()  # no worse a minimum than the truth's
    pulls = (found.points - truth).double() / found.covariance.diagonal(dim1=1, dim2=2).sqrt()
    assert float(pulls[:, MASS].abs().max()) < 4 and 0.5 < float(pulls.square().mean().sqrt()) < 1.5


def test_coarse_and_interpolated_images_are_binned_and_enlarged():
    fine, coarse = view(), view(2)
    image = model(fine, points(), 2).view(1, 1, SIZE, SIZE)
    low = model(coarse, points(), 2).view(1, 1, SIZE // 2, SIZE // 2)
    assert torch.allclose(torch.nn.functional.avg_pool2d(image, 2), low, rtol=1e-4, atol=1e-4)
    large = View(telescope(), FWHM, PIXEL, SIZE, 2, enlarge=True)
    wanted = torch.nn.functional.interpolate(low, size=(SIZE, SIZE), mode="bilinear")
    assert torch.allclose(model(large, points(), 2), wanted.flatten(1), atol=1e-5)


@pytest.mark.slow
def test_lenstronomy_finds_no_better_fit():
    """Least squares on lenstronomy's images, from our fit and from the truth."""
    pytest.importorskip("lenstronomy")
    from scipy.optimize import least_squares

    rng, seen = np.random.default_rng(10), view()
    truth = points(*CHANGES, *({name: rng.uniform(*within) for name, within in RANGES.items()} for _ in range(7)))
    images, weights = noisy(seen, truth, 1)
    found = fitted(seen, images, weights, 3)
    mean, known = (part.double().numpy() for part in prior())
    scale = steps().double().numpy()
    for one in range(len(truth)):
        image = images[one].double().view(SIZE, SIZE).numpy()

        def residual(x, image=image):
            off = (lenstronomy_image(x * scale) - image) / SIGMA
            return np.concatenate([off[8:-8, 8:-8].ravel(), (x * scale - mean) * np.sqrt(known)])

        ours = np.square(residual(found.points[one].double().numpy() / scale)).sum()
        inner = torch.zeros(SIZE, SIZE)
        inner[8:-8, 8:-8] = 1 / SIGMA
        again = fit(seen, images[[one]], inner.view(1, -1), found.points[[one]], 30)
        best = least_squares(residual, truth[one].double().numpy() / scale, diff_step=1e-3, max_nfev=12)
        assert np.square(residual(again.points[0].double().numpy() / scale)).sum() < 2 * best.cost + 1.0
        assert abs(best.x[0] * scale[0] - float(again.points[0, 0])) < float(again.covariance[0, 0, 0].sqrt())
        assert ours < 2 * best.cost + 40
