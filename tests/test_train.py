"""One command, one folder: what a run leaves, finds, resumes and shares."""

import json
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch
from helpers import StopAt, assert_same, interrupted, running, weights
from networks import SMALL
from tiny import ROOT, TINY, TINY_RDN, TINY_STAGE

from lenssr.config.compose import compose
from lenssr.errors import RunError
from lenssr.runs.load import load_run
from lenssr.train import train


def run(*overrides):
    return train(compose(list(overrides)))


def test_a_run_leaves_a_readable_folder(tiny):
    result = run("model=rdn", "loss=mse", *TINY_RDN, *tiny)
    left = {p.relative_to(result.folder).as_posix() for p in result.folder.rglob("*") if p.is_file()}
    assert {
        "config.yaml", "status.json", "provenance.json", "metrics.json", "per_image.parquet",
        "checkpoints/best.ckpt", "checkpoints/last.ckpt", "figures/comparison.png", "figures/loss_curve.png",
        "logs/attempt_0/metrics.csv",
    } <= left  # fmt: skip
    assert not [name for name in left if "partial" in name]

    scores = result.metrics["scores"]
    assert set(scores) == {"prediction", "bilinear", "ceiling", "brighter"}
    for who in ("prediction", "bilinear"):
        assert {f"{p}/{s}" for p in ("report", "truth") for s in ("mse", "psnr", "ssim")} <= set(scores[who])
    per_image = pd.read_parquet(result.folder / "per_image.parquet")
    assert len(per_image) == 4 and set(per_image["class"]) == {"no_sub", "axion", "cdm"}
    assert per_image["prediction/report/psnr"].mean() == pytest.approx(scores["prediction"]["report/psnr"]["mean"])

    provenance = json.loads((result.folder / "provenance.json").read_text())
    attempt = provenance["attempts"][-1]
    assert attempt["seconds"].keys() == {"train", "test"} and attempt["peak_memory_bytes"]["host"] > 1e7
    assert provenance["packages"]["torch"] == torch.__version__
    assert len(provenance["dataset"]["manifest_sha256"]) == 64


def test_the_same_command_finds_the_finished_run(tiny, monkeypatch):
    first = run("model=rdn", *TINY_RDN, *tiny)
    monkeypatch.setattr("lenssr.train._work", lambda *_: pytest.fail("trained again"))
    again = run("model=rdn", *TINY_RDN, *tiny)
    assert again.folder == first.folder and again.metrics == first.metrics and not again.trained


def test_another_seed_trains_again_but_reuses_stage_and_set(tiny, capfd):
    tiny = ["model=rdn", "loss=mse_aae", *TINY_RDN, *TINY_STAGE, *tiny]
    first = run(*tiny)
    root = first.folder.parents[1]
    before = {p: p.stat().st_mtime_ns for p in root.glob("runs/aae-*/checkpoints/*")}
    sets = set(root.glob("datasets/model1-*"))
    second = run(*tiny, "seed=1")
    assert second.trained and second.folder != first.folder
    assert before and before == {p: p.stat().st_mtime_ns for p in root.glob("runs/aae-*/checkpoints/*")}
    assert sets == set(root.glob("datasets/model1-*")) and len(list(root.glob("runs/aae-*"))) == 1
    assert "training it first" in capfd.readouterr().err


def test_the_autoencoder_stays_out_of_the_checkpoint_and_unchanged(tiny):
    tiny = ["model=rdn", "loss=mse_aae", *TINY_RDN, *TINY_STAGE, *tiny]
    result = run(*tiny)
    assert all(key.startswith("model.") for key in weights(result.folder))
    assert not any("encoder" in key for key in weights(result.folder))


