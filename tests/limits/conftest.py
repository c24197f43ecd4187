"""Sets of the published physics, and of lenses that vary."""

import pytest
from tiny import TINY

from lenssr.config.compose import compose, plain
from lenssr.data.build import build_set
from lenssr.runs.build import build_data

SETS = ["dataset.image_size=64", "loader.patch=16", "dataset.source.splits={train:3,validation:3,test:12}"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    words = ["model=bilinear", *TINY, *SETS, f"paths.outputs={tmp_path_factory.mktemp('limits')}"]
    return build_data(plain(compose(words)))


@pytest.fixture(scope="module")
def varied(tmp_path_factory):
    words = [
        "model=fitted",
        "physics=corrected",
        "physics.supersampling=1",
        "dataset.source.classes=[no_sub,axion]",
        "dataset.image_size=72",
        "dataset.target=truth",
        "scale.dataset={train: 2, validation: 2, test: 24}",
        f"paths.outputs={tmp_path_factory.mktemp('varied')}",
    ]
    return build_set(plain(compose(words)))
