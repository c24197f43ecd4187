"""A model of one's own project, beside an installed package: its YAML in a folder, its Python beside it."""

import os
import subprocess
import sys

import pytest
from tiny import ROOT, TINY

MODEL = """
import torch.nn.functional as F
from torch import nn


class Own(nn.Module):
    def __init__(self, scale, width):
        super().__init__()
        self.body, self.scale = nn.Conv2d(1, scale**2, width, padding="same"), scale

    def forward(self, lr):
        return F.pixel_shuffle(self.body(lr), self.scale)
"""
CONFIG = """
defaults: [/task@_global_.task: super_resolution]
_target_: own.Own
name: mine_own
scale: ${dataset.scale}
width: 3
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "own.py").write_text(MODEL)
    (tmp_path / "settings" / "model").mkdir(parents=True)
    (tmp_path / "settings" / "model" / "mine_own.yaml").write_text(CONFIG)
    monkeypatch.delenv("LENSSR_CONFIG_DIR", raising=False)
    return tmp_path


def typed(project, *words, **more):
    """Type a command in the project's folder; Python is told of the package alone."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1", **more}
    return subprocess.run([sys.executable, *words], cwd=project, env=environment, capture_output=True, text=True)


def test_it_trains_loads_and_is_scored_again(project):
    command = ["-m", "lenssr.train", "--config-dir", "settings", "model=mine_own", *TINY]
    done = typed(project, *command)
    assert done.returncode == 0, done.stderr
    assert "model=mine_own" not in done.stderr and "outputs/runs/mine_own-mse-model1-4steps-9images-" in done.stdout
    own = {"LENSSR_CONFIG_DIR": "settings"}
    program = "import lenssr, torch; print(type(lenssr.load_run('mine_own')).__name__)"
    assert typed(project, "-c", program, **own).stdout == "Own\n"
    refused = typed(project, "-c", program)
    assert "asks for 'own.Own'" in refused.stderr and "LENSSR_CONFIG_DIR" in refused.stderr
    again = typed(project, "-m", "lenssr.evaluate", "latest", "dataset.source.seed=3", *TINY[:2], **own)
    assert again.returncode == 0, again.stderr  # the variable alone does as well


def test_slips_are_named(project):
    done = typed(project, "-m", "lenssr.train", "--config-dir", "settings", "model=mine_onw")
    assert done.returncode == 2 and "There is no model 'mine_onw'. Did you mean 'mine_own'?" in done.stderr
    done = typed(project, "-m", "lenssr.train", "--config-dir", "setings", "model=mine_own")
    assert done.returncode == 2 and "--config-dir setings: there is no such folder" in done.stderr
    done = typed(project, "-m", "lenssr.train", "--config-dir", "settings", "model=mine_own", "model.widht=3")
    assert done.returncode == 2 and "'width'" in done.stderr
