"""A network that tells its uncertainty is the network that it would have been without."""

import pandas as pd
import pytest
import torch
from helpers import weights
from tiny import TINY, TINY_RDN

from lenssr.config.compose import compose
from lenssr.evaluate import evaluate
from lenssr.runs.load import load_run
from lenssr.train import train


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    words = ["model=rdn", *TINY, *TINY_RDN, f"paths.outputs={tmp_path_factory.mktemp('sr')}"]
    return train(compose(words)), train(compose([*words, "model.predict_variance=true"]))


def test_the_network_trains_as_if_it_told_nothing(runs):
    plain, told = (weights(run.folder) for run in runs)
    assert {f"model.network.{key.removeprefix('model.')}" for key in plain} < set(told)
    for key, value in plain.items():
        assert torch.equal(value, told[f"model.network.{key.removeprefix('model.')}"]), key
    assert (
        runs[0].metrics["scores"]["prediction"]["truth/psnr"] == runs[1].metrics["scores"]["prediction"]["truth/psnr"]
    )


def test_the_factors_are_kept_with_the_run_and_found_again(runs):
    model = load_run(runs[1].folder)
    assert not torch.equal(model.factors, torch.ones_like(model.factors))
    lr = torch.rand(1, 1, 24, 24)
    with torch.no_grad():
        image = model(lr)
        assert model.sigma(lr, image).shape == image.shape and (model.sigma(lr, image) > 0).all()


def test_what_it_tells_is_scored_by_brightness(runs):
    scores = runs[1].metrics["scores"]["prediction"]
    assert 0 < scores["ensemble/quantile68_sky"]["mean"] < 1 and "ensemble/worst_coverage" in scores
    assert "ensemble/worst_coverage" not in runs[0].metrics["scores"]["prediction"]
    assert set(pd.read_parquet(runs[1].folder / "calibration.parquet")["brightness"]) >= {"sky", "arc", "all"}
    again = evaluate(runs[1].folder, ["task.self_ensemble=true"])
    assert "ensemble/worst_coverage" in again.metrics["scores"]["prediction"]
