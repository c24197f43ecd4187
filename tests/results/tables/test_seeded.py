"""The runs of many seeds are those that composing each would give."""

import pytest

from lenssr.config import compose as composing
from lenssr.config.compose import compose, plain
from lenssr.results.tables.seeded import runs_of
from lenssr.runs.folder import Run
from lenssr.runs.stages import identify


@pytest.mark.parametrize(
    "words",
    [
        ["model=rdn", "loss=mse_aae"],
        ["model=bilinear"],
        ["model=rdn", "paths.outputs=elsewhere/of-${seed}"],  # a text that holds the seed: resolved for each
        ["model=rdn", "seed=5"],
    ],
    ids=["stage", "nothing random", "in a text", "another before"],
)
@pytest.mark.parametrize("count", [1, 4])
def test_seeds_that_are_put_in_are_those_that_are_composed(words, count, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "lenssr.results.tables.seeded.compose", lambda words: asked.append(words) or composing.compose(words)
    )
    found = dict(runs_of(words, range(4)[:count]))
    assert list(found) == [0, 1, 2, 3][:count] and len(asked) == 1
    for seed in {0, count - 1}:
        config = plain(compose([*words, f"seed={seed}"]))
        expected = Run(config, identify(config))
        run = found[seed]
        assert (run.config, run.stages, run.hash) == (expected.config, expected.stages, expected.hash)
        assert run.folder == expected.folder
    found[0].config["model"]["name"] = "other"
    assert count == 1 or found[1].config["model"]["name"] != "other"  # nothing is shared
