"""The check of posteriors: it accepts right ones, notices wrong ones, and knows what it cannot check."""

import json

import numpy as np
import pytest
from tiny import TINY

from lenssr.config.compose import compose
from lenssr.errors import ConfigError
from lenssr.results import limits
from lenssr.train import train

SMALL = ["model.particles=32", "model.library=128", "scale.dataset={train: 9, validation: 3, test: 12}"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(compose(["model=limit", *TINY, *SMALL, f"paths.outputs={tmp_path_factory.mktemp('limits')}"])).folder


def test_ranks_of_right_posteriors_are_even_and_those_of_moved_ones_are_not(run):
    data, exposures, cases = limits._opened(run)
    found = limits.ranks(data, exposures, cases)
    place = found[found["parameter"].str.startswith("source_")]
    assert len(place) == 24 and 0.5 < np.sqrt(np.square(place["pull"]).mean()) < 1.7
    data.sets["test"].parameters["source_x"] += 0.1  # arcsec, many widths
    moved = limits.ranks(data, exposures, cases)
    assert (moved.loc[moved["parameter"] == "source_x", "rank"] > 0.99).mean() > 0.8


def test_two_samplers_agree_and_the_command_says_so(run, tmp_path, monkeypatch, capsys):
    pytest.importorskip("nautilus")
    monkeypatch.setattr(limits, "_LIVE", 200)
    monkeypatch.setattr(limits, "_WORTH", 400)
    monkeypatch.setattr("sys.argv", ["limits", str(run), "--second", "2", "--to", str(tmp_path)])
    limits.main()
    told = capsys.readouterr().out
    known = json.loads((tmp_path / "limit_images_lr.json").read_text())
    assert "ranks even with p" in told and (tmp_path / "limit_images_lr_ranks.png").is_file()
    assert {row["class"]: row["images"] for row in known["classes"]} == {"axion": 4, "cdm": 4, "no_sub": 4}
    assert "dB on 4 images" in told and all(row["truth/psnr"] > 30 for row in known["classes"])
    place = [row for row in known["second"] if row["parameter"].startswith("source_")]
    assert len(place) == 4 and all(abs(row["shift"]) < 1 and 0.5 < row["ratio"] < 2 for row in place)
    assert all(abs(row["evidence"]) < 0.7 for row in known["second"])


def test_another_run_is_no_limit(run, tmp_path):
    other = train(compose(["model=bilinear", *TINY, f"paths.outputs={tmp_path}"])).folder
    with pytest.raises(ConfigError, match="model=limit"):
        limits._opened(other)
