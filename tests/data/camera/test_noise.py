"""The noise of real images, against fields of known correlation and a catalogue's own figures."""

import numpy as np
import pytest
import torch
from astropy.io import fits
from scipy.ndimage import convolve
from scipy.signal import convolve2d

from lenssr.data.camera.noise import IndependentNoise, autocorrelation, shared, sky
from lenssr.data.camera.observe import Address
from lenssr.data.files.images import read

SMOOTHING = np.outer([0.25, 1, 0.25], [0.25, 1, 0.25])
SIZE, SCALE, DRAWS = 24, 2, 4000


def correlated(rng, shape):
    """Return noise of variance one, and its correlation by the closed form: the filter's with itself."""
    filtering = SMOOTHING / np.sqrt((SMOOTHING**2).sum())
    field = np.stack([convolve(white, filtering, mode="wrap") for white in rng.normal(size=shape)])
    return field, convolve2d(filtering, filtering[::-1, ::-1])


def test_correlation_is_found_beside_a_galaxy():
    noise, expected = correlated(np.random.default_rng(0), (1, 200, 200))
    y, x = np.mgrid[:200, :200] - 100.0
    image = 50 * np.exp(-np.hypot(x, y) / 6) + noise[0]
    assert autocorrelation(image) == pytest.approx(expected, abs=0.05)
    assert sky(image)[1] == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("tap", [0.0, 0.075, 0.131])  # none, and as of two instruments
def test_how_noise_is_shared_is_the_kernels_sum_of_squares(tap):
    """Beside a galaxy; drizzling with a kernel lessens the variance by the sum of its squares."""
    taps = np.array([tap, 1 - 2 * tap, tap])
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:160, :160] - 80.0
    light = 50 * np.exp(-np.hypot(x, y) / 6)
    found = [shared(light + convolve(rng.normal(size=x.shape), np.outer(taps, taps))) for _ in range(4)]
    assert np.mean(found) == pytest.approx(1 / np.square(taps).sum() ** 2, rel=0.15)


def test_light_is_not_taken_for_shared_noise():
    y, x = np.mgrid[:64, :64] - 32.0
    wide = 200 * np.exp(-np.hypot(x, y) / 8)
    assert shared(wide + np.random.default_rng(0).normal(size=x.shape)) == 1.0


def test_noise_of_real_galaxies_is_that_of_their_catalogue(real):
    folder = real / "real_galaxies"
    told = fits.getdata(folder / "real_galaxy_catalog_23.5.fits")["NOISE_VARIANCE"] ** 0.5
    found = [sky(image.data)[1] for image in read(folder / "real_galaxy_images_23.5_n1.fits")]
    assert np.median(np.array(found) / told) == pytest.approx(1, abs=0.1)


def observed(lr_noise, blur, slope):
    """Return the noise (draws, ...) of LR and HR images of an empty sky; ``lr_noise`` as IndependentNoise's wanted."""
    noise, correlation = correlated(np.random.default_rng(1), (DRAWS, SIZE, SIZE))
    rms = np.linspace(1, slope, SIZE)[None, :] * np.ones((SIZE, 1))
    hr = noise * rms
    blurred = hr if blur is None else np.stack([convolve(h, blur, mode="wrap") for h in hr])
    lr = blurred.reshape(DRAWS, SIZE // 2, 2, SIZE // 2, 2).mean((2, 4))
    draw = IndependentNoise(correlation, blur, SCALE, SIZE, lr_noise)
    maps = torch.from_numpy(rms).float().expand(DRAWS, -1, -1)
    add, subtract = draw.draw(maps, Address(torch.arange(DRAWS), 0, (0, 0)))
    return lr, hr, lr + add.numpy(), hr - subtract.numpy(), draw


@pytest.mark.parametrize("lr_noise", [None, 2.0, 0.1])
@pytest.mark.parametrize("blur", [None, np.outer([1, 3, 2], [1, 2, 1]) / 24])
@pytest.mark.parametrize("slope", [1.0, 1.3])
def test_lr_and_hr_noise_are_independent(lr_noise, blur, slope):
    """The covariance of every LR with every HR pixel about it, over 4000 draws, beside the images as they came."""
    lr, hr, noisy, changed, draw = observed(lr_noise, blur, slope)
    low, high = SIZE // 4, slice(SIZE // 2 - 6, SIZE // 2 + 8)

    def coupling(a, b):
        pixel, around = a[:, low, low], b[:, high, high].reshape(DRAWS, -1)
        return (pixel @ around / DRAWS) / (pixel.std() * around.std(0))

    chance = DRAWS**-0.5
    assert np.abs(coupling(lr, hr)).max() > 0.3
    left = coupling(noisy, changed)
    assert np.abs(left).max() < 5 * chance + 0.02 * (slope > 1)
    assert np.square(left).mean() < 1.3 * chance**2 + 1e-4 * (slope > 1)
    assert noisy[:, low, low].std() == pytest.approx(draw.total * np.linspace(1, slope, SIZE)[2 * low], rel=0.08)


def test_an_lr_image_is_as_noisy_as_asked_or_as_the_hr_image():
    for wanted, expected in ((None, 1.0), (4.0, 2.0)):
        *_, draw = observed(wanted, None, 1.0)
        assert draw.total == pytest.approx(expected, rel=0.1)
