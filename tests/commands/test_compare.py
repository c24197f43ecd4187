"""Two runs by the test of the tables: over trainings where there are several, and with a word where there are not."""

import shutil

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from lenssr.commands.compare import compared
from lenssr.commands.sides import side
from lenssr.errors import RunError


def test_several_seeds_are_tested_over_trainings(runs):
    one, other = side("rdn-l1", runs), side("loss=mse trainer.max_steps=480", runs)
    assert one.seeds == other.seeds == (0, 1, 2)
    (line,) = compared(one, other).to_dict("records")
    values = []
    for member in (one, other):
        frames = [pd.read_parquet(run.folder / "per_image.parquet") for run in member.runs]
        values.append(np.stack([frame["prediction/report/psnr"] for frame in frames]))
    wanted = ttest_rel(values[0].mean(1), values[1].mean(1))
    assert line["difference"] == pytest.approx((values[0] - values[1]).mean())
    assert line["freedom"] == 2 and line["paired"] and line["p"] >= wanted.pvalue  # the images' variance is added
    assert line["verdict"] == "better" and line["low"] < 0.5 < line["high"]


def test_the_command_says_what_was_sampled(runs, typed):
    code, out, err = typed("compare", "loss=l1", "loss=mse trainer.max_steps=480")
    assert code == 0, err
    assert "Student's t over 3 and 3 trainings, paired by seed" in out and "better" in out
    code, out, _ = typed("compare", "loss=l1 seed=0", "loss=mse trainer.max_steps=480")
    assert code == 0 and "Only images were sampled, not trainings: of rdn-l1-model1-" in out
    alone = [path.name for path in sorted(runs.glob("rdn-l1-*"))[:2]]
    code, out, _ = typed("compare", *alone)
    assert code == 0 and out.count("Only images were sampled") == 1 and "one training" in out


def test_what_cannot_be_compared_is_named(runs, typed):
    code, _, err = typed("compare", "rdn-mse", "loss=l1")
    assert code == 2 and "differ in more than their seed" in err and "Give more words, as " in err
    code, _, err = typed("compare", "loss=charbonnier", "loss=l1")
    assert code == 2 and "names no finished run (state: failed)" in err
    code, _, err = typed("compare", "loss=l1", "rdn-l1")
    assert code == 2 and "Both sides name the same run" in err
    code, _, err = typed("compare", "loss=l1", "rdnn")
    assert code == 2 and "There is no run 'rdnn'" in err
    (debug,) = runs.glob("*-debug-*")
    with pytest.raises(RunError, match="tested on other images"):
        compared(side("loss=l1", runs), side(debug.name, runs))
    first = sorted(runs.glob("rdn-l1-*"))[0]
    shutil.move(first / "per_image.parquet", first / "gone")
    with pytest.raises(RunError, match=r"has no per_image\.parquet"):
        compared(side("loss=l1", runs), side("loss=mse trainer.max_steps=480", runs))
