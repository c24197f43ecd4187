"""The pool: every job done once, failures isolated, nothing left running."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from helpers import running
from tiny import ROOT, TINY, TINY_RDN, TINY_STAGE

from lenssr.errors import ConfigError, Interrupted, RunError
from lenssr.launchers import pool
from lenssr.launchers.devices import Device, environment, find_devices
from lenssr.launchers.jobs import asked, distinct, returned

SLOTS = [Device(f"CPU {i}", None, 1) for i in range(2)]


def overrides(tmp_path, seed, *more):
    return ["model=rdn", *TINY_RDN, *TINY, f"paths.outputs={tmp_path}", f"seed={seed}", *more]


def test_a_sweep_with_a_failing_and_a_killed_job(tmp_path):
    sweep = [overrides(tmp_path, 0)]
    sweep.append(overrides(tmp_path, 1, "optimizer.lr=1e30", "trainer.log_every_n_steps=1"))  # fails
    sweep.append(overrides(tmp_path, 2, "trainer.max_steps=40000"))  # is killed
    jobs = pool.jobs_of(sweep)

    def kill():
        while not jobs[2].process:
            time.sleep(0.05)
        time.sleep(1)
        jobs[2].process.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(RunError) as error:
        pool.Pool(SLOTS, tmp_path / "sweeps").run(jobs)
    killer.join()
    assert [job.state for job in jobs] == ["done"] + ["failed"] * 2
    text = str(error.value)
    assert "2 of 3 jobs failed" in text and "lower optimizer.lr" in text and "killed by SIGKILL" in text
    assert all(job.command in text for job in jobs[1:])
    assert not running(str(tmp_path))

    sweep[1], sweep[2] = overrides(tmp_path, 1), overrides(tmp_path, 2)
    begun = time.monotonic()
    again = pool.jobs_of(sweep)
    pool.Pool(SLOTS, tmp_path / "sweeps").run(again)
    assert [job.state for job in again] == ["found"] + ["done"] * 2  # a retry runs exactly the two
    longest = time.monotonic() - begun
    begun = time.monotonic()
    last = pool.jobs_of(sweep)
    pool.Pool(SLOTS, tmp_path / "sweeps").run(last)
    assert {job.state for job in last} == {"found"} and time.monotonic() - begun < longest


def test_two_pools_share_a_sweep(tmp_path):
    sweep = [overrides(tmp_path, seed) for seed in range(3)]
    both = [pool.jobs_of(sweep) for _ in range(2)]
    command = [sys.executable, "train.py", "-m", "hydra/launcher=pool", "hydra.launcher.slots=1"]
    command += [*overrides(tmp_path, 0)[:-1], "seed=0,1,2"]
    processes = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in both]
    errors = [process.communicate(timeout=200)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    for job in both[0]:
        provenance = json.loads(job.run.file("provenance.json").read_text())
        assert len(provenance["attempts"]) == 1, job.title  # done once


def test_a_signal_stops_the_pool_and_its_jobs(tmp_path):
    sweep = [overrides(tmp_path, seed, "trainer.max_steps=40000", "trainer.validations=2") for seed in range(3)]
    jobs = pool.jobs_of(sweep)

    def stop():
        while not all(job.run.last.exists() or job.run.file("provenance.json").exists() for job in jobs[:2]):
            time.sleep(0.1)
        time.sleep(3)
        os.kill(os.getpid(), signal.SIGTERM)

    thread, before = threading.Thread(target=stop), signal.getsignal(signal.SIGTERM)
    thread.start()
    with pytest.raises(Interrupted, match="3 of 3 jobs left"):
        pool.Pool(SLOTS, tmp_path / "sweeps").run(jobs)
    thread.join()
    assert not running(str(tmp_path))
    assert [job.run.status().get("state") for job in jobs] == ["interrupted", "interrupted", None]
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_dry_run_says_what_would_run(tmp_path, cli):
    code, _, err = cli("-m", "hydra/launcher=pool", "hydra.launcher.dry_run=true", *overrides(tmp_path, 0), "seed=0,1")
    assert code == 0
    lines = [line for line in err.splitlines() if line.startswith("would run")]
    assert "No total: 2 jobs are unlike any finished run." in err
    assert len(lines) == 2 and "cost unknown" in lines[0] and "seed=1" in lines[1]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        (["-m", "hydra/launcher=pool", "hydra.launcher.dry_rnu=true"], "Did you mean 'dry_run'?"),
        (["hydra/launcher=pool", "hydra.launcher.dry_run=true"], "add -m"),  # or it would train, here and now
        (["-m", "hydra/launcher=pool", "hydra.launcher.slots=many"], "'auto' or a number"),
    ],
)
def test_a_launcher_that_is_asked_wrongly(words, mend, tmp_path, cli):
    code, _, err = cli(*words, *overrides(tmp_path, 0))
    assert code == 2 and mend in err and "Traceback" not in err, err
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_adds_up_what_is_known_alone(tmp_path, capfd):
    (like,), other = pool.jobs_of([overrides(tmp_path, 9)]), ["model=edsr", f"paths.outputs={tmp_path}"]
    timed = like.run.folder
    timed.mkdir(parents=True)
    (timed / "config.yaml").write_text(json.dumps(like.run.config))
    (timed / "provenance.json").write_text('{"attempts": [{"seconds": {"train": 100, "test": 20}}]}')
    pool.plan(pool.jobs_of([overrides(tmp_path, seed) for seed in range(3)]), SLOTS)
    assert "3 jobs would take about 3 min 0 s on 2 devices." in capfd.readouterr().err
    longer = overrides(tmp_path, 0, "trainer.max_steps=4000")  # not what was timed
    pool.plan(pool.jobs_of([overrides(tmp_path, 0), longer]), SLOTS)
    assert "1 jobs are unlike any finished run" in capfd.readouterr().err
    pool.plan(pool.jobs_of([overrides(tmp_path, 0), other]), SLOTS)
    found = capfd.readouterr().err
    assert "No total: 1 jobs are unlike any finished run; the 1 others take about 1 min 0 s" in found


def test_jobs_of_one_identity_are_one_job(tmp_path):
    sweep = [["model=bilinear", f"seed={seed}", f"paths.outputs={tmp_path}"] for seed in range(3)]
    assert len(pool.jobs_of(sweep)) == 1  # interpolation has no seed


def test_a_job_is_returned_for_every_configuration(tmp_path):
    """Sweepers pair what they asked with what they get; and another folder is another job."""
    lists = [["model=bilinear", "seed=0", f"paths.outputs={tmp_path}/{folder}"] for folder in "aba"]
    lists[2][1] = "seed=1"  # interpolation has none
    jobs = asked(lists)
    assert jobs[0] is jobs[2] and [job.run.folder.parts[-3] for job in distinct(jobs)] == ["a", "b"]
    assert len(returned(jobs)) == 3


def test_devices_by_number_are_numbered_anew(tmp_path):
    (job,) = pool.jobs_of([overrides(tmp_path, 0, "trainer.devices=[2,3]")])
    assert (
        job.needs == 2 and job.arguments[-1] == "trainer.devices=2" and job.command.endswith("'trainer.devices=[2,3]'")
    )


def test_what_fails_in_one_pool_fails_in_the_other(tmp_path):
    sweep = [overrides(tmp_path, 0, "optimizer.lr=1e30", "trainer.log_every_n_steps=1")]
    (one,), (other,) = pool.jobs_of(sweep), pool.jobs_of(sweep)
    second = pool.Pool(SLOTS[:1], tmp_path / "sweeps")  # begun before the first one failed
    for runner, job in ((pool.Pool(SLOTS[:1], tmp_path / "sweeps"), one), (second, other)):
        with pytest.raises(RunError, match=r"lower optimizer\.lr"):
            runner.run([job])
    assert other.process is None and other.state == "failed"
    (third,) = pool.jobs_of(sweep)
    with pytest.raises(RunError):
        pool.Pool(SLOTS[:1], tmp_path / "sweeps").run([third])
    assert third.process is not None  # asked again, it is tried again


def test_a_job_takes_the_devices_that_its_trainer_asks_for(tmp_path):
    found = [
        pool.jobs_of([overrides(tmp_path, 0, f"trainer.devices={wanted}")])[0].needs
        for wanted in ("2", "-1", "auto", "[0,1]")
    ]
    assert found == [2, 0, 0, 2]  # 0: all


def test_devices(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    gpus = find_devices()
    assert [device.gpu for device in gpus] == ["2", "5"]
    assert environment(gpus)["CUDA_VISIBLE_DEVICES"] == "2,5"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8a, MIG-1b,GPU-8a,-1")
    assert [device.gpu for device in find_devices()] == ["GPU-8a", "MIG-1b"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "NoDevFiles")  # as some queues say on nodes without any
    assert {device.gpu for device in find_devices()} == {None}
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    slots = find_devices("cpu", 3)
    assert [device.threads for device in slots] == [2, 2, 2]
    assert environment(slots[:1]) == {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert environment(slots[:1])["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ConfigError, match="devices=cpu"):
        find_devices("gpu")
    for slots in (0, -1, "many"):
        with pytest.raises(ConfigError, match=f"slots={slots} must"):
            find_devices("cpu", slots)


def test_a_job_that_would_wait_lets_others_go_first(tmp_path):
    """Two jobs need one autoencoder, which the first trains; the third needs none and takes the second's place."""
    needy = [overrides(tmp_path, seed, "loss=mse_aae", *TINY_STAGE) for seed in (0, 1)]
    jobs = pool.jobs_of([*needy, overrides(tmp_path, 2)])
    pool.Pool(SLOTS, tmp_path / "sweeps").run(jobs)
    assert [job.state for job in jobs] == ["done"] * 3
    assert jobs[2].started < jobs[1].started
    assert "Waiting" not in jobs[1].console.read_text()
