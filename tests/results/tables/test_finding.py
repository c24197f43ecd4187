"""The table of lens finders: intervals of the means, tests that know the threshold's error, and its pictures."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from lenssr.config.compose import compose, plain
from lenssr.metrics.finding import scored
from lenssr.results.figures.tables import draw
from lenssr.results.tables.collect import build
from lenssr.results.tables.render import to_markdown
from lenssr.runs.folder import Run
from lenssr.runs.stages import identify
from lenssr.system.files import read_json, write_json

INPUTS = {"hr": 2.4, "super_resolved": 2.0, "interpolated": 2.0}
IMAGES = 800


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Return the table of made-up scores: HR images separate the classes better, the others as each other."""
    outputs, rng = f"paths.outputs={tmp_path_factory.mktemp('table')}", np.random.default_rng(0)
    lens, common = np.arange(IMAGES) % 2 == 1, rng.normal(size=IMAGES)
    for kind, shift in INPUTS.items():
        composed = compose(["sweep=lens_finding", outputs, f"dataset.inputs={kind}", "seed=0"])
        for seed in range(5):
            composed.seed = seed
            config = plain(composed)
            run = Run(config, identify(config))
            run.begin()
            logit = 0.8 * common + rng.normal(0, 0.6, IMAGES) + shift * lens
            frame = pd.DataFrame({"index": range(IMAGES), "prediction/logit/value": logit})
            frame["prediction/right/value"], frame["prediction/finding/nll"] = lens * 1.0, 0.5
            found = scored(frame, 0.1)
            made = found.per_image.assign(theta_E=np.where(lens, rng.uniform(0.5, 1.6, IMAGES), np.nan))
            made.to_parquet(run.file("per_image.parquet"))
            run.finish({"images": IMAGES, "parameters": 7, "scores": found.summary()})
            write_json(run.file("status.json"), {**read_json(run.file("status.json")), "record": True})
    return build("lens_finding", [outputs])


def test_cells_have_the_interval_over_trainings_and_images(table):
    row = table.row("HR")
    frames = [pd.read_parquet(result.folder / "per_image.parquet") for result in row.results]
    for column in table.columns:
        cell = row.cells[column.key]
        values = np.stack([frame[f"prediction/{column.key}"] for frame in frames]) * column.factor
        means = values.mean(1)
        variance = means.var(ddof=1) / 5 + values.mean(0).var(ddof=1) / IMAGES
        half = t.ppf(0.975, 4) * variance**0.5
        assert cell.mean == pytest.approx(means.mean())
        assert cell.interval == pytest.approx((means.mean() - half, means.mean() + half))
        alone = row.results[0].metrics["scores"]["prediction"][column.key]
        assert alone["low"] <= alone["mean"] <= alone["high"]


def test_what_helps_is_told_from_what_does_not(table):
    cells = {row.label: row.cells["finding/auroc"] for row in table.rows}
    assert cells["HR"].mark == "best" and cells["HR"].against_baseline == "better"
    assert cells["super-resolved"].against_baseline == "tie"
    page = to_markdown(table)
    assert "false positives" in page and " to " in page.split("| HR |")[1].split("\n")[0]


def test_its_pictures(table, tmp_path, whole_pictures):
    """Of records alone, without images: the curves are drawn, the errors are not."""
    assert [path.name for path in draw(table, tmp_path)] == ["lens_finding_roc.png"]
    assert (tmp_path / "lens_finding_roc.png").stat().st_size > 20_000
