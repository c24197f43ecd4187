"""A model on skies that are shifted from its training's."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tiny import TINY, TINY_RDN

from lenssr.commands.shift import SHIFTS, Found, overrides_of, shift, summary
from lenssr.config.compose import compose
from lenssr.errors import ConfigError
from lenssr.runs.find import find
from lenssr.runs.load import read_config
from lenssr.train import train


def found(name, errors, held, spread=1.0):
    scores = {f"ensemble/quantile68_{bin}": value for bin, value in held.items()}
    scores |= {f"ensemble/spread_skill_{bin}": spread for bin in held}
    columns = {"prediction/physics/error": errors, "bilinear/physics/error": np.ones(len(errors))}
    return Found(name, pd.DataFrame(columns), scores)


def test_the_change_of_error_is_paired_by_lens():
    """Lenses whose errors differ tenfold, all a tenth worse: scipy's interval of the logarithms' mean."""
    rng = np.random.default_rng(0)
    errors, more = np.exp(rng.normal(0, 2, 30)), np.exp(rng.normal(np.log(1.1), 0.05, 30))
    held = {"sky": 0.66, "faint": 0.7, "arc": 0.4, "peak": np.nan}
    one, other = summary([found("a", errors, held), found("b", errors * more, {**held, "sky": 0.99}, 0.5)]).to_dict(
        "records"
    )
    wanted = stats.ttest_1samp(np.log(more), 0).confidence_interval()
    assert (other["low"], other["high"]) == pytest.approx(np.exp([wanted.low, wanted.high]))
    assert other["low"] < 1.1 < other["high"] < 1.15
    assert (one["brightness"], one["holds"]) == ("arc", 0.4)
    assert (other["brightness"], other["holds"], other["spread"]) == ("sky", 0.99, 0.5)


@pytest.mark.parametrize("box", ["euclid_vis_x2", "rubin_to_euclid_x2"])
def test_each_sky_differs_in_what_its_name_says_alone(box):
    config = read_config(find(box))
    words = {name: overrides_of(config, name, 4) for name in SHIFTS}
    same, *others = words.values()
    assert [sum(a != b for a, b in zip(same, some, strict=True)) for some in others] == [1, 1, 1, 1]
    before, after = (
        compose([*some, "dataset=survey", "model=unet_sky"]) for some in (same, words["LR PSF 15 % wider"])
    )
    (kind, wider), (_, narrow) = (next(iter(c.dataset.lr.psf.fwhm.items())) for c in (after, before))
    assert wider[0] == pytest.approx(1.15 * narrow[0]) and kind in ("uniform", "lognormal", "normal")
    shallow = compose([*words["LR image 0.5 mag shallower"], "dataset=survey", "model=unet_sky"])
    depth = 1.25 * np.log10(before.dataset.lr.exposure_time / shallow.dataset.lr.exposure_time)
    assert depth == pytest.approx(0.5)
    assert before.dataset.lr.name == config["dataset"]["lr"]["name"]


def test_a_run_is_tested_on_every_sky(tmp_path, outputs):
    small = ["dataset=survey", "task.data.classes=[no_sub]", "physics.supersampling=2", "dataset.target=truth"]
    run = train(compose(["model=unet_sky", "model.widths=[4,8]", "model.blocks=[1,1]", *TINY, *small, outputs])).folder
    skies = shift(run, 3, tmp_path / "elsewhere")
    assert [one.name for one in skies] == [*SHIFTS]
    table = summary(skies).set_index("sky")
    assert table.loc["as in training", ["ratio", "low", "high"]].tolist() == [1, 1, 1]
    assert table.loc["LR image 0.5 mag shallower", "bilinear"] > table.loc["as in training", "bilinear"]
    assert (table["error"] > 0).all() and table["brightness"].isin(["sky", "faint", "arc", "peak"]).all()


def test_other_datasets_are_refused(outputs):
    run = train(compose(["model=rdn", *TINY_RDN, *TINY, outputs])).folder
    with pytest.raises(ConfigError, match="dataset=survey alone"):
        shift(run)
