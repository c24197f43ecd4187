"""The signal-to-noise ratio of substructure: by hand, as a log-likelihood, and in the sets that are made."""

import numpy as np
import pytest

from lenssr.config.compose import compose, plain
from lenssr.data.sets.simulated import simulate
from lenssr.data.sets.substructure import smooth, substructure_snr
from lenssr.runs.build import build_data

COLUMNS = ["substructure_snr_hr", "substructure_snr_lr"]


def data(folder, *overrides):
    chosen = ["scale.dataset={train: 6, validation: 3, test: 6}", f"paths.outputs={folder}", "loader.patch=32"]
    return build_data(plain(compose([*chosen, *overrides])))


@pytest.fixture(scope="module")
def corrected(tmp_path_factory):
    return data(tmp_path_factory.mktemp("corrected"), "physics=corrected", "dataset.image_size=64")


def test_one_pixel_by_hand():
    images, without = np.full((1, 4, 4), 2.0, np.float32), np.full((1, 4, 4), 2.0, np.float32)
    images[0, 1, 2], without[0, 1, 3] = 3.0, -1.0
    noise = {"hr_background_rms": 0.1, "lr_background_rms": 0.3, "scale": 2}
    found = substructure_snr(images, without, np.array([50.0]), noise)
    expected = np.sqrt(1.0**2 / (0.01 + 3 / 50) + 3.0**2 / (0.01 + 2 / 50))
    assert found["substructure_snr_hr"] == pytest.approx(expected, rel=1e-6)
    # both are in the upper right block: 9 counts with, 5 without
    assert found["substructure_snr_lr"] == pytest.approx(4.0 / np.sqrt(0.09 + 9 / 50), rel=1e-6)
    unknown = substructure_snr(images, without, np.array([50.0]), {**noise, "lr_background_rms": None})
    assert np.isnan(unknown["substructure_snr_lr"]).all() and unknown["substructure_snr_hr"] == pytest.approx(expected)


def test_its_square_is_what_noise_makes_of_the_difference_of_chi_squared():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 1, (1, 32, 32)).astype(np.float32)
    other = truth + rng.normal(0, 0.02, truth.shape).astype(np.float32)
    noise = {"hr_background_rms": 0.05, "lr_background_rms": 0.1, "scale": 2}
    ratio = substructure_snr(truth, other, np.array([500.0]), noise)["substructure_snr_hr"][0]
    sigma = np.sqrt(0.05**2 + truth / 500.0)
    seen = truth + sigma * rng.normal(size=(2000, 32, 32))
    gain = (((seen - other) / sigma) ** 2 - ((seen - truth) / sigma) ** 2).sum((1, 2))
    assert gain.mean() == pytest.approx(ratio**2, abs=4 * 2 * ratio / 2000**0.5)
    assert gain.std() == pytest.approx(2 * ratio, rel=0.08)


def test_every_image_of_a_corrected_set_tells_it(corrected):
    source = corrected.source
    for split in ("train", "test"):
        held = corrected.sets[split]
        table = held.parameters
        plain_ones = (table["class"] == "no_sub").to_numpy()
        assert (table.loc[plain_ones, COLUMNS] == 0).all(axis=None)
        assert (table.loc[~plain_ones, COLUMNS] > 0).all(axis=None)
        without = np.concatenate(list(simulate(smooth(table), source.instrument)))
        time, change = held.exposure_time.reshape(-1, 1, 1), held.images - without
        expected = np.sqrt((change**2 / (0.01**2 + held.images / time)).sum((1, 2)))
        assert table["substructure_snr_hr"].to_numpy() == pytest.approx(expected, rel=1e-4)
        coarse, scene = (v.reshape(-1, 32, 2, 32, 2).sum((2, 4)) for v in (change, held.images))
        expected = np.sqrt((coarse**2 / (0.1018**2 + scene / time)).sum((1, 2)))
        assert table["substructure_snr_lr"].to_numpy() == pytest.approx(expected, rel=1e-4)


def test_another_noise_is_another_set_where_it_is_told_and_the_published_sets_tell_nothing(tmp_path):
    paths = {
        physics: {
            data(tmp_path, f"physics={physics}", f"dataset.observation.lr_background_rms={rms}").source.path
            for rms in (0.1, 0.2)
        }
        for physics in ("deeplense", "corrected")
    }
    assert {name: len(found) for name, found in paths.items()} == {"deeplense": 1, "corrected": 2}
    assert not set(COLUMNS) & set(data(tmp_path, "dataset.image_size=32").sets["test"].parameters)


def test_a_camera_without_a_background_of_its_own_tells_nan(tmp_path):
    table = data(tmp_path, "physics=corrected", "dataset=model4", "dataset.source.supersampling=1").sets["test"]
    assert table.parameters["substructure_snr_lr"].isna().all()
    assert table.parameters["substructure_snr_hr"].notna().all()
