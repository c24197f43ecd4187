"""A set as arrays: what a run's test saw, in flux, with its parameters; and a picture."""

import numpy as np
import pytest
import torch
from tiny import TINY, TINY_RDN

import lenssr
from lenssr.config.compose import compose
from lenssr.errors import ConfigError
from lenssr.results.look import open_set
from lenssr.runs.build import build_data
from lenssr.runs.load import load_run, read_config
from lenssr.train import train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(compose(["model=rdn", *TINY, *TINY_RDN, f"paths.outputs={tmp_path_factory.mktemp('l')}"])).folder


def test_a_runs_lenses_are_those_of_its_test(run, tmp_path, whole_pictures):
    lenses = lenssr.open(run)
    assert len(lenses) == 4 and lenses.scale == 2
    data = build_data(read_config(run))
    batch = next(iter(data.evaluation("test", torch.device("cpu"))))
    for i, lens in enumerate(lenses):
        assert lens.lr.shape == (24, 24) and lens.hr.shape == lens.truth.shape == (48, 48)
        assert np.array_equal(lens.hr, (batch["hr"][i, 0] * data.unit).numpy())
        assert lens.lr == pytest.approx((4 * batch["lr"][i, 0] * data.unit).numpy(), rel=1e-6)
        assert lens.parameters["class"] == data.sets["test"].parameters["class"][i]
    assert np.array_equal(lenses[-1].lr, lenses[3].lr) and len(lenses[1:3]) == 2
    with pytest.raises(IndexError):
        lenses[4]
    lenses[0].plot(tmp_path / "lens.png")
    assert (tmp_path / "lens.png").stat().st_size > 10_000 and len(lenses[0].plot().axes) == 4
    assert load_run(run).predict(lenses[0].lr).shape == lenses[0].hr.shape  # of one scale


def test_a_set_by_name(tmp_path):
    words = [f"paths.outputs={tmp_path}", *TINY[:2], "physics=corrected"]
    lens = open_set("model1", "validation", words)[0]
    assert abs(lens.lr.sum() / lens.truth.sum() - 1) < 0.25  # one sky, and no clipping: the same flux but for noise
    assert "substructure_snr_hr" in lens.parameters


def test_slips_are_named(run):
    for arguments, words in {
        ("modle1",): "no dataset 'modle1'",
        ("Model1",): "Did you mean 'model1'",
        ("model1", "tset"): "no split 'tset'",
        ("model1", "test", ("physics=corected",)): "Did you mean 'corrected'",
        (run, "test", ("physics=corrected",)): "as they were",
    }.items():
        with pytest.raises(ConfigError, match=words):
            open_set(*arguments)
