"""Scores against scikit-image: on random, flat and simulated images, and on real ones where they are given."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import CLASSES, EXPOSURE, physics
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from lenssr.data.sets.simulated import simulate
from lenssr.data.sky.lensing import Instrument
from lenssr.data.sky.parameters import sample
from lenssr.metrics import mse, psnr, scores, ssim

RNG = np.random.default_rng(0)
FLAT = RNG.normal(0.5, 1e-6, (48, 48))


def tensor(image):
    return torch.as_tensor(np.ascontiguousarray(image)).unsqueeze(0)


def assert_like_skimage(image, target, data_range=1.0):
    kwargs = {"data_range": data_range}
    a, b = tensor(image), tensor(target)
    image, target = image.astype(np.float64), target.astype(np.float64)
    assert mse(a, b).item() == pytest.approx(mean_squared_error(target, image), rel=1e-5)
    assert psnr(a, b, data_range).item() == pytest.approx(peak_signal_noise_ratio(target, image, **kwargs), abs=1e-5)
    assert ssim(a, b, data_range).item() == pytest.approx(structural_similarity(target, image, **kwargs), abs=1e-5)


@pytest.mark.parametrize(
    ("image", "target"),
    [
        (RNG.random((40, 56)), RNG.random((40, 56))),
        (RNG.normal(0, 3, (32, 32)), RNG.normal(2, 1, (32, 32))),
        (RNG.random((7, 7)), RNG.random((7, 7))),
        (FLAT, FLAT + RNG.normal(0, 1e-6, FLAT.shape)),
        (FLAT, np.full_like(FLAT, 0.25)),
        (np.zeros((20, 20)), np.full((20, 20), 1e-3)),
        (1000 + RNG.random((30, 30)), 1000 + RNG.random((30, 30))),
    ],
    ids=["random", "beyond the range", "one window", "nearly equal", "flat", "constant", "offset"],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("data_range", [1.0, 2.5])
def test_scores_are_scikit_images(image, target, dtype, data_range):
    assert_like_skimage(image.astype(dtype), target.astype(dtype), data_range)


@pytest.fixture(scope="module")
def pairs():
    """Return (noise-free, observed, blurred) simulated images (9, 60, 60), float64, flux per pixel."""
    rng = np.random.default_rng(1)
    table = sample(physics("deeplense"), EXPOSURE, CLASSES, 0, "test", 9)
    truth = np.concatenate(list(simulate(table, Instrument(60, 0.1, 0.2)))).astype(np.float64)
    time = table["exposure_time"].to_numpy()[:, None, None]
    observed = rng.poisson(np.maximum(0, rng.normal(truth * time, 10))) / time
    blurred = truth.reshape(9, 30, 2, 30, 2).mean((2, 4)).repeat(2, 1).repeat(2, 2)
    return truth, observed, blurred


def test_scores_of_simulated_observations(pairs):
    for truth, observed, blurred in zip(*pairs, strict=True):
        assert_like_skimage(blurred, observed, 1.0)
        assert_like_skimage(truth.astype(np.float32), observed.astype(np.float32), float(np.ptp(observed)))


def test_protocols_are_scores_on_the_observations_scale(pairs):
    truth, observed, blurred = pairs
    found = scores(*(torch.tensor(images) for images in (blurred, observed, truth)))
    assert set(found) == {f"{p}/{s}" for p in ("report", "truth") for s in ("mse", "psnr", "ssim")} | {
        "report/ssim_original"
    }
    for i in range(len(truth)):
        low, span = observed[i].min(), np.ptp(observed[i])
        prediction, hr, expectation = ((x[i] - low) / span for x in (blurred, observed, truth))
        for protocol, target in (("report", hr), ("truth", expectation)):
            for name, function in (
                ("mse", mean_squared_error),
                ("psnr", lambda a, b: peak_signal_noise_ratio(a, b, data_range=1)),
                ("ssim", lambda a, b: structural_similarity(a, b, data_range=1)),
            ):
                assert found[f"{protocol}/{name}"][i].item() == pytest.approx(function(target, prediction), rel=1e-5)
        # the report's own: the range is the prediction's
        original = structural_similarity(hr, prediction, data_range=np.ptp(prediction))
        assert found["report/ssim_original"][i].item() == pytest.approx(original, abs=1e-5)
        assert abs(original - found["report/ssim"][i].item()) > 1e-4  # another number than the sound one


@pytest.mark.parametrize(("factor", "shift"), [(3.7, 0.0), (1.0, 5.0), (1e-3, -0.2), (1e4, 1e3)])
def test_scores_do_not_depend_on_the_unit(pairs, factor, shift):
    truth, observed, blurred = (torch.tensor(images) for images in pairs)
    one = scores(blurred, observed, truth)
    other = scores(*(factor * images + shift for images in (blurred, observed, truth)))
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=1e-6, atol=1e-9)


def test_a_shift_of_the_prediction_alone_counts(pairs):
    truth, observed, _ = (torch.tensor(images) for images in pairs)
    span = float(np.ptp(pairs[1][0]))
    found = scores(truth + 0.1 * span, observed, truth)
    assert found["truth/mse"][0].item() == pytest.approx(0.01, rel=1e-6)
    assert found["truth/psnr"][0].item() == pytest.approx(20.0, abs=1e-5)


def test_equal_images_and_missing_truth(pairs):
    observed = torch.tensor(pairs[1])
    found = scores(observed, observed, None, only=("mse", "psnr", "ssim"))
    assert set(found) == {"report/mse", "report/psnr", "report/ssim"}
    assert (found["report/mse"] == 0).all() and found["report/psnr"].isposinf().all()
    torch.testing.assert_close(found["report/ssim"], torch.ones(9, dtype=torch.float64))


def test_an_image_smaller_than_the_window_is_refused():
    with pytest.raises(ValueError, match="at least 7 px"):
        ssim(torch.zeros(1, 6, 9), torch.zeros(1, 6, 9))


def real_file(name):
    folder = os.environ.get("LENSSR_REAL_DATA")
    if not folder:
        pytest.skip("LENSSR_REAL_DATA names no folder with real images")
    path = Path(folder) / name
    if not path.is_file():
        pytest.skip(f"LENSSR_REAL_DATA holds no {name}")
    return path


def assert_real(image):
    image = np.asarray(image, dtype=np.float32)
    assert np.isfinite(image).all() and np.ptp(image) > 0
    rng = np.random.default_rng(2)
    noisy = image + rng.normal(0, 0.05 * np.ptp(image), image.shape).astype(np.float32)
    assert_like_skimage(noisy, image, float(np.ptp(image)))
    found = scores(tensor(image), tensor(noisy), None)
    low, span = float(noisy.min()), float(np.ptp(noisy))
    hr, prediction = (noisy.astype(np.float64) - low) / span, (image.astype(np.float64) - low) / span
    expected = structural_similarity(hr, prediction, data_range=1)
    assert found["report/ssim"].item() == pytest.approx(expected, abs=1e-5)
    assert found["report/psnr"].item() == pytest.approx(peak_signal_noise_ratio(hr, prediction, data_range=1), abs=1e-4)


def test_scores_of_real_galaxies():
    from astropy.io import fits

    with fits.open(real_file("real_galaxies/real_galaxy_images_23.5_n1.fits")) as units:
        images = [unit.data for unit in units if unit.data is not None and unit.data.ndim == 2][:8]
        assert images
        for image in images:
            assert_real(image)


def test_scores_of_a_real_lens():
    path = real_file("real_lenses/image_lens_system1_F390W.h5")
    h5py = pytest.importorskip("h5py")
    with h5py.File(path) as file:
        assert_real(file["image_data"][()])
