"""The density of an exposure's counts, against integrals and against exposures."""

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from lenssr.data.camera.detector import Detector
from lenssr.limits.likelihood import log_likelihood, moments


def probabilities(counts, mean, background, kind="gaussian_and_poisson", clip=True):
    detector, time = Detector(kind, clip, background / 1000.0), 1000.0
    seen = torch.tensor(counts, dtype=torch.float64).view(-1, 1, 1) / time
    flux = torch.tensor([[[mean / time]]], dtype=torch.float64)
    return np.array([float(log_likelihood(one, flux, time, detector)[0]) for one in seen])


@pytest.mark.parametrize("mean, background", [(0.0, 10.0), (20.0, 10.0), (300.0, 31.0), (5.0, 102.0), (3000.0, 102.0)])
def test_clipped_counts_have_the_density_of_the_integral(mean, background):
    width = (mean + background**2) ** 0.5
    for count in {0, 1, 5, int(mean), int(mean + 2 * width)}:
        weight = lambda x, n=count: stats.poisson.pmf(n, x) * stats.norm.pdf(x, mean, width)  # noqa: E731
        low, high = max(0, count - 12 * (count + 1) ** 0.5 - 12), count + 12 * (count + 1) ** 0.5 + 30
        exact = integrate.quad(weight, low, high, limit=400, points=[count])[0]
        exact += stats.norm.cdf(0, mean, width) if count == 0 else 0
        if exact > 1e-12:
            assert probabilities([count], mean, background)[0] == pytest.approx(np.log(exact), abs=0.01)


@pytest.mark.parametrize("clip, kind", [(True, "gaussian_and_poisson"), (False, "poisson")])
def test_exposures_have_the_probabilities_that_they_are_told(clip, kind):
    """The mean of log p over a camera's exposures is the largest at the flux that they were made of."""
    detector, time, flux = Detector(kind, clip, 0.02), 1000.0, torch.full((200, 200), 0.05)
    pixel, sample = torch.arange(40000).view(200, 200), torch.zeros(1, 1, dtype=torch.long)
    seen = detector.expose(flux, torch.tensor(time), (pixel, sample, 0, 0), (0, 0))
    tried = torch.linspace(0.049, 0.051, 41)
    values = log_likelihood(seen, tried.view(-1, 1, 1).expand(-1, 200, 200), time, detector)
    mean, variance = moments(flux[:1, :1], time, detector)
    assert float(tried[values.argmax()]) == pytest.approx(0.05, abs=4 * float(variance) ** 0.5 / 200)
    assert float(seen.mean()) == pytest.approx(float(mean), abs=4 * float(variance) ** 0.5 / 200)
