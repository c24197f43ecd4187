"""The runs of many seeds are those that composing each would give."""

import pytest

from lenssr.config import compose as composing
from lenssr.config.compose import compose, plain
from lenssr.results.tables.seeded import runs_of
from lenssr.runs.folder import Run
from lenssr.runs.stages import identify


@pytest.mark.parametrize(
    ("words", "composed"),
    [
        (["model=rdn", "loss=mse_aae"], 2),
        (["model=bilinear"], 2),
        (["model=rdn", "paths.outputs=elsewhere/of-${seed}"], 6),  # a text that holds the seed: no short way
    ],
    ids=["stage", "nothing random", "in a text"],
)
def test_seeds_that_are_put_in_are_those_that_are_composed(words, composed, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "lenssr.results.tables.seeded.compose", lambda words: asked.append(words) or composing.compose(words)
    )
    found = dict(runs_of(words, range(4)))
    assert list(found) == [0, 1, 2, 3] and len(asked) == composed
    for seed in (0, 3):
        config = plain(compose([*words, f"seed={seed}"]))
        expected = Run(config, identify(config))
        run = found[seed]
        assert (run.config, run.stages, run.hash) == (expected.config, expected.stages, expected.hash)
        assert run.folder == expected.folder
    found[0].config["model"]["name"] = "other"
    assert found[1].config["model"]["name"] != "other"  # nothing is shared
