"""Run identity: what changes a result changes the hash, and nothing else does."""

import identities
import pytest

from lenssr.config.compose import compose, plain
from lenssr.runs.folder import Run
from lenssr.runs.stages import identify


def digest(*overrides):
    config = plain(compose(["model=rdn", *overrides]))
    return Run(config, identify(config)).hash


@pytest.mark.parametrize(
    "override",
    [
        "paths.outputs=elsewhere", "logger=wandb", "trainer.devices=2", "trainer.accelerator=gpu", "traceback=true",
        "trainer.log_every_n_steps=1", "loader.evaluation_batch_size=3", "loader.resident=true", "~callbacks.progress",
    ],
)  # fmt: skip
def test_what_cannot_change_the_result_is_left_out(override):
    assert digest(override) == digest()


@pytest.mark.parametrize(
    "override",
    [
        "seed=1", "model.blocks=5", "loss=mse_aae", "optimizer.lr=1e-4", "trainer.max_steps=8", "dataset.target=truth",
        "physics=corrected", "physics.macro.e1=0.2", "loader.patch=32", "loader.batch_size=9", "callbacks=ema",
        "dataset.observation.lr_background_rms=0.1", "scale=report", "trainer.precision=bf16-mixed",
        "loader.flips=true",
    ],
)  # fmt: skip
def test_what_can_change_the_result_changes_the_hash(override):
    assert digest(override) != digest()


def test_a_stage_counts_by_its_own_hash():
    alone = digest("loss=mse_aae")
    assert digest("loss=mse_aae", "stages.overrides=['model.latent=10','model=aae']") != alone
    assert digest("loss=mse_aae", "stages.overrides=['trainer.log_every_n_steps=3']") == alone


def test_the_seed_of_the_stage_is_not_the_runs():
    one, two = (plain(compose(["model=rdn", "loss=mse_aae", f"seed={seed}"])) for seed in (0, 1))
    assert identify(one) == identify(two)


def test_interpolation_ignores_what_trains():
    def bilinear(*overrides):
        config = plain(compose(["model=bilinear", *overrides]))
        return Run(config, identify(config))

    assert bilinear("seed=3", "loss=mse_aae", "optimizer.lr=1").hash == bilinear().hash
    assert bilinear().name == "bilinear-model1"
    assert bilinear("dataset.observation.lr_background_rms=0.2").hash != bilinear().hash


def test_a_changed_default_changes_the_hash():
    """The whole configuration counts, not the difference from the defaults."""
    config = plain(compose(["model=rdn"]))
    before = Run(config, {}).hash
    config["optimizer"]["betas"] = [0.8, 0.999]
    assert Run(config, {}).hash != before


def test_the_hash_of_every_option_is_as_listed():
    assert identities.options() == identities.listed()["options"], "python tests/identities.py lists them anew"


def test_the_hash_of_every_row_of_every_table_is_as_listed():
    """Of its first seed: a seed is one number of the configuration."""
    listed = {cell: value for cell, value in identities.listed()["cells"].items() if cell.endswith("/0")}
    assert identities.cells(every=False) == listed, "python tests/identities.py lists them anew"
