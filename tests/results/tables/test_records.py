"""Records: tables go on from the committed scores of runs whose weights are elsewhere."""

import shutil

import numpy as np
import pandas as pd

from lenssr.results.reproduce import compared
from lenssr.results.tables.collect import build
from lenssr.results.tables.judge import judge
from lenssr.results.tables.render import to_markdown
from lenssr.results.write import record


def test_a_table_is_the_same_from_records_alone(filled, tmp_path):
    records = tmp_path / "records"
    before = build("residual_models", [filled])
    record([before], records)
    assert to_markdown(before) == to_markdown(build("residual_models", [filled], records))
    shutil.rmtree(filled.removeprefix("paths.outputs="))
    after = build("residual_models", [filled], records)
    assert [row.seeds for row in after.rows] == [row.seeds for row in before.rows]
    assert after.missing == before.missing and len(build("residual_models", [filled]).missing) > len(after.missing)
    one, other = before.comparisons, after.comparisons
    assert (one["verdict"] == other["verdict"]).all()
    np.testing.assert_allclose(one["improvement"], other["improvement"], rtol=1e-5)


def test_a_record_holds_scores_and_no_more(filled, tmp_path):
    records = tmp_path / "records"
    table = build("residual_models", [filled])
    record([table], records)
    results = [result for row in table.rows for result in row.results]
    assert {folder.name for folder in records.iterdir()} == {result.folder.name for result in results}
    for result in results:
        scores = pd.read_parquet(records / result.folder.name / "per_image.parquet")
        assert all(name == "index" or name.startswith("prediction/") for name in scores.columns)
    newest = {path: path.stat().st_mtime_ns for path in records.rglob("*")}
    record([build("residual_models", [filled], records)], records)  # again: nothing is written
    assert newest == {path: path.stat().st_mtime_ns for path in records.rglob("*")}


def test_each_claim_of_the_report_has_its_sentence(filled):
    """RDN was made 0.2 dB better than RCAN, so the claim of the opposite is refuted; the others wait for trainings."""
    table = build("residual_models", [filled])
    told = compared([table])
    assert told.count("Not measured yet") == len(table.claims) > 3  # the made runs have no truth
    judge(table, None, [], [{"says": "RCAN is first.", "one": "rcan", "other": "rdn", "score": "report/psnr"}])
    (claim,) = table.claims
    told = compared([table])
    assert (
        "**RCAN is first.** We find -0.2" in told and "the other way round" in told and "would have been seen" in told
    )
    assert claim["low"] < -0.2 < claim["high"] and 0 < claim["detectable"] < 0.2 and claim["seeds"] == [3, 3]
