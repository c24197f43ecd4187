"""Power in common with the truth, against a Fourier sum written out and closed forms."""

import numpy as np
import pytest
import torch
from helpers import CLASSES, EXPOSURE, physics

from lenssr.data.sets.simulated import simulate
from lenssr.data.sky.lensing import Instrument
from lenssr.data.sky.parameters import sample
from lenssr.metrics.physics import transfer_below_nyquist
from lenssr.metrics.spectrum import Spectrum, coherence, cross_power, radial_power, resolution, transfer


def waves(*cycles, size=64):
    x = torch.arange(size, dtype=torch.float64) / size * 2 * torch.pi
    return sum(torch.cos(k * x) for k in cycles).expand(1, size, size)


@pytest.fixture(scope="module")
def lenses():
    table = sample(physics("deeplense"), EXPOSURE, CLASSES, 0, "test", 6)
    return torch.from_numpy(np.concatenate(list(simulate(table, Instrument(150, 0.05, 0.087))))).double()


def test_powers_against_a_written_out_fourier_sum():
    rng = np.random.default_rng(0)
    image, other = rng.normal(size=(2, 12, 12))
    y, x = np.mgrid[0:12, 0:12]
    sums, crossed, counts = np.zeros(6), np.zeros(6), np.zeros(6)
    for ky in range(-6, 6):
        for kx in range(-6, 6):
            ring = round(np.hypot(ky, kx))
            if 1 <= ring <= 6:
                wave = np.exp(-2j * np.pi * (ky * y + kx * x) / 12)
                one, two = (image * wave).sum(), (other * wave).sum()
                sums[ring - 1] += abs(one) ** 2
                crossed[ring - 1] += (one * two.conj()).real
                counts[ring - 1] += 1
    one, two = (torch.from_numpy(x).unsqueeze(0) for x in (image, other))
    assert radial_power(one)[0].numpy() == pytest.approx(sums / counts, rel=1e-10)
    assert cross_power(one, two)[0].numpy() == pytest.approx(crossed / counts, rel=1e-8, abs=1e-8)


def test_contrast_is_transfer_and_no_coherence():
    """Half the contrast: transfer 1/2, coherence 1."""
    truth = torch.rand(2, 32, 32, dtype=torch.float64)
    image = 0.5 * truth + 3
    cross, power, true = cross_power(image, truth), radial_power(image), radial_power(truth)
    assert transfer(cross, true).flatten().tolist() == pytest.approx([0.5] * 32)
    assert coherence(cross, power, true).flatten().tolist() == pytest.approx([1.0] * 32)


def test_white_noise_takes_coherence_and_no_transfer():
    """Of signal S and noise N of the same power in every mode: coherence S / (S + N), transfer 1."""
    generator = torch.Generator().manual_seed(0)
    truth, noise = torch.randn(2, 40, 64, 64, generator=generator, dtype=torch.float64)
    image = truth + noise
    cross, power, true = (cross_power(*pair).mean(0) for pair in ((image, truth), (image, image), (truth, truth)))
    assert float(coherence(cross, power, true)[8:].mean()) == pytest.approx(0.5, abs=0.02)
    assert float(transfer(cross, true)[8:].mean()) == pytest.approx(1.0, abs=0.02)


def test_another_lens_of_the_set_holds_nothing_of_this_one(lenses):
    other = lenses.roll(3, 0)  # the same class
    resolved = resolution(other, lenses, 2)
    assert float(resolved.median()) < 0.2  # a tenth of the LR pixels' resolution
    power = (radial_power(other) / radial_power(lenses))[:, 18:37].mean()
    assert 0.3 < float(power) < 3  # though its power is right, which says nothing


def test_the_resolution_is_where_the_signal_drowns():
    """Structure up to 10 cycles, noise beyond: the coherence falls to a half between rings 10 and 11 of 64 px."""
    generator = torch.Generator().manual_seed(1)
    field = torch.randn(8, 64, 64, generator=generator, dtype=torch.float64)
    frequency = torch.fft.fftfreq(64, 1 / 64, dtype=torch.float64)
    low = torch.hypot(frequency.view(-1, 1), frequency.view(1, -1)) <= 10.49
    modes = torch.fft.fft2(field)
    noise = torch.fft.fft2(torch.randn(8, 64, 64, generator=generator, dtype=torch.float64))
    image = torch.fft.ifft2(torch.where(low, modes, noise)).real
    nyquist = 64 / (2 * 2)
    assert (resolution(image, field, 2) * nyquist).tolist() == pytest.approx([10.5] * 8, abs=1.0)


def test_the_truth_resolves_all_there_is(lenses):
    assert (resolution(lenses, lenses, 2) > 1.9).all()


def test_transfer_sees_only_its_octave():
    """Of 64 px at scale 2 the LR Nyquist frequency is 16 cycles: the octave is 8 to 16."""
    truth = waves(4, 12, 24)
    for cycles, found in ((4, 1.0), (12, 2.0), (24, 1.0)):
        image = truth + waves(cycles)
        assert float(transfer_below_nyquist(image, truth, 2)) == pytest.approx(found)


def test_spectra_end_where_the_truth_has_no_power_left():
    """A truth without power beyond 6 cycles but for what float32 leaves: no ratio there."""
    truth = waves(2, 6).float().unsqueeze(0)
    batch = {"hr": truth + 0.01 * torch.rand(1, 1, 64, 64), "truth": truth, "index": torch.tensor([0])}
    spectrum = Spectrum(0.05)
    spectrum.update({"prediction": truth, "ceiling": truth}, batch)
    found = spectrum.compute()
    assert found["coherence/prediction"].notna().sum() == 2 and found["transfer/hr"].notna().sum() == 2
    assert found["coherence/prediction"][[1, 5]].tolist() == pytest.approx([1, 1])
    assert "coherence/truth" not in found and "truth" in found
