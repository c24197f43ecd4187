"""What a network makes of other lenses: interpolation knows none by heart, and a constant image knows nothing."""

import pytest
import torch
from tiny import TINY

from lenssr.config.compose import compose
from lenssr.errors import ConfigError
from lenssr.results import memory
from lenssr.tasks import SuperResolution
from lenssr.train import train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(compose(["model=bilinear", *TINY, f"paths.outputs={tmp_path_factory.mktemp('memory')}"])).folder


def test_interpolation_shows_what_it_is_shown(run):
    """Of a difference of two scenes under one noise it shows what survives the LR pixels, whatever the radius."""
    found = memory.check(run, count=6, radii=(0.7, 0.9))
    mean, error = found["survives"]
    assert 0.3 < mean < 1.1 and error > 0
    (one, _), (other, _) = found["psnr"].values()
    assert abs(one - other) < 3


def test_a_network_that_draws_one_image_shows_no_perturber(run, monkeypatch):
    still = torch.rand(1, 1, 48, 48)
    monkeypatch.setattr(SuperResolution, "upscale", lambda self, lr: still.expand(len(lr), 1, 48, 48))
    assert memory.check(run, count=4, radii=(0.8,))["survives"][0] == pytest.approx(0.0, abs=1e-6)


def test_other_runs_are_refused(tmp_path):
    words = ["model=aae", "model.latent=8", *TINY, f"paths.outputs={tmp_path}"]
    with pytest.raises(ConfigError, match="super-resolution run on a simulated set"):
        memory.check(train(compose(words)).folder)