@pytest.mark.parametrize(
    ("overrides", "step"),
    [
        (["model=rdn", *TINY_RDN], 1),
        (["model=rdn", *TINY_RDN], 2),  # right after a validation
        (["model=rdn", *TINY_RDN, "callbacks=ema", "callbacks.ema.decay=0.5", "loader.flips=true"], 3),
        (["model=aae", "model.latent=8"], 3),
        (["model=unet_sr", *SMALL["unet_sr"], "optimizer=muon"], 3),
        (["model=equivariant_fsrcnn", *SMALL["equivariant_fsrcnn"]], 2),  # its step is not validated
        (["model=equivariant_fsrcnn", *SMALL["equivariant_fsrcnn"]], 3),
        (["model=equivariant_fsrcnn", *SMALL["equivariant_fsrcnn"], "callbacks=ema"], 3),
    ],
    ids=[
        "first step",
        "validation",
        "ema and flips",
        "three optimizers",
        "muon",
        "equivariant, between",
        "equivariant",
        "equivariant ema",
    ],
)
def test_interrupted_and_resumed_gives_the_same_weights(tiny, tmp_path, monkeypatch, overrides, step):
    steps = ["trainer.max_steps=6", "trainer.validations=3"]
    whole = run(*overrides, *tiny, *steps, f"paths.outputs={tmp_path / 'whole'}")
    interrupted(monkeypatch, step, *overrides, *tiny, *steps)
    resumed = run(*overrides, *tiny, *steps)
    assert resumed.hash == whole.hash
    assert_same(weights(whole.folder), weights(resumed.folder))
    assert_same(weights(whole.folder, "best"), weights(resumed.folder, "best"))
    assert resumed.metrics["scores"] == whole.metrics["scores"]


def test_the_trained_model_loads_from_its_folder(tiny):
    result = run("model=rdn", *TINY_RDN, *tiny)
    model = load_run(result.folder)
    state = {key.removeprefix("model."): value for key, value in weights(result.folder, "best").items()}
    assert_same(state, model.state_dict())
    assert model(torch.zeros(1, 1, 5, 9)).shape == (1, 1, 10, 18)


def test_truth_can_be_the_target_and_images_minmaxed(tiny):
    result = run("model=rdn", *TINY_RDN, *tiny, "dataset.target=truth", "dataset.normalization=per_image_minmax")
    assert result.metrics["target"] == "truth"


def test_fixed_noise_repeats_and_fresh_noise_does_not(tiny):
    from lenssr.config.compose import plain
    from lenssr.runs.build import build_data

    for noise, same in (("fixed", True), ("fresh", False)):
        config = plain(
            compose(["model=rdn", *tiny, f"dataset.noise={noise}", "loader.patch=48", "loader.batch_size=9"])
        )
        batches = build_data(config).train_dataloader()
        one, two = batches.batch(0), batches.batch(1)  # two epochs of all nine images
        assert one["index"].tolist() != two["index"].tolist()  # in another order
        order = two["index"].argsort()[one["index"].argsort().argsort()]
        assert torch.equal(one["truth"], two["truth"][order])
        assert torch.equal(one["hr"], two["hr"][order]) is same
        assert torch.equal(one["lr"], two["lr"][order]) is same


