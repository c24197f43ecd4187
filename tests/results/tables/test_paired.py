"""Lens by lens against a baseline, with p-values that are known in closed form."""

import numpy as np
import pandas as pd
import pytest

from lenssr.results.tables.paired import lens_by_lens
from lenssr.results.tables.render import to_latex, to_markdown
from lenssr.results.tables.table import Row, Table
from lenssr.runs.folder import RunResult

ASKED = {"errors": {"shear": ["gamma1", "gamma2"]}, "finds": {"halo": "subhalo_1e10/0"}}


def row(folder, label, errors, found, first=0):
    folder.mkdir()
    count = len(errors)
    gain = np.zeros(count)
    pd.DataFrame(
        {
            "index": first + np.arange(count)[::-1],
            "prediction/gamma1/error": errors[::-1],
            "prediction/gamma2/error": np.zeros(count),
            "prediction/subhalo/gain": gain,
            "prediction/subhalo_1e10/0/gain": np.where(found, 9.0, -1.0)[::-1],
            "prediction/subhalo_1e10/0/near": np.ones(count),
        }
    ).to_parquet(folder / "per_image.parquet")
    return Row(label, label, {}, [RunResult(folder, label, {"images": count}, True)])


def table(*rows):
    return Table("lenses", "Lenses", "Fits.", "LR", [], list(rows))


def test_counts_and_exact_p_values(tmp_path):
    away = np.arange(1.0, 13.0)
    here = np.arange(12) < 8
    baseline = row(tmp_path / "lr", "LR", away, np.arange(12) == 11)
    nearer = row(tmp_path / "hr", "HR", 0.5 * -away, here)
    lines = lens_by_lens(table(baseline, nearer), ASKED)
    # all twelve are nearer: 2 / 2^12; eight found alone against one: 2 (1 + 9) / 2^9. Holm doubles the smaller
    assert lines == [["", "shear", "halo"], ["HR", "12 of 12 (p = 0.00098)", "8 and 1 (p = 0.039)"]]


def test_a_page_has_them_and_other_lenses_are_refused(tmp_path):
    away = np.arange(1.0, 13.0)
    rows = [row(tmp_path / name, name, away * k, away > 20) for k, name in ((1, "LR"), (2, "SR"))]
    made = table(*rows)
    assert lens_by_lens(table(rows[0]), ASKED) == []
    made.paired = lens_by_lens(made, ASKED)
    assert made.paired[1] == ["SR", "0 of 12 (p = 0.00098)", "0 and 0 (p = 1)"]
    made.comparisons = pd.DataFrame({"score": [], "row": []})
    assert "| SR | 0 of 12 (p = 0.00098) | 0 and 0 (p = 1) |" in to_markdown(made)
    assert "SR & 0 of 12 (p = 0.00098) & 0 and 0 (p = 1) \\\\" in to_latex(made).split("lens_by_lens}")[1]
    with pytest.raises(ValueError, match="other lenses"):
        lens_by_lens(table(rows[0], row(tmp_path / "other", "other", away, away > 20, first=5)), ASKED)
    nobody = row(tmp_path / "nan", "NaN", np.full(12, np.nan), away > 20)
    with pytest.raises(ValueError, match="no numbers"):
        lens_by_lens(table(rows[0], nobody), ASKED)
    twice = row(tmp_path / "two", "two", away, away > 20)
    twice.results *= 2
    with pytest.raises(ValueError, match="a row for each"):
        lens_by_lens(table(rows[0], twice), ASKED)
    assert (
        lens_by_lens(table(rows[0], row(tmp_path / "same", "same", away, away > 20)), ASKED)[1][1] == "0 of 12 (p = 1)"
    )
