"""What a user sees after a mistake: one sentence with the cause and the mend, and nothing half-made."""

import errno
import shutil
import subprocess
import sys

import pytest
import torch
from tiny import ROOT, TINY_RDN

from lenssr.data.sets import shards

MISTAKES = {
    "modle=rdn": ("no config key or group 'modle'", "'model'"),
    "model=rdnn": ("no model 'rdnn'", "'rdn'"),
    "hydra/launcher=poool": ("no hydra/launcher 'poool'", "'pool'"),
    "loss=mse_aea": ("no loss 'mse_aea'", "'mse_aae'"),
    "model.num_blokcs=3": ("model has no setting 'num_blokcs'", "blocks"),
    "trainer.max_step=3": ("trainer has no setting 'max_step'", "'max_steps'"),
    "+modell=3": ("no config key 'modell'", "'model'"),
    "+model.depth=3": ("model has no argument 'depth'", "blocks"),
    "+trainer.max_stepz=3": ("trainer", "max_stepz"),
    "trainer.max_steps=abc": ("trainer.max_steps=abc", "integer"),
    "trainer.max_steps=-1": ("trainer.max_steps=-1", "greater than 0"),
    "trainer.validations=3": ("max_steps=4 is not a multiple", "use max_steps=3 or 6"),
    "+trainer.accumulate_grad_batches=2": ("accumulate_grad_batches would change what a step is", "loader.batch_size"),
    "trainer.precision=64-true": ("trainer.precision=64-true", "'32-true'"),
    "seed=-1": ("seed=-1", "greater than or equal to 0"),
    "dataset.target=turth": ("dataset.target=turth", "'truth'"),
    "dataset.image_size=49": ("dataset.image_size=49", "use 48 or 50"),
    "loader.patch=33": ("loader.patch=33", "multiple"),
    "loader.patch=64": ("loader.patch=64", "larger than dataset.image_size=48"),
    "model.scale=3": ("model.scale=3 contradicts", "dataset.scale alone"),
    "model.blocks=0": ("model:", "at least 1"),
    "optimizer.lr=0": ("optimizer.lr=0", "greater than 0"),
    "optimizer.schedule=cosine": ("optimizer.schedule", "one_cycle"),
    "physics.detector.shot_noise=posson": ("shot_noise=posson", "'poisson'"),
    "dataset.source.splits.train=0": ("splits.train=0 leaves that split empty", "1 or more"),
    "dataset=folder dataset.source.root=nowhere": ("root=nowhere is no folder", "train/ and test/"),
    "dataset=folder": ("dataset.source.root", "=<value>"),
    "loss=mse_aae loss.alpha=2": ("loss: alpha=2 must lie between 0", "1"),
    "loss=mse_aae loss.compare=latent": ("compare=latent", "feature"),
    "loss=mse_aae loss.autoencoder.run=nowhere": ("loss.autoencoder.run=nowhere", "finished run"),
    "model=aae loader.patch=8": ("image_size=8 is too small", "17 px"),
    "model=[": ("override", "cannot be read"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_and_nothing_is_left(mistake, cli, tiny, outputs, tmp_path):
    code, out, err = cli(*tiny, *mistake.split())
    cause, mend = MISTAKES[mistake]
    assert code == 2
    assert "Traceback" not in err + out
    (line,) = [text for text in err.splitlines() if text.startswith("error: ")]
    assert cause in line and mend in line
    assert not list(tmp_path.glob("outputs/runs/*/checkpoints"))
    assert not list(tmp_path.glob("outputs/runs/aae-*"))  # refused before a stage is trained


def test_a_traceback_comes_when_asked_for(cli, tiny):
    _, _, err = cli(*tiny, "model.blocks=0", "traceback=true")
    assert "Traceback" in err and "error: model:" in err


def test_one_failing_job_does_not_stop_a_sweep(cli, tiny, tmp_path):
    code, _, err = cli("-m", *tiny, *TINY_RDN, "optimizer.lr=0,1e-3")
    assert code == 2 and "optimizer.lr=0" in err
    assert "== run 2: optimizer.lr=0.001" in err and "1 runs done, 0 found finished, 1 failed" in err
    assert "1 of 2 runs failed" in err and "Traceback" not in err
    assert len(list(tmp_path.glob("outputs/runs/*/metrics.json"))) == 1


@pytest.fixture
def finished(cli, tiny, tmp_path):
    """Train once and return (run folder, set folder, command)."""
    command = ["model=rdn", *TINY_RDN, *tiny]
    assert cli(*command)[0] == 0
    (run,) = tmp_path.glob("outputs/runs/rdn-*")
    (images,) = tmp_path.glob("outputs/datasets/model1-*")
    return run, images, command


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: (f / "manifest.json").write_text("{"), "manifest"),
        (lambda f: (f / "manifest.json").unlink(), "manifest"),
        (lambda f: (f / "train/images.npy").write_bytes((f / "train/images.npy").read_bytes()[:-100]), "truncated"),
        (lambda f: (f / "test/parameters.parquet").unlink(), "missing"),
    ],
)
def test_a_damaged_set_is_named_and_can_be_made_anew(finished, cli, damage, words):
    _, images, command = finished
    damage(images)
    code, _, err = cli(*command, "seed=1")
    assert code == 2 and words in err and f"Delete the folder {images}" in err and "Traceback" not in err
    shutil.rmtree(images)
    assert cli(*command, "seed=1")[0] == 0