def test_two_processes_that_need_a_stage_train_it_once(tmp_path):
    common = ["loss=mse_aae", *TINY, *TINY_RDN, *TINY_STAGE, f"paths.outputs={tmp_path}"]
    jobs = [
        subprocess.Popen(
            [sys.executable, "train.py", *common, f"seed={seed}"], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        for seed in (0, 1)
    ]
    errors = [job.communicate(timeout=200)[1] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], errors
    provenance = json.loads(next(tmp_path.glob("runs/aae-*/provenance.json")).read_text())
    assert len(provenance["attempts"]) == 1
    assert sum("training AAE" in error for error in errors) == 1


def test_ctrl_c_keeps_the_checkpoint_and_the_command_resumes(tmp_path):
    command = [sys.executable, "train.py", "model=rdn", *TINY, *TINY_RDN, f"paths.outputs={tmp_path}"]
    command += ["trainer.max_steps=400", "trainer.validations=2"]
    job = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    seen = []
    for line in job.stderr:
        seen.append(line)
        if "steps take about" in line:
            time.sleep(1.0)
            job.send_signal(signal.SIGINT)
            break
    seen += job.stderr.readlines()
    text = "".join(seen)
    assert job.wait(60) == 130, text
    assert "Traceback" not in text and "repeat the command" in text
    status = json.loads(next(tmp_path.glob("runs/*/status.json")).read_text())
    assert status["state"] == "interrupted"
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0 and "Resuming from step" in done.stderr


def test_ctrl_c_ends_a_sweep(cli, tiny, tmp_path, monkeypatch):
    """Hydra would take the interruption for one failed job and begin the next."""
    from lenssr.runs import build

    made = build.build_trainer

    def with_stop(*arguments):
        trainer = made(*arguments)
        trainer.callbacks.insert(0, StopAt(1))
        return trainer

    monkeypatch.setattr("lenssr.runs.execute.build_trainer", with_stop)
    code, _, err = cli("-m", "model=rdn", *TINY_RDN, *tiny, "seed=0,1")
    assert code == 130 and "repeat the command" in err
    assert len(list(tmp_path.glob("outputs/runs/rdn-*"))) == 1


def test_two_devices_share_a_batch(tmp_path):
    """Two CPU processes see the samples that one sees, and end with nearly its weights."""
    command = [sys.executable, "train.py", "model=rdn", "loss=mse_aae", *TINY, *TINY_RDN, *TINY_STAGE]
    # Muon makes a gradient orthogonal, and of its smallest parts that differ in the last digit different ones
    command += ["optimizer=adam", "optimizer.schedule=constant"]
    folders = []
    for name, more in (("one", []), ("two", ["trainer.devices=2", "trainer.strategy=ddp"])):
        done = subprocess.run(
            [*command, *more, f"paths.outputs={tmp_path / name}"], cwd=ROOT, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        folders.append(next((tmp_path / name / "runs").glob("rdn-*")))
    assert folders[0].name == folders[1].name  # devices are no part of the identity
    assert len(json.loads((folders[1] / "provenance.json").read_text())["attempts"]) == 1
    assert "checkpoints" in {path.name for path in next((tmp_path / "two" / "runs").glob("aae-*")).iterdir()}
    one, two = (weights(folder) for folder in folders)
    for key in one:
        assert torch.allclose(one[key], two[key], atol=2e-5), key


def test_two_devices_test_an_image_each_once(tmp_path):
    """The scores of five images, in order, as one process finds them with the same weights."""
    command = [sys.executable, "train.py", "model=rdn", *TINY, *TINY_RDN, "optimizer.lr=1e-12"]  # the weights stay
    command += ["scale.dataset={train: 9, validation: 3, test: 5}", "loader.evaluation_batch_size=2"]
    found = []
    for name, more in (("one", []), ("two", ["trainer.devices=2", "trainer.strategy=ddp"])):
        words = [*command, *more, f"paths.outputs={tmp_path / name}"]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        folder = next((tmp_path / name / "runs").glob("rdn-*"))
        found.append((pd.read_parquet(folder / "per_image.parquet"), pd.read_parquet(folder / "spectrum.parquet")))
    for one, two in zip(*found, strict=True):
        pd.testing.assert_frame_equal(one, two, rtol=1e-6, atol=1e-6)
    assert found[1][0]["index"].tolist() == list(range(5))


def test_two_devices_stop_together_though_one_alone_is_told(tmp_path):
    """A scheduler may tell the first process only; saving waits for both, so both must stop at one step."""
    command = [sys.executable, "train.py", "model=rdn", *TINY, *TINY_RDN, "trainer.devices=2", "trainer.strategy=ddp"]
    command += ["trainer.max_steps=20000", "trainer.validations=1", f"paths.outputs={tmp_path}"]
    first = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        for line in first.stderr:
            if "steps take about" in line:
                break
        first.send_signal(signal.SIGTERM)
        _, err = first.communicate(timeout=60)
    finally:
        first.kill()
    assert first.returncode == 130 and "Stopped at step" in err, err
    assert not running(str(tmp_path))
    assert next((tmp_path / "runs").glob("rdn-*/checkpoints/last.ckpt"))


def test_a_loss_that_is_no_number_stops_the_run(tiny):
    with pytest.raises(RunError, match=r"lower optimizer\.lr"):
        run("model=rdn", *TINY_RDN, *tiny, "optimizer.lr=1e30", "trainer.log_every_n_steps=1", "trainer.max_steps=20")


def test_averaged_weights_of_a_network_with_batch_norm(tmp_path):
    """Batch norm counts its batches in integers, which cannot be averaged."""
    from tiny import TINY_LABELS

    result = run("model=resnet18", "callbacks=ema", *TINY_LABELS, f"paths.outputs={tmp_path}")
    counted = [v for k, v in weights(result.folder).items() if k.endswith("num_batches_tracked")]
    assert counted and all(int(value) == 4 for value in counted)
