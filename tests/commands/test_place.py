"""A run of one's own among the trainings that came with the package."""

import json

import numpy as np
import pandas as pd
import pytest

import lenssr
from lenssr.commands.place import placed
from lenssr.commands.sides import Side
from lenssr.errors import ConfigError, RunError
from lenssr.results import shipped
from lenssr.runs.listing import listed

TABLE = "residual_models"


def own(folder, shift, noise=0.02):
    """Return three runs whose scores are those of a row, moved."""
    known = lenssr.results(TABLE)
    rdn = known[known["row"] == "rdn"]
    runs = []
    for seed in (0, 1, 2):
        path = folder / "runs" / f"mine-model1-{seed:08d}"
        path.mkdir(parents=True)
        scores = rdn[rdn["seed"] == seed].sort_values("index")
        frame = pd.DataFrame({"index": scores["index"], "prediction/truth/psnr": scores["truth/psnr"] + shift})
        frame["prediction/truth/psnr"] += np.random.default_rng(seed).normal(0, noise)
        frame.to_parquet(path / "per_image.parquet")
        config = {"seed": seed, "model": {"name": "mine"}, "task": {"ignores": []}}
        about = shipped.about(TABLE)["set"]
        config |= {"physics": about["physics"], "dataset": {k.removeprefix("dataset."): v for k, v in about.items()}}
        config["dataset"].pop("physics", None)
        (path / "config.yaml").write_text(json.dumps(config))
        (path / "metrics.json").write_text(json.dumps({"scores": {}}))
        (path / "status.json").write_text(json.dumps({"state": "done", "hash": f"{seed}" * 8}))
        runs.append(path)
    return Side("mine", listed(folder / "runs"))


def test_the_scores_of_the_committed_table_are_in_the_package():
    known = lenssr.results(TABLE)
    rdn = known[known["row"] == "rdn"]
    assert rdn["seed"].nunique() == 5 and rdn.groupby("seed")["index"].nunique().eq(240).all()
    assert rdn["truth/psnr"].mean() == pytest.approx(41.23, abs=0.005)  # as README and the table say
    with pytest.raises(ConfigError, match="Did you mean 'residual_models'"):
        lenssr.results("residual_model")


def test_a_run_stands_where_its_scores_put_it(tmp_path):
    found = placed(own(tmp_path, 0.3), TABLE, "truth/psnr")
    row = found.set_index("row")
    assert found["mean"].is_monotonic_decreasing
    assert row.loc["RDN", "verdict"] == "better" and row.loc["RDN", "difference"] == pytest.approx(0.3, abs=0.2)
    assert row.loc["U-Net, the project's own", "verdict"] == "worse" and row.loc["FSRCNN", "verdict"] == "better"
    assert row.loc["mine", "trainings"] == 3


def test_other_images_and_other_scores_are_refused(tmp_path):
    mine = own(tmp_path, 0.0)
    with pytest.raises(ConfigError, match="no score 'truth/psn'"):
        placed(mine, TABLE, "truth/psn")
    mine.runs[0].config["dataset"]["image_size"] = 100
    with pytest.raises(RunError, match=r"dataset\.image_size differs"):
        placed(mine, TABLE, "truth/psnr")
