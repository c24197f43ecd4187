"""Runs of several processes, whoever starts them, and runs of one that a scheduler's variables surround."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from helpers import running, weights
from tiny import ROOT, TINY, TINY_RDN, TINY_STAGE

from lenssr.callbacks.interrupt import GracefulStop
from lenssr.config.compose import compose, plain
from lenssr.errors import ConfigError, RunError
from lenssr.runs import devices
from lenssr.runs.build import build_task
from lenssr.system.ranks import rank_of

TWO = ["trainer.devices=2", "trainer.strategy=ddp"]
ALLOCATION = {"SLURM_JOB_ID": "12345", "SLURM_NTASKS": "4", "SLURM_JOB_NAME": "night", "SLURM_PROCID": "0"}


def clean():
    return {key: value for key, value in os.environ.items() if not key.startswith(("SLURM_", "TORCHELASTIC"))}


def started_by(which, rank, port):
    if which == "torchrun":
        names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "GROUP_RANK": 0}
        more = {"TORCHELASTIC_RUN_ID": "none", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    else:
        names = {"SLURM_PROCID": rank, "SLURM_LOCALID": rank, "SLURM_NODEID": 0, "SLURM_STEP_NUM_TASKS": 2}
        more = {"SLURM_JOB_ID": 12345, "SLURM_NTASKS": 2, "SLURM_NODELIST": "127.0.0.1", "MASTER_PORT": port}
    return {key: str(value) for key, value in (names | more).items()}


@pytest.mark.parametrize("which", ["torchrun", "srun"])
def test_processes_that_others_started_train_one_run(which, tmp_path):
    """Both know which of them keeps the run; where both need an autoencoder first, one makes it, the other waits."""
    from lightning_fabric.plugins.environments.lightning import find_free_network_port

    command = [sys.executable, "train.py", "model=rdn", *TINY, *TINY_RDN, *TWO]
    command += ["loss=mse_aae", *TINY_STAGE] if which == "torchrun" else []
    port = find_free_network_port()
    jobs = [
        subprocess.Popen(
            [*command, f"paths.outputs={tmp_path}"],
            cwd=ROOT,
            env=clean() | started_by(which, rank, port),
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        errors = [job.communicate(timeout=120)[1] for job in jobs]
    finally:
        for job in jobs:
            job.kill()
    assert [job.returncode for job in jobs] == [0, 0], errors
    for kind in ("rdn", "aae") if which == "torchrun" else ("rdn",):
        (provenance,) = tmp_path.glob(f"runs/{kind}-*/provenance.json")
        assert len(json.loads(provenance.read_text())["attempts"]) == 1
    assert sum("training RDN" in error for error in errors) == 1


def test_a_sweep_of_runs_on_two_devices_in_one_process(tmp_path):
    """What made the first job one of two processes is gone before the second begins."""
    command = [sys.executable, "train.py", "-m", "model=rdn", *TINY, *TINY_RDN, *TWO, "seed=0,1"]
    command += ["trainer.max_steps=2", "trainer.validations=1", f"paths.outputs={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, env=clean(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "2 runs done, 0 found finished, 0 failed" in done.stderr, done.stderr
    assert not running(str(tmp_path))


def test_an_autoencoder_on_two_devices_is_that_of_one(tmp_path):
    """Three optimizers, each of whose losses reaches a part of the network."""
    command = [sys.executable, "train.py", "model=aae", "model.latent=8", *TINY, "trainer.max_steps=2"]
    command += ["trainer.validations=1", "trainer.gradient_clip_val=null"]
    found = []
    for name, more in (("one", []), ("two", ["trainer=ddp", *TWO, "trainer.accelerator=cpu"])):
        words = [*command, *more, f"paths.outputs={tmp_path / name}"]
        done = subprocess.run(words, cwd=ROOT, env=clean(), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        found.append(weights(next((tmp_path / name / "runs").glob("aae-*"))))
    for key in found[0]:
        assert torch.allclose(found[0][key], found[1][key], atol=2e-5), key


def test_a_process_left_alone_ends(tmp_path):
    """A loss that is no number ends both, and soon: one that waited for the other would hold its device for long."""
    command = [sys.executable, "train.py", "model=rdn", *TINY, *TINY_RDN, *TWO, "optimizer.lr=1e30"]
    command += ["trainer.log_every_n_steps=1", "trainer.max_steps=40", f"paths.outputs={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, env=clean(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "lower optimizer.lr" in done.stderr, done.stderr
    assert not running(str(tmp_path))


@pytest.fixture
def allocated(monkeypatch):
    for key, value in ALLOCATION.items():
        monkeypatch.setenv(key, value)


def trainer(*overrides):
    return plain(compose(list(overrides)))["trainer"]


def test_one_device_is_one_process_whatever_the_scheduler_says(tiny, allocated):
    """An allocation of four tasks, of which this command is none that srun started."""
    from lenssr.train import train

    assert train(compose(["model=rdn", *TINY_RDN, *tiny, "trainer.max_steps=2"])).metrics["images"] == 4
    assert rank_of(trainer("model=rdn", *TWO)) == 0


def test_a_step_of_srun_tells_the_rank(allocated, monkeypatch):
    for key, value in {"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "3", "SLURM_LOCALID": "1"}.items():
        monkeypatch.setenv(key, value)
    assert rank_of(trainer("trainer.devices=2", "trainer.num_nodes=2")) == 3
    assert rank_of(trainer("trainer.devices=1")) == 0  # four of the same run, which wait for each other


def test_nodes_that_nobody_started_are_refused(cli, tiny, monkeypatch):
    code, _, err = cli("model=rdn", *TINY_RDN, *tiny, *TWO, "trainer.num_nodes=2")
    assert code == 2 and "srun or torchrun" in err
    monkeypatch.setenv("NODE_RANK", "1")
    assert rank_of(trainer("trainer.devices=2", "trainer.num_nodes=2")) == 2
    for key, value in {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "3", "RANK": "1"}.items():
        monkeypatch.setenv(key, value)
    with pytest.raises(ConfigError, match="torchrun started 3 processes"):
        rank_of(trainer(*TWO))


def arguments(*overrides):
    config = plain(compose(["model=rdn", *TINY_RDN, *overrides]))
    return devices.trainer_arguments(config, build_task(config))


def test_apples_gpu_is_not_taken_for_one_that_has_float64(monkeypatch):
    from pytorch_lightning.accelerators import MPSAccelerator

    monkeypatch.setattr(MPSAccelerator, "is_available", staticmethod(lambda: True))
    assert arguments()["accelerator"] == "cpu"
    with pytest.raises(ConfigError, match="float64"):
        arguments("trainer.accelerator=mps")
    assert devices._accelerator("gpu") == "cuda"


@pytest.mark.parametrize(("major", "wanted"), [(7, "32-true"), (8, "bf16-mixed"), (9, "bf16-mixed")])
def test_bf16_is_chosen_where_the_gpu_computes_in_it(monkeypatch, major, wanted):
    """T4, V100 and RTX 20 emulate it, several times slower than fp32."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    told = SimpleNamespace(major=major, minor=0, name="GPU")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda *_: told)
    torch.cuda._check_bf16_tensor_supported.cache_clear()
    monkeypatch.setattr(torch.cuda, "_check_bf16_tensor_supported", lambda *_: True)  # emulation always can
    found = arguments()
    assert found["precision"] == wanted and found["benchmark"] is True


