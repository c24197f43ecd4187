"""The zoo: spandrel's architectures where they are installed, a clear word where they are not."""

import importlib.util
import sys

import pytest
import torch

from lenssr.config.compose import compose, plain
from lenssr.errors import ConfigError
from lenssr.runs.build import build_model

TOY = """
import torch.nn.functional as F
from torch import nn

class Toy(nn.Module):
    def __init__(self, *, in_chans=3, upscale=4, width=4, upsampler=""):
        super().__init__()
        self.body = nn.Conv2d(in_chans, in_chans, 3, padding=1)
        self.scale, self.width = upscale if upsampler else 1, width

    def forward(self, x):
        return F.interpolate(self.body(x), scale_factor=self.scale)
"""


@pytest.fixture
def spandrel(tmp_path, monkeypatch):
    """Put a package of spandrel's layout, with one small architecture, on the path."""
    toy = tmp_path / "spandrel" / "architectures" / "Toy"
    toy.mkdir(parents=True)
    for folder in (toy.parent.parent, toy.parent):
        (folder / "__init__.py").write_text("")
    (toy / "__init__.py").write_text(TOY)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.split(".")[0] == "spandrel"]:
        monkeypatch.delitem(sys.modules, name)
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "spandrel"]:
        del sys.modules[name]


def model(*overrides):
    return build_model(plain(compose(["model=spandrel", *overrides])))


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_scale_and_settings_reach_the_architecture(spandrel, channels):
    found = model(
        "model.arch=Toy",
        f"model.channels={channels}",
        "dataset.scale=3",
        "+model.settings.width=7",
        "+model.settings.upsampler=x",
    )
    assert (found.body.body.in_channels, found.body.scale, found.body.width) == (channels, 3, 7)
    assert found(torch.rand(2, 1, 10, 8)).shape == (2, 1, 30, 24) and found.training


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model.arch=Toi"], ("no architecture 'Toi'", "'Toy'")),
        (["model.arch=Toy"], ("maps 32 px to 32 px", "model.settings")),
        (["model.arch=Toy", "+model.settings.widht=3"], ("settings.widht", "'width'")),
    ],
)
def test_mistakes_are_named(spandrel, overrides, words):
    with pytest.raises(ConfigError) as error:
        model(*overrides)
    assert all(word in str(error.value) for word in words)


@pytest.mark.skipif(importlib.util.find_spec("spandrel") is not None, reason="the zoo is installed here")
def test_without_the_zoo_the_error_says_how_to_get_it(cli, tiny):
    code, _, err = cli("model=spandrel", *tiny)
    assert code == 2 and "lenssr[zoo]" in err and "Traceback" not in err
