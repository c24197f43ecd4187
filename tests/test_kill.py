"""Killed at any moment, the same command completes with the right result and nothing in its way."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest
import torch
from tiny import ROOT, TINY, TINY_RDN, TINY_STAGE

COMMAND = [sys.executable, "train.py", "model=rdn", "loss=mse_aae", *TINY, *TINY_RDN, *TINY_STAGE]
COMMAND += ["trainer.max_steps=60", "trainer.validations=6", "scale.dataset={train: 90, validation: 3, test: 12}"]


def finish(outputs):
    done = subprocess.run([*COMMAND, f"paths.outputs={outputs}"], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (run,) = (outputs / "runs").glob("rdn-*")
    return run


def survive(outputs, delay):
    """Start the command, kill it after a delay, and finish it."""
    job = subprocess.Popen(
        [*COMMAND, f"paths.outputs={outputs}"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(delay)
    job.send_signal(signal.SIGKILL)
    job.wait()
    return finish(outputs)


def check(run, reference):
    for name in ("best", "last"):
        one, other = (torch.load(r / "checkpoints" / f"{name}.ckpt", weights_only=True) for r in (run, reference))
        for key, value in other["state_dict"].items():
            assert torch.equal(one["state_dict"][key], value), (name, key)
    one, other = (json.loads((r / "metrics.json").read_text())["scores"] for r in (run, reference))
    assert one == other
    assert not list(run.parents[1].rglob("*.partial-*"))


@pytest.mark.slow
def test_twenty_kills_in_a_row(tmp_path):
    begun = time.monotonic()
    reference = finish(tmp_path / "reference")
    length = time.monotonic() - begun
    rng = random.Random(20)
    for attempt in range(20):
        run = survive(tmp_path / f"attempt_{attempt}", rng.uniform(0.2, 1.05) * length)
        check(run, reference)


@pytest.mark.slow
def test_many_kills_of_one_run(tmp_path):
    """Every try is killed until it has made some way; the last one ends where an undisturbed run ends."""
    reference = finish(tmp_path / "reference")
    outputs = tmp_path / "killed"
    rng = random.Random(5)
    for _ in range(5):
        job = subprocess.Popen(
            [*COMMAND, f"paths.outputs={outputs}"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(rng.uniform(3, 12))
        job.send_signal(signal.SIGKILL)
        job.wait()
    check(finish(outputs), reference)
