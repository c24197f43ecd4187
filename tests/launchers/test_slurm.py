"""The SLURM launcher: what it asks for, and what it does on a real cluster of one node."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import slurm_cluster
from helpers import SABOTEUR, locked, running
from tiny import ROOT, TINY, TINY_RDN, TINY_STAGE

from lenssr.errors import ConfigError
from lenssr.launchers import slurm
from lenssr.launchers.jobs import jobs_of

SLURM = ["hydra/launcher=slurm", "hydra.launcher.gpus=0", "hydra.launcher.cpus=1"]


def test_a_job_asks_for_its_devices(tmp_path):
    asked = slurm.Resources(minutes=60, gpus=1, cpus=4, memory=8, partition="gpu", extra={"constraint": "a100"})
    (job,) = jobs_of([["model=rdn", "trainer.devices=2", f"paths.outputs={tmp_path}"]])
    found = asked.parameters(job)
    assert found["slurm_gpus_per_node"] == 2 and found["cpus_per_task"] == 8 and found["mem_gb"] == 16
    assert found["slurm_partition"] == "gpu" and "slurm_account" not in found
    assert found["slurm_additional_parameters"] == {"requeue": True, "constraint": "a100"}


def test_all_devices_is_not_a_number_that_a_queue_knows(tmp_path):
    (job,) = jobs_of([["model=rdn", "trainer=ddp", f"paths.outputs={tmp_path}"]])
    with pytest.raises(ConfigError, match=r"trainer\.devices=<number>"):
        slurm.Resources(minutes=60, gpus=1, cpus=4).parameters(job)


def test_what_is_missing_is_named(cli, tmp_path, monkeypatch):
    command = ["-m", *SLURM, "model=rdn", "seed=0,1", f"paths.outputs={tmp_path}"]
    code, _, err = cli(*command, "hydra.launcher.dry_run=true")
    assert code == 0 and err.count("would queue rdn-mse-model1-") == 2 and "0 GPUs, 1 cores, 240 min" in err
    monkeypatch.setattr("shutil.which", lambda name: None)
    code, _, err = cli(*command)
    assert code == 2 and "hydra/launcher=pool" in err and "Traceback" not in err
    monkeypatch.setitem(sys.modules, "submitit", None)
    code, _, err = cli(*command)
    assert code == 2 and "pip install 'lenssr[slurm]'" in err


def test_the_queue_is_asked_for_ones_own_jobs_and_ever_less_often(tmp_path, monkeypatch):
    """Thousands of jobs of others are none of ours, and the controller serves all."""
    (job,) = jobs_of([["model=rdn", f"paths.outputs={tmp_path}"]])
    asked, pauses = [], []

    def squeue(command, **_):
        asked.append(command)
        state = "PENDING" if len(asked) < 9 else "RUNNING"
        over = len(asked) > 12
        return subprocess.CompletedProcess(command, 0, "" if over else f"7 {state}\n8 RUNNING\n", "")

    monkeypatch.setattr(subprocess, "run", squeue)
    monkeypatch.setattr(slurm.time, "sleep", pauses.append)
    monkeypatch.setattr(slurm, "_PATIENCE", 0.0)
    queue = slurm.Queue(slurm.Resources(minutes=60, gpus=0, cpus=1), tmp_path)
    queue.numbers[job.title] = "7"
    job.state = "waiting"
    queue._wait([job])
    assert all(command[command.index("-u") + 1] == str(os.getuid()) for command in asked)
    assert pauses[:2] == [2.0, 3.0] and pauses[7] > 15 and pauses[8] == 2.0  # it began to run
    assert max(pauses) <= 30


@pytest.fixture
def cluster():
    reason = slurm_cluster.missing()
    if reason:
        pytest.skip(f"no SLURM cluster can be started here: {reason}")
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:  # a socket's path must be short
        node = slurm_cluster.Cluster(Path(folder))
        yield node
        node.stop()


def start(cluster, tmp_path, *more):
    """Start a sweep on the cluster's two slots."""
    paths = os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "train.py", "-m", *SLURM, "hydra.launcher.minutes=1", "hydra.launcher.notice=20"]
    command += ["model=rdn", *TINY_RDN, *TINY, *SABOTEUR, "trainer.max_steps=60", "trainer.validations=2"]
    return subprocess.Popen(
        [*command, f"paths.outputs={tmp_path / 'outputs'}", *more],
        cwd=ROOT,
        env={**cluster.environment, "PYTHONPATH": paths, "SABOTAGE": str(tmp_path)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_for(what, seconds=300):
    begun = time.monotonic()
    while not (found := what()):
        assert time.monotonic() - begun < seconds, "waited in vain"
        time.sleep(0.5)
    return found


@pytest.mark.slow
def test_twelve_jobs_with_a_requeue_and_a_time_limit(cluster, tmp_path):
    """Seed 1 needs more than its minute, seed 2 is requeued by hand, seed 4 fails and seed 7 is killed."""
    for name in ("slow-1", "slow-2", "fail-4", "kill-7"):
        (tmp_path / name).touch()
    consoles = tmp_path / "outputs" / "sweeps" / "slurm"
    sweep = start(cluster, tmp_path, "seed=range(12)")
    notes = wait_for(lambda: len(found := sorted(consoles.glob("*.json"))) == 12 and found)
    numbers = {}
    for note in notes:
        content = json.loads(note.read_text())
        numbers[next(word for word in content["overrides"] if word.startswith("seed="))] = content["job"]

    def console(seed):
        path = consoles / f"{numbers[f'seed={seed}']}_0_log.out"
        return path.read_text() if path.exists() else ""

    wait_for(lambda: "steps take about" in console(2))
    time.sleep(4)
    assert not cluster.ask("scontrol", "requeue", numbers["seed=2"])
    wait_for(lambda: "Resuming from step" in console(2))
    (tmp_path / "slow-2").unlink()
    out, err = sweep.communicate(timeout=500)
    assert sweep.returncode == 2 and "10 jobs done, 0 found finished, 2 failed" in err, err
    assert "sabotage of seed 4" in err and "killed by SIGKILL" in err and err.count("  retry: python train.py") == 2
    assert "folders: " in out and len(list((tmp_path / "outputs" / "runs").glob("*/metrics.json"))) == 10
    assert "Resuming from step" in console(1) and "timed-out" in console(1)  # it reached its limit, and went on
    assert not cluster.ask("squeue", "-h").strip()
    assert not running(str(tmp_path)) and not locked(tmp_path / "outputs")

    (tmp_path / "fail-4").unlink()
    (tmp_path / "kill-7").unlink()
    _, err = (again := start(cluster, tmp_path, "seed=range(12)")).communicate(timeout=300)
    assert again.returncode == 0 and "2 jobs done, 10 found finished, 0 failed" in err, err
    begun = time.monotonic()
    _, err = (last := start(cluster, tmp_path, "seed=range(12)")).communicate(timeout=100)
    assert last.returncode == 0 and "0 jobs done, 12 found finished, 0 failed" in err, err
    assert time.monotonic() - begun < 15


@pytest.mark.slow
def test_a_sweep_that_is_left_is_found_again(cluster, tmp_path):
    """Ctrl-C ends the waiting, not the jobs; the same command waits for them again and queues none twice."""
    import signal

    command = (cluster, tmp_path, "seed=0,1,2,3", "loss=mse_aae", *TINY_STAGE)
    sweep = start(*command)
    wait_for(lambda: len(list((tmp_path / "outputs" / "sweeps" / "slurm").glob("*.json"))) == 4)
    sweep.send_signal(signal.SIGINT)
    _, err = sweep.communicate(timeout=60)
    assert sweep.returncode == 130 and "stay in the queue" in err, err
    again = start(*command)
    _, err = again.communicate(timeout=300)
    assert again.returncode == 0 and "4 jobs" not in err.split("failed")[-1], err
    runs = list((tmp_path / "outputs" / "runs").glob("*/provenance.json"))
    assert len(runs) == 5  # and the autoencoder, made once for all
    assert all(len(json.loads(path.read_text())["attempts"]) == 1 for path in runs)
    assert len(list((tmp_path / "outputs" / "sweeps" / "slurm").glob("*_log.out"))) == 4


@pytest.mark.slow
def test_files_in_chunks_with_a_node_that_is_lost(cluster, tmp_path):
    """Twelve cutouts in four chunks: a job is requeued by hand, Ctrl-C ends the waiting; each product is made once."""
    import signal

    import numpy as np
    from astropy.io import fits

    from lenssr.config.compose import compose
    from lenssr.train import train

    run = train(compose(["model=rdn", *TINY, *TINY_RDN, f"paths.outputs={tmp_path / 'outputs'}"])).folder
    rng = np.random.default_rng(0)
    for i in range(12):
        fits.PrimaryHDU(rng.normal(1, 0.1, (36, 36))).writeto(tmp_path / f"c{i}.fits")
    out, files = tmp_path / "out", sorted(map(str, tmp_path.glob("c*.fits")))
    words = [sys.executable, "scripts/upscale.py", str(run), *files, "-o", str(out), "--chunk", "3", *SLURM]
    where = {
        "cwd": ROOT,
        "env": cluster.environment,
        "stderr": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "text": True,
    }
    waiting = subprocess.Popen(words, **where)
    wait_for(lambda: list(out.glob("*_sr.fits")))
    for number in cluster.ask("squeue", "-h", "-t", "R", "-o", "%i").split():
        cluster.ask("scontrol", "requeue", number)
    waiting.send_signal(signal.SIGINT)
    _, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 130 and "stay in the queue" in err, err
    begun = {path: path.stat().st_mtime_ns for path in out.glob("*_sr.json")}
    done = subprocess.run(words, **where, timeout=300)
    assert done.returncode == 0, done.stderr
    assert len(list(out.glob("*_sr.fits"))) == 12 and not list(out.glob("*.partial*"))
    assert all(path.stat().st_mtime_ns == at for path, at in begun.items())
    wait_for(lambda: not cluster.ask("squeue", "-h").strip())  # what was requeued finds its chunk done, and ends
    assert not running(str(tmp_path))
    again = subprocess.run(words, **where, timeout=100)
    assert again.returncode == 0 and "4 found finished" in again.stderr, again.stderr


@pytest.mark.slow
def test_a_set_that_jobs_make_is_the_one_of_a_single_process(cluster, tmp_path):
    """Twelve hundred images in three jobs and two more, one requeued by hand: the files are equal to the byte."""
    sky = ["dataset.source.splits={train: 1200, validation: 3, test: 3}", "dataset.image_size=32", "loader.patch=32"]
    command = [sys.executable, "scripts/simulate.py", *sky]
    where = {"cwd": ROOT, "env": cluster.environment, "capture_output": True, "text": True, "timeout": 300}
    queued = [*command, *SLURM, "--chunk", "400", f"paths.outputs={tmp_path / 'queued'}"]
    jobs = subprocess.Popen(queued, cwd=ROOT, env=cluster.environment, stderr=subprocess.PIPE, text=True)
    running_jobs = wait_for(lambda: cluster.ask("squeue", "-h", "-t", "R", "-o", "%i").split())
    cluster.ask("scontrol", "requeue", running_jobs[0])
    _, err = jobs.communicate(timeout=300)
    assert jobs.returncode == 0 and "failed" in err and "0 failed" in err, err
    assert subprocess.run([*command, f"paths.outputs={tmp_path / 'alone'}"], **where).returncode == 0
    (one,), (other,) = (list((tmp_path / place / "datasets").glob("model1-*")) for place in ("queued", "alone"))
    assert one.name == other.name
    images = sorted(other.rglob("*.npy"))
    assert len(images) == 3
    for path in images:
        assert (one / path.relative_to(other)).read_bytes() == path.read_bytes()