def test_a_checkpoint_of_another_model_is_refused(finished, cli, tmp_path):
    run, _, command = finished
    status = run / "status.json"
    status.write_text(status.read_text().replace('"done"', '"failed"'))
    torch.save({"state_dict": {"model.other": torch.zeros(3)}, "global_step": 1}, run / "checkpoints/last.ckpt")
    code, _, err = cli(*command)
    assert code == 2 and "checkpoint of another model" in err
    (run / "checkpoints/last.ckpt").write_bytes(b"nonsense")
    code, _, err = cli(*command)
    assert code == 2 and "cannot be read" in err and "delete it" in err
    (run / "checkpoints/last.ckpt").unlink()
    assert cli(*command)[0] == 0


def test_a_checkpoint_cannot_run_code(finished, cli, tmp_path):
    import os

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'pwned'}",)

    run, _, command = finished
    status = run / "status.json"
    status.write_text(status.read_text().replace('"done"', '"failed"'))
    torch.save({"state_dict": Evil()}, run / "checkpoints/last.ckpt")
    assert cli(*command)[0] == 2
    assert not (tmp_path / "pwned").exists()


def test_a_run_of_another_kind_is_no_autoencoder(finished, cli):
    run, _, command = finished
    code, _, err = cli(*command, "loss=mse_aae", f"loss.autoencoder.run={run}")
    assert code == 2 and "loss.autoencoder.run holds a RDN" in err and "model=aae" in err


def test_a_folder_of_another_configuration_is_refused(finished, cli):
    run, _, command = finished
    (run / "status.json").write_text('{"state": "failed", "hash": "0123456789abcdef"}')
    code, _, err = cli(*command)
    assert code == 2 and "belongs to another configuration" in err and "move that folder away" in err
    assert (run / "status.json").read_text() == '{"state": "failed", "hash": "0123456789abcdef"}'


@pytest.mark.parametrize("where", ["images", "checkpoint", "metrics"])
def test_a_full_disk_is_named_and_nothing_is_lost(cli, tiny, tmp_path, monkeypatch, where):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    place = {
        "images": (shards, "_write"),
        "checkpoint": (torch, "save"),
        "metrics": (sys.modules["pandas"].DataFrame, "to_parquet"),
    }[where]
    command = ["model=rdn", *TINY_RDN, *tiny]
    with monkeypatch.context() as patch:
        if where == "metrics":
            assert cli("model=bilinear", *tiny)[0] == 0  # the set exists
        patch.setattr(*place, full)
        code, _, err = cli(*command)
    assert code == 2 and "disk is full" in err and "repeat the command" in err and "Traceback" not in err
    left = [path.name for path in tmp_path.rglob("*partial*")]
    assert all(name.endswith(".partial-shards") for name in left)  # of a set on its way, which is gone on with
    assert cli(*command)[0] == 0 and not list(tmp_path.rglob("*partial*"))


def test_an_output_place_that_cannot_be_written(cli, tiny, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = cli(*tiny, *TINY_RDN, f"paths.outputs={tmp_path / 'file' / 'outputs'}")
    assert code == 2 and "paths.outputs" in err and "Traceback" not in err


def test_the_exit_code_reaches_the_shell():
    done = subprocess.run([sys.executable, "train.py", "modle=rdn"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "error: There is no config key or group 'modle'. Did you mean 'model'?\n"
