"""What several tests share: a configuration that trains in seconds, in a folder of its own."""

import os

# before torch is imported: tests run side by side, and sums over threads are not repeatable
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("WANDB_SILENT", "true")

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# 48-px images, a handful of them, and a network of a few thousand weights
TINY = [
    "dataset.image_size=48",
    "scale.dataset={train: 9, validation: 3, test: 4}",
    "loader.patch=32",
    "loader.batch_size=4",
    "trainer.max_steps=4",
    "trainer.validations=2",
    "trainer.accelerator=cpu",
]
TINY_RDN = ["model.features=4", "model.growth=4", "model.blocks=2", "model.layers=2"]
_STAGE = ["model=aae", "model.latent=8", "trainer.max_steps=2", "trainer.validations=1", "loader.batch_size=4"]
TINY_STAGE = [f"stages.overrides={_STAGE}"]
# the same for networks that tell labels, and for the super-resolution that they may see
TINY_LABELS = [
    "dataset.image_size=48",
    "trainer.accelerator=cpu",
    "trainer.max_steps=4",
    "trainer.validations=2",
    "loader.batch_size=4",
    "model.width=4",
    "scale.downstream.images={train: 12, validation: 3, test: 6}",
    "scale.dataset={train: 9, validation: 3, test: 4}",
]
# the same for draws from a posterior
TINY_DIFFUSION = [
    "dataset.image_size=32",
    "trainer.accelerator=cpu",
    "trainer.max_steps=4",
    "trainer.validations=2",
    "loader.batch_size=4",
    "loader.patch=32",
    "task.draws=4",
    "task.evaluations=3",
    "scale.diffusion.images={train: 9, validation: 3, test: 4}",
]
_RDN_STAGE = [*TINY_RDN, "trainer.max_steps=2", "trainer.validations=1", "loader.batch_size=4", "loader.patch=32"]
TINY_RDN_STAGE = [f"stages.overrides={_RDN_STAGE}"]


@pytest.fixture
def outputs(tmp_path):
    """Return the override that sends everything to a temporary folder."""
    return f"paths.outputs={tmp_path / 'outputs'}"


@pytest.fixture
def tiny(outputs):
    """Return the overrides of a training that takes a second or two."""
    return [*TINY, outputs]


@pytest.fixture
def cli(monkeypatch, capfd):
    """Return a function that runs the command line in this process and gives (exit code, stdout, stderr)."""
    from lenssr import train

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
        with pytest.raises(SystemExit) as stop:
            train.main()
        out, err = capfd.readouterr()
        return stop.value.code, out, err

    return run


# real lenses and galaxies, where someone has put them; tests that look at them are skipped elsewhere
REAL = Path(os.environ.get("LENSSR_REAL_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture
def real():
    """Return the folder of real data."""
    if not REAL.is_dir():
        pytest.skip("no real lenses and galaxies: LENSSR_REAL_DATA names their folder")
    return REAL
