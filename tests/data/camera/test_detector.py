"""Noise: its moments against a Monte-Carlo in numpy, and its addresses."""

import numpy as np
import pytest
import torch
from helpers import physics

from lenssr.data.camera.detector import Detector, bin_sum
from lenssr.data.camera.observe import Address, BinnedExposure, TwoExposures, Window
from lenssr.errors import ConfigError

BOTH = ["gaussian_and_poisson", "poisson"]
SIZE = 24
# flux per pixel: empty sky, the faint, and the brightest pixels of the shipped set
FLUXES = np.array([0.0, 1e-4, 2e-3, 0.01, 0.05, 0.25])


def detector(shot_noise, clip, rms=0.01):
    return Detector(shot_noise, clip, rms)


def recorded(rng, flux, time, shot_noise, clip, rms, count):
    """Return samples of the published recipe, in numpy's own random numbers."""
    mean = np.broadcast_to(flux * time, (count, len(flux)))
    if shot_noise == "poisson":
        counts = rng.poisson(mean) + rng.normal(0.0, rms * time, mean.shape)
        counts = np.maximum(counts, 0) if clip else counts
    else:
        counts = rng.poisson(np.maximum(0.0, rng.normal(mean, np.sqrt(mean + (rms * time) ** 2))))
    return counts / time


def assert_moments(samples, mean, variance):
    """Both agree within five standard errors, and the errors are small enough to tell."""
    count = len(samples)
    spread = samples.std(0)
    excess = ((samples - samples.mean(0)) ** 4).mean(0) / spread**4 - 1
    np.testing.assert_array_less(np.abs(samples.mean(0) - mean), 5 * spread / np.sqrt(count))
    np.testing.assert_array_less(np.abs(samples.var(0) / variance - 1), 5 * np.sqrt(excess / count))


@pytest.mark.parametrize("clip", [True, False], ids=["clip", "no clip"])
@pytest.mark.parametrize("shot_noise", BOTH)
@pytest.mark.parametrize(("time", "rms"), [(1000.0, 0.01), (3162.0, 0.01), (1000.0, 0.1024)])
def test_moments_are_those_of_a_monte_carlo(shot_noise, clip, time, rms):
    samples = recorded(np.random.default_rng(7), FLUXES, time, shot_noise, clip, rms, 100_000)
    flux = torch.tensor(FLUXES)
    mean, variance = detector(shot_noise, clip, rms).moments(flux, torch.tensor(time, dtype=torch.float64))
    assert_moments(samples, mean.numpy(), variance.numpy())


def test_clipping_lifts_the_mean_of_an_empty_sky():
    """A rectified standard normal has the mean 1 / sqrt(2 pi)."""
    mean, _ = detector("gaussian_and_poisson", True).moments(torch.zeros(1), torch.tensor(1000.0))
    assert float(mean) == pytest.approx(0.01 / np.sqrt(2 * np.pi), rel=1e-6)


@pytest.mark.parametrize(
    ("shot_noise", "clip"), [("gaussian_and_poisson", True), ("poisson", False), ("poisson", True)]
)
def test_exposures_have_the_moments_of_a_monte_carlo(shot_noise, clip):
    count, time = 100_000, 1500.0
    flux = torch.tensor(FLUXES, dtype=torch.float32)
    address = (torch.arange(len(FLUXES)), torch.arange(count).view(-1, 1), 0, 0)
    ours = detector(shot_noise, clip).expose(flux.expand(count, -1), torch.tensor(time), address, (0, 2))
    theirs = recorded(np.random.default_rng(8), FLUXES, time, shot_noise, clip, 0.01, 400_000)
    spread = theirs.std(0)
    np.testing.assert_array_less(np.abs(ours.mean(0).numpy() - theirs.mean(0)), 5 * spread * np.sqrt(1.25 / count))
    np.testing.assert_allclose(ours.double().var(0).numpy(), theirs.var(0), rtol=0.04)
    # neighbouring pixels know nothing of each other
    correlation = np.corrcoef(ours.numpy().T) - np.eye(len(FLUXES))
    assert np.abs(correlation).max() < 5 / np.sqrt(count)