def test_three_optimizers_do_not_take_scaled_gradients(cli, tiny):
    code, _, err = cli("model=aae", "model.latent=8", *tiny, "trainer.precision=16-mixed")
    assert code == 2 and "bf16-mixed or 32-true" in err


def test_processes_ask_each_other_now_and_then(monkeypatch):
    """Whether to stop is an exchange that all wait for; validations ask anyway."""
    asked = []
    strategy = SimpleNamespace(reduce_boolean_decision=lambda one, all: asked.append(one) or False)
    told = SimpleNamespace(strategy=strategy, val_check_interval=50, world_size=2, global_step=0)
    for told.global_step in range(1, 101):
        GracefulStop().on_train_batch_end(told, None)
    assert len(asked) == 8  # every ten steps but the two that are validated
    told.world_size = 1
    GracefulStop().on_train_batch_end(told, None)


def test_a_layout_changes_no_result(tiny, tmp_path):
    from lenssr.train import train

    one = train(compose(["model=rdn", *TINY_RDN, *tiny, "trainer.max_steps=2"]))
    layout = ["trainer.channels_last=true", "trainer.benchmark=true", f"paths.outputs={tmp_path}"]
    other = train(compose(["model=rdn", *TINY_RDN, *tiny, "trainer.max_steps=2", *layout]))
    assert other.trained and one.hash == other.hash
    for key, value in weights(one.folder).items():
        assert torch.allclose(value, weights(other.folder)[key], atol=1e-5)


def test_a_full_gpu_is_named(tiny, monkeypatch):
    from lenssr.train import train

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr("lenssr.tasks.super_resolution.SuperResolution.objective", full)
    with pytest.raises(RunError, match=r"memory is full.*loader\.batch_size"):
        train(compose(["model=rdn", *TINY_RDN, *tiny]))


def test_a_test_computes_in_whole_float32(tiny, monkeypatch):
    """TF32 is off where images are made, rendered and scored; training may use it."""
    from lenssr.metrics import evaluation
    from lenssr.train import train

    seen = []
    watched = evaluation.Stopwatch.__call__

    def watch(self, predict, batch):
        seen.append((torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32))
        return watched(self, predict, batch)

    monkeypatch.setattr(evaluation.Stopwatch, "__call__", watch)
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        train(compose(["model=rdn", *TINY_RDN, *tiny]))
        assert torch.backends.cuda.matmul.allow_tf32 and torch.backends.cudnn.allow_tf32
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False
    assert set(seen) == {(False, False)}
