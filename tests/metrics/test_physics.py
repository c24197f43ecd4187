"""Physics metrics against closed forms and a Fourier sum written out."""

import numpy as np
import pytest
import torch

from lenssr.metrics.physics import chi_squared, equivariance_error, flux_error, power_ratio, radial_power, ring_radius


def test_flux_error_is_relative_and_has_no_sign():
    truth = torch.full((2, 10, 10), 3.0)
    prediction = truth.clone()
    prediction[0] *= 1.02
    prediction[1] *= 0.9
    assert flux_error(prediction, truth).tolist() == pytest.approx([0.02, 0.1], rel=1e-5)


def test_the_radius_of_a_gaussian_ring():
    """A ring r0 +- s of squared brightness exp(-(r - r0)^2 / s^2) has mean radius r0 + s^2 / (2 r0) for s << r0."""
    axis = (torch.arange(150) - 74.5) * 0.05
    radius = torch.hypot(axis.view(-1, 1), axis.view(1, -1))
    r0, s = 1.3, 0.15
    image = torch.exp(-0.5 * ((radius - r0) / s) ** 2).unsqueeze(0)
    assert float(ring_radius(image, 0.05)) == pytest.approx(r0 + s**2 / (2 * r0), abs=2e-4)
    assert float(ring_radius(torch.rot90(image * 7, 1, (1, 2)), 0.05)) == pytest.approx(float(ring_radius(image, 0.05)))


def test_chi_squared_of_unit_noise_is_one():
    torch.manual_seed(0)
    truth, variance = torch.rand(3, 200, 200), torch.rand(3, 200, 200) + 0.5
    observed = truth + variance.sqrt() * torch.randn(3, 200, 200)
    assert chi_squared(truth, observed, variance).tolist() == pytest.approx([1.0] * 3, abs=0.03)
    assert chi_squared(truth + 1, observed, variance).min() > 1.5


def test_radial_power_against_a_written_out_fourier_sum():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(12, 12))
    y, x = np.mgrid[0:12, 0:12]
    sums, counts = np.zeros(6), np.zeros(6)
    for ky in range(-6, 6):
        for kx in range(-6, 6):
            ring = round(np.hypot(ky, kx))
            if 1 <= ring <= 6:
                wave = np.exp(-2j * np.pi * (ky * y + kx * x) / 12)
                sums[ring - 1] += abs((image * wave).sum()) ** 2
                counts[ring - 1] += 1
    found = radial_power(torch.from_numpy(image).unsqueeze(0))[0].numpy()
    assert found == pytest.approx(sums / counts, rel=1e-10)


def test_power_ratio_is_the_square_of_the_contrast():
    torch.manual_seed(0)
    truth = torch.rand(2, 32, 32)
    assert power_ratio(0.5 * truth + 3, truth, 2).tolist() == pytest.approx([0.25, 0.25])


def test_power_ratio_sees_only_its_octave():
    """Of 32 px at scale 2 the LR Nyquist frequency is 8 cycles: the octave is 4 to 8."""
    x = torch.arange(32) / 32 * 2 * torch.pi
    truth = sum(torch.cos(k * x) for k in (2, 6, 12)).expand(1, 32, 32)
    for cycles, changes in ((2, False), (6, True), (12, False)):
        other = truth + torch.cos(cycles * x)
        assert (float(power_ratio(other, truth, 2)) > 1.5) is changes


def test_equivariance_error_of_symmetric_and_skew_kernels():
    lr = torch.rand(2, 1, 16, 16)
    symmetric = torch.tensor([[1.0, 2, 1], [2, 5, 2], [1, 2, 1]]).view(1, 1, 3, 3)
    skew = torch.tensor([[0.0, 0, 0], [0, 0, 1], [0, 0, 0]]).view(1, 1, 3, 3)
    assert equivariance_error(lambda x: torch.conv2d(x, symmetric, padding=1), lr) < 1e-6
    assert equivariance_error(lambda x: torch.conv2d(x, skew, padding=1), lr) > 0.3