def test_counts_are_whole_where_poisson_comes_last():
    time = torch.tensor(1000.0)
    image = detector("gaussian_and_poisson", True).expose(
        torch.full((50, 50), 0.05), time, (pixels(50), 0, 0, 0), (0, 0)
    )
    counts = (image * time).numpy()
    np.testing.assert_allclose(counts, counts.round(), atol=1e-3)
    assert counts.min() >= 0


def pixels(size):
    return torch.arange(size * size).view(size, size)


def exposure(sample=3, epoch=0, stream=0, key=(0, 0)):
    address = (pixels(SIZE), sample, epoch, stream)
    return detector("gaussian_and_poisson", True).expose(torch.full((SIZE, SIZE), 0.1), torch.tensor(1e3), address, key)


@pytest.mark.parametrize(
    "other", [{"sample": 4}, {"epoch": 1}, {"stream": 1}, {"key": (0, 1)}, {"key": (1, 0)}], ids=str
)
def test_every_part_of_the_address_counts(other):
    assert torch.equal(exposure(), exposure())
    assert (exposure() == exposure(**other)).float().mean() < 0.1  # counts of 100 +- 20 meet by chance


@pytest.fixture
def sky():
    """Return a batch of smooth images (5, SIZE, SIZE) and their exposure times."""
    generator = torch.Generator().manual_seed(1)
    return 0.2 * torch.rand((5, SIZE, SIZE), generator=generator), 1000 + 2000 * torch.rand(5, generator=generator)


@pytest.fixture(params=["deeplense", "corrected"])
def observe(request):
    return TwoExposures(2, 0.01, 0.1024, physics(request.param)["detector"], 0)


def seen(observe, sky, rows, window, epoch=0, split=2):
    images, times = sky
    r, c, size = window
    cut = torch.stack([images[i, r : r + size, c : c + size] for i in rows])
    at = torch.full((len(rows),), 1)
    place = Window(at * r, at * c, size, SIZE)
    return observe(cut, times[list(rows)], 1.0, place, Address(torch.tensor(rows), epoch, (observe.seed, split)))


def parts(observed):
    return {"lr": observed.lr, "hr": observed.hr, "truth": observed.truth, "variance": observed.variance}


