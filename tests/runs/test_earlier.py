"""A run, its evaluation and its export as an earlier layout of the package left them: they still give the same."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lenssr
from lenssr.evaluate import evaluate
from lenssr.runs.evaluation import Evaluation
from lenssr.runs.load import read_config

KEPT = Path(__file__).parents[1] / "fixtures" / "before_rooms"
RUN = "outputs/runs/diffusion-model4-a8a0f6a3"  # needs outputs/runs/rdn-mse-model4-fe200aef
# scores that had another definition then
REDEFINED = ("physics/ring_error", "physics/power_ratio")
# the corrected physics as it was then: 25 point masses, and no signal-to-noise ratio of them
POINTS = "{count: {poisson: 25}, mass: {power_law: {slope: -1.9, range: [1e+6, 1e+10]}}, radius: {disc: [0.25, 2.0]}}"
ASKED = ["physics=corrected", "~physics.noise", "~physics.cdm", f"+physics.cdm={POINTS}", "task.draws=3"]
# the same test images, without the training images of their set, which no score looks at
FEWER = ["dataset.source.splits.train=3", "dataset.source.splits.validation=3"]


@pytest.fixture
def earlier(tmp_path, monkeypatch):
    shutil.copytree(KEPT, tmp_path / "kept")
    monkeypatch.chdir(tmp_path / "kept")


def test_it_names_what_it_was_made_of_by_todays_names(earlier):
    assert "lenssr.stages.trained" in Path(RUN, "config.yaml").read_text()
    assert read_config(RUN)["task"]["regressor"]["_target_"] == "lenssr.runs.stages.trained"


@pytest.mark.parametrize("name", [RUN, "exported"])
def test_it_upscales_to_the_same_image(earlier, name):
    kept = np.load("upscaled.npz")
    product = lenssr.upscale(name, kept["image"])[0]
    wanted = kept["exported" if name == "exported" else "run"]
    assert np.abs(product.sr - wanted).max() < 1e-5 * np.abs(wanted).max()


def test_its_answer_is_found(earlier):
    known = Evaluation(Path(RUN), ASKED).result()
    assert known is not None and known.metrics["split"] == "test"


def test_asked_again_it_scores_the_same(earlier):
    asked = Evaluation(Path(RUN), ASKED)
    before, images = (
        json.loads(Path(asked.folder, "metrics.json").read_text()),
        pd.read_parquet(asked.folder / "per_image.parquet"),
    )
    after = evaluate(RUN, [*ASKED, *FEWER])
    assert after.trained
    for score, value in before["scores"]["prediction"].items():
        if score.startswith(REDEFINED):
            continue
        assert after.metrics["scores"]["prediction"][score]["mean"] == pytest.approx(value["mean"], rel=1e-4), score
    again = pd.read_parquet(after.folder / "per_image.parquet")
    for column in images.select_dtypes("number"):
        if column.partition("/")[2].startswith(REDEFINED):
            continue
        assert again[column].to_numpy(float) == pytest.approx(
            images[column].to_numpy(float), rel=1e-4, abs=1e-6, nan_ok=True
        )
