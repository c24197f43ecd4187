"""Do a model's images agree with what they were made of? On skies whose noise is a closed form, and on files."""

import importlib

import numpy as np
import pytest
from made import lens

from lenssr.config.compose import compose, plain
from lenssr.errors import RunError
from lenssr.inference.level import sky_of
from lenssr.runs.load import read_config

agreement = importlib.import_module("lenssr.inference.agreement")


@pytest.fixture
def few(monkeypatch):
    """Let the model in the box be tested on four skies."""

    def read(folder):
        config = read_config(folder)
        config["dataset"]["source"]["splits"] |= {"validation": 4, "test": 4}
        return config

    monkeypatch.setattr(agreement, "read_config", read)


def test_skies_are_electrons_a_second(few, tmp_path):
    """Four exposures of 566 s on a sky of 22.3 mag / arcsec^2, 4.2 electrons of read noise, pixels of 0.1 arcsec."""
    found = agreement.skies("euclid_vis_x2", tmp_path)
    seconds = 4 * 566.0
    electrons = 10 ** (0.4 * (25.72 - 22.3)) * 0.1**2 * seconds
    expected = (electrons + 4 * 4.2**2) ** 0.5 / seconds
    assert len(found) == 4 and all(image.electrons == seconds for image, _ in found)
    assert np.median([sky_of(image)[1] for image, _ in found]) == pytest.approx(expected, rel=0.05)


def test_a_model_is_compared_with_its_skies_and_with_files(few, tmp_path):
    np.save(tmp_path / "a.npy", lens())
    found = agreement.agreement("euclid_vis_x2", [tmp_path / "a.npy"], tmp_path)
    middle, low, high = found["skies"]["chi2"]
    assert found["psnr"]["prediction"][0] > found["psnr"]["bilinear"][0] > 40
    assert found["skies"]["count"] == 4 and low <= middle <= high and found["without_star"]["fitting"] >= 1
    product = agreement.upscale("euclid_vis_x2", tmp_path / "a.npy")[0]
    darkest = (product.facts["sky"] - product.sr.min() * 4) / product.facts["noise"]
    assert found["files"]["a"] == {"chi2": product.facts["chi2"], "darkest": pytest.approx(darkest)}


def test_a_run_without_telescopes_is_refused(monkeypatch, tmp_path):
    config = plain(compose(["model=rdn", "dataset=model1", "scale.dataset={train: 9, validation: 3, test: 9}"]))
    monkeypatch.setattr(agreement, "read_config", lambda folder: config)
    with pytest.raises(RunError, match="dataset=survey"):
        agreement.skies("euclid_vis_x2", tmp_path)