@pytest.mark.parametrize("window", [(0, 0, 8), (6, 10, 12), (14, 2, 10)])
def test_a_window_is_the_crop_of_the_whole(observe, sky, window):
    r, c, size = window
    whole, part = parts(seen(observe, sky, range(5), (0, 0, SIZE))), parts(seen(observe, sky, range(5), window))
    for name, image in part.items():
        f = 2 if name == "lr" else 1
        expected = whole[name][:, r // f : (r + size) // f, c // f : (c + size) // f]
        torch.testing.assert_close(image, expected, rtol=1e-6, atol=1e-8)


def test_windows_may_differ_within_a_batch(observe, sky):
    images, times = sky
    rows, columns = torch.tensor([0, 4, 2, 8, 6]), torch.tensor([2, 0, 10, 4, 12])
    cut = torch.stack([images[i, r : r + 12, c : c + 12] for i, (r, c) in enumerate(zip(rows, columns, strict=True))])
    address = Address(torch.arange(5), 0, (0, 2))
    part = observe(cut, times, 1.0, Window(rows, columns, 12, SIZE), address)
    whole = seen(observe, sky, range(5), (0, 0, SIZE))
    for i, (r, c) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        torch.testing.assert_close(part.hr[i], whole.hr[i, r : r + 12, c : c + 12], rtol=1e-6, atol=1e-8)
        lr = whole.lr[i, r // 2 : r // 2 + 6, c // 2 : c // 2 + 6]
        torch.testing.assert_close(part.lr[i], lr, rtol=1e-6, atol=1e-8)


def test_a_sample_is_the_same_in_every_batch(observe, sky):
    together = parts(seen(observe, sky, [0, 1, 2, 3, 4], (0, 0, SIZE)))
    for order in ([4, 2], [3], [2, 4, 0, 1]):
        for name, image in parts(seen(observe, sky, order, (0, 0, SIZE))).items():
            torch.testing.assert_close(image, together[name][order], rtol=1e-6, atol=1e-8)


def test_epochs_splits_and_cameras_have_noise_of_their_own(observe, sky):
    def noise(**where):
        found = seen(observe, sky, range(5), (0, 0, SIZE), **where)
        return (found.hr - found.truth).flatten(), found

    first, found = noise()
    for other in (noise(epoch=1)[0], noise(split=0)[0]):
        assert abs(np.corrcoef(first, other)[0, 1]) < 0.1  # 2880 pixels: 5 / sqrt(2880)
    lr_noise = found.lr - bin_sum(found.truth, 2) / 4
    hr_noise = found.hr - found.truth
    for seen_by_hr in (bin_sum(hr_noise, 2).flatten(1), hr_noise.flatten(1)[:, :144]):  # same place; same number
        assert abs(np.corrcoef(seen_by_hr.flatten(), lr_noise.flatten())[0, 1]) < 0.19  # 720 pixels


def test_two_exposures_compare_flux_per_high_resolution_pixel():
    """Averaged over many exposures, LR is the HR sky in 2 x 2 blocks (no clipping, so no bias)."""
    observe = TwoExposures(2, 0.01, 0.1, {"shot_noise": "poisson", "clip": False}, 0)
    sky = np.random.default_rng(0).random((SIZE, SIZE)) * 0.2
    count = 4000
    index, zeros = torch.arange(count), torch.zeros(count, dtype=torch.int64)
    images = torch.tensor(sky, dtype=torch.float32)[:8, :8].expand(count, 8, 8)
    found = observe(images, torch.full((count,), 1000.0), 1.0, Window(zeros, zeros, 8, SIZE), Address(index, 0, (0, 2)))
    blocks = sky[:8, :8].reshape(4, 2, 4, 2).mean((1, 3))
    error = np.sqrt((4 * blocks / 1000 + 0.1**2) / count) / 4
    assert (np.abs(found.lr.mean(0).numpy() - blocks) < 5 * error).all()
    np.testing.assert_allclose(found.truth[0].numpy(), sky[:8, :8], rtol=1e-6)


def test_bin_sum_conserves_flux():
    images = np.random.default_rng(0).random((3, 12, 18))
    binned = bin_sum(torch.tensor(images), 3).numpy()
    assert binned.shape == (3, 4, 6)
    np.testing.assert_allclose(binned.sum((1, 2)), images.sum((1, 2)), rtol=1e-12)
    assert binned[1, 2, 3] == pytest.approx(images[1, 6:9, 9:12].sum())


def test_binned_exposure_has_the_noise_it_was_told(sky):
    images, times = sky
    place = Window(torch.zeros(5, dtype=torch.int64), torch.zeros(5, dtype=torch.int64), SIZE, SIZE)
    address = Address(torch.arange(5), 0, (0, 2))
    unit, blocks = 3.0, images.numpy().reshape(5, 12, 2, 12, 2).mean((2, 4))
    noisy = BinnedExposure(2, 0.08, 0)(images, times, unit, place, address)
    error = noisy.lr.numpy() - blocks
    assert abs(error.mean()) < 5 * 0.24 / np.sqrt(720) and error.std() == pytest.approx(0.24, rel=0.13)
    assert torch.equal(noisy.hr, images) and noisy.truth is None and noisy.variance is None
    clean = BinnedExposure(2, 0.0, 0)(images, times, unit, place, address)
    np.testing.assert_allclose(clean.lr.numpy(), blocks, rtol=1e-6)


def test_impossible_cameras_are_refused():
    with pytest.raises(ConfigError, match="'poisson'"):
        detector("poison", True)
    with pytest.raises(ConfigError, match="positive"):
        detector("poisson", True, 0.0)
    with pytest.raises(ConfigError, match="negative"):
        BinnedExposure(2, -0.1, 0)
