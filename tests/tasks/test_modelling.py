"""Lens modelling as a run: scores with intervals, a table of them, and what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
from tiny import LENS_FIT, TINY

from lenssr.config.compose import compose
from lenssr.errors import ConfigError
from lenssr.modelling.scores import GROUPS, summarised
from lenssr.results.figures.tables import draw
from lenssr.results.tables.collect import build
from lenssr.results.tables.render import to_markdown
from lenssr.train import train


def test_a_run_tells_scores_with_intervals_and_a_table_shows_them(tmp_path):
    words = ["sweep=lens_modelling", "model=lens_fit", *TINY, *LENS_FIT, f"paths.outputs={tmp_path}"]
    found = train(compose([*words, "model.image=interpolated"]))
    told = found.metrics["scores"]["prediction"]
    for group in GROUPS:
        assert told[f"{group}/pull"]["low"] <= told[f"{group}/pull"]["mean"] <= told[f"{group}/pull"]["high"]
    assert 0 <= told["false/10"]["low"] <= told["false/10"]["mean"] <= told["false/10"]["high"] <= 1
    assert told["false/level"]["low"] <= told["false/level"]["mean"] and "recovered/1e10/0" in told
    table = pd.read_parquet(found.folder / "per_image.parquet")
    assert list(table["index"]) == [0, 1, 2, 3] and (table["prediction/subhalo/gain"] >= 0).all()
    assert np.allclose(
        table["prediction/theta_E/value"] / table["theta_E"] - 1, table["prediction/theta_E/error"], atol=1e-5
    )
    assert (found.folder / "figures" / "measurements.png").is_file()
    shared = [word for word in words if word not in ("sweep=lens_modelling", "model=lens_fit")]
    table = build("lens_modelling", shared)
    page = to_markdown(table)
    assert "LR interpolated" in page and " to " in page.split("LR interpolated |")[1].split("\n")[0]
    assert "4 test images." in page and "Student" not in page  # nothing is ranked
    assert [path.name for path in draw(table, tmp_path)] == ["lens_modelling_intervals.png"]
    assert json.loads((found.folder / "metrics.json").read_text())["parameters"] == 0


def test_intervals_hold_what_they_are_of():
    """Errors of a known spread and told errors half as large: a pull of two, no bias."""
    rng, count = np.random.default_rng(0), 400
    columns = {"prediction/fit/chi2": np.full(count, 4.0), "prediction/fit/failed": np.arange(count) < 40}
    for names in GROUPS.values():
        for name in names:
            error = rng.normal(0, 0.02, count)
            columns |= {f"prediction/{name}/error": error, f"prediction/{name}/pull": error / 0.01}
            columns[f"right/{name}"] = rng.normal(0, 1, count)
    scores, intervals = summarised(pd.DataFrame(columns))
    assert scores["shear/scatter"] == pytest.approx(0.02, rel=0.1) and scores["shear/pull"] == pytest.approx(2, rel=0.1)
    assert scores["theta_E/pull_scaled"] == pytest.approx(1, rel=0.15) and scores["fit/failed"] == pytest.approx(0.1)
    low, high = intervals["source/bias"]
    assert low < 0 < high and high - low < 0.01
    assert intervals["fit/failed"] == pytest.approx((0.074, 0.133), abs=0.003)


@pytest.mark.parametrize(
    "words, cause",
    [
        (["dataset=model1", "physics=deeplense", "task.data.classes=[no_sub]"], "dataset=survey"),
        (["model.image=lo"], r"model\.image=lo .* lr"),
        (["model.radii=[2,1]"], "two Einstein radii"),
        (["model.starts=0"], r"model\.starts"),
    ],
)
def test_what_cannot_be_fitted_is_refused(tmp_path, words, cause):
    few = [word for word in LENS_FIT if not word.startswith("physics.")]
    with pytest.raises(ConfigError, match=cause):
        train(compose(["model=lens_fit", *TINY, *few, f"paths.outputs={tmp_path}", *words]))
