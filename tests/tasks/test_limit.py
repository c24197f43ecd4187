"""Limits as runs: rows beside networks', kept image by image, and refused where no posterior is known."""

import numpy as np
import pandas as pd
import pytest
from tiny import TINY, TINY_LABELS

from lenssr.config.compose import compose
from lenssr.errors import ConfigError
from lenssr.train import train

FEW = ["model.particles=16", "model.library=64"]


def scored(*words):
    found = train(compose(list(words)))
    return found, pd.read_parquet(found.folder / "per_image.parquet")


def test_the_limit_is_above_interpolation_and_goes_on_from_what_is_kept(tmp_path):
    words = ["model=limit", *TINY, *FEW, f"paths.outputs={tmp_path}"]
    found, table = scored(*words)
    scores = found.metrics["scores"]
    assert scores["prediction"]["truth/psnr"]["mean"] > scores["bilinear"]["truth/psnr"]["mean"] + 6
    assert found.metrics["target"] == "truth" and np.isfinite(table["prediction/ensemble/crps"]).all()
    (kept,) = tmp_path.glob("datasets/*-posteriors-*")
    files = {path: path.stat().st_mtime_ns for path in kept.glob("*.npz")}
    assert len(files) == 4
    sorted(files)[0].unlink()
    for path in (found.folder / "metrics.json", found.folder / "status.json"):
        path.unlink()
    again, _ = scored(*words)
    assert again.metrics["scores"] == scores  # the draw that was lost is drawn as it was
    assert sum(path.stat().st_mtime_ns != at for path, at in files.items()) == 1


def test_a_fit_draws_the_lens(tmp_path):
    found, table = scored("model=fitted", *TINY, "model.library=128", f"paths.outputs={tmp_path}")
    scores = found.metrics["scores"]
    smooth = table[table["class"] != "cdm"]
    assert (smooth["prediction/truth/psnr"] > smooth["bilinear/truth/psnr"] + 6).all()
    assert found.metrics["parameters"] == 0 and "ceiling" in scores
    assert (
        0 < scores["prediction"]["parameters/within68"]["mean"] <= scores["prediction"]["parameters/within95"]["mean"]
    )
    assert "vortex/within68" not in scores["prediction"]


def test_a_fit_of_vortices_alone_tries_nothing_else(tmp_path):
    words = ["dataset.source.classes=[axion]", "model.library=128", f"paths.outputs={tmp_path}"]
    found, table = scored("model=fitted", *TINY, *words)
    assert {0.0, 0.5, 1.0} >= set(table["prediction/vortex/within68"])
    assert "vortex/within95" in found.metrics["scores"]["prediction"]


@pytest.mark.parametrize("inputs", ["hr", "interpolated"])
def test_the_mass_is_told_with_its_uncertainty(tmp_path, inputs):
    small = [word for word in TINY_LABELS if "width" not in word]
    found, _ = scored("model=label_limit", *small, *FEW, f"dataset.inputs={inputs}", f"paths.outputs={tmp_path}")
    told = found.metrics["scores"]["prediction"]
    assert 0 < told["log10_axion_mass/mse"]["mean"] < 1 and 0 <= told["log10_axion_mass/within68"]["mean"] <= 1


@pytest.mark.parametrize(
    "words, cause",
    [
        (["model=limit", "dataset=model4"], "dataset=model1 alone"),
        (["model=limit", "dataset.target=observed"], r"dataset\.target=truth"),
        (["model=limit", "physics=corrected"], "cannot be told"),
        (["model=label_limit", "dataset.inputs=super_resolved"], "no exposure"),
        (["model=limit", "model.particles=7"], r"model\.particles=7"),
    ],
)
def test_what_has_no_posterior_is_refused(tmp_path, words, cause):
    small = TINY if "label" not in words[0] else [word for word in TINY_LABELS if "width" not in word]
    with pytest.raises(ConfigError, match=cause):
        train(compose([words[0], *small, *words[1:], f"paths.outputs={tmp_path}"]))
