"""Physics metrics against closed forms."""

import pytest
import torch

from lenssr.metrics.physics import chi_squared, equivariance_error, flux_error


def test_flux_error_is_relative_and_has_no_sign():
    truth = torch.full((2, 10, 10), 3.0)
    prediction = truth.clone()
    prediction[0] *= 1.02
    prediction[1] *= 0.9
    assert flux_error(prediction, truth).tolist() == pytest.approx([0.02, 0.1], rel=1e-5)


def test_chi_squared_of_unit_noise_is_one():
    torch.manual_seed(0)
    truth, variance = torch.rand(3, 200, 200), torch.rand(3, 200, 200) + 0.5
    observed = truth + variance.sqrt() * torch.randn(3, 200, 200)
    assert chi_squared(truth, observed, variance).tolist() == pytest.approx([1.0] * 3, abs=0.03)
    assert chi_squared(truth + 1, observed, variance).min() > 1.5


def test_equivariance_error_of_symmetric_and_skew_kernels():
    lr = torch.rand(2, 1, 16, 16)
    symmetric = torch.tensor([[1.0, 2, 1], [2, 5, 2], [1, 2, 1]]).view(1, 1, 3, 3)
    skew = torch.tensor([[0.0, 0, 0], [0, 0, 1], [0, 0, 0]]).view(1, 1, 3, 3)
    assert equivariance_error(lambda x: torch.conv2d(x, symmetric, padding=1), lr) < 1e-6
    assert equivariance_error(lambda x: torch.conv2d(x, skew, padding=1), lr) > 0.3
