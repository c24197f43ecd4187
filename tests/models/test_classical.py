"""Filters against what theory says of known spectra."""

import numpy as np
import pytest
import torch

from lenssr.models.classical import Gaussian, Wiener


def fields(count, size, noise, generator):
    """Return smooth random fields of a known spectrum, the same with white noise and a level, and their power."""
    frequency = torch.hypot(torch.fft.fftfreq(size).view(-1, 1), torch.fft.fftfreq(size).view(1, -1)).double()
    power = torch.exp(-2 * (torch.pi * 3 * frequency) ** 2) * 50  # of a mode, in units of white noise of variance 1
    white = torch.randn(2, count, 1, size, size, generator=generator, dtype=torch.float64)
    signal = torch.fft.ifft2(torch.fft.fft2(white[0]) * power.sqrt()).real
    return signal, signal + noise * white[1] + 0.3, power, frequency


def test_wieners_gain_is_signal_over_signal_and_noise():
    generator = torch.Generator().manual_seed(0)
    signal, seen, power, frequency = fields(40, 96, 1.0, generator)
    model = Wiener(1)
    model.fit([(seen, signal)])
    assert float(model.level) == pytest.approx(0.3, abs=0.02)
    wanted = power / (power + 1)
    inner = (frequency > 0.01) & (frequency < 0.45)
    assert float((model.gain(frequency.float()) - wanted)[inner].abs().max()) < 0.06
    found = model(seen.float()).double() - signal
    least = (power * 1 / (power + 1)).mean()  # mean squared error of the ideal filter
    assert float(found.square().mean()) == pytest.approx(float(least), rel=0.1)


def test_the_gaussian_is_the_best_of_its_kind():
    from scipy.ndimage import gaussian_filter

    generator = torch.Generator().manual_seed(1)
    signal, seen, *_ = fields(20, 64, 1.0, generator)
    model = Gaussian(1)
    model.fit([(seen[:10], signal[:10]), (seen[10:], signal[10:])])
    errors = {}
    for width in np.arange(0.5, 6, 0.25):
        smooth = [gaussian_filter(image - 0.3, width, mode="mirror") for image in seen[:, 0].numpy()]
        errors[width] = np.mean((np.stack(smooth) - signal[:, 0].numpy()) ** 2)
    assert float(model.width) == pytest.approx(min(errors, key=errors.get), abs=0.26)
    error = float((model(seen.float()).double() - signal).square().mean())
    assert error == pytest.approx(min(errors.values()), rel=0.03)


@pytest.mark.parametrize("kind", [Gaussian, Wiener])
def test_flux_is_kept_and_any_size_goes(kind):
    generator = torch.Generator().manual_seed(2)
    lr = torch.rand(4, 1, 20, 20, generator=generator)
    model = kind(2)
    model.fit([(lr, model.enlarge(lr) + 0.1 * torch.rand(4, 1, 40, 40, generator=generator))])
    spot = torch.zeros(1, 1, 33, 24)
    spot[..., 16, 12] = 1.0
    found = model(spot) + model.level
    assert found.shape == (1, 1, 66, 48)
    assert float(found.sum()) == pytest.approx(4.0, rel=0.02)
