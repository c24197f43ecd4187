"""The promise of the pool, through the command line: twelve jobs, two of which come to grief."""

import json
import os
import subprocess
import sys
import time

import pytest
from helpers import SABOTEUR, locked, running
from tiny import ROOT, TINY, TINY_RDN

SWEEP = [
    sys.executable,
    "train.py",
    "-m",
    "hydra/launcher=pool",
    "hydra.launcher.devices=cpu",
    "hydra.launcher.slots=2",
]
SWEEP += ["model=rdn", *TINY_RDN, *TINY, *SABOTEUR, "seed=range(12)"]


def sweep(tmp_path):
    """Run the sweep; return (exit code, stderr, seconds)."""
    paths = os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    begun = time.monotonic()
    done = subprocess.run(
        [*SWEEP, f"paths.outputs={tmp_path / 'outputs'}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths, "SABOTAGE": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=500,
    )
    return done.returncode, done.stderr, time.monotonic() - begun


def attempts(tmp_path):
    """Return the attempts of each run by seed."""
    found = {}
    for path in (tmp_path / "outputs" / "runs").glob("*/provenance.json"):
        argv = json.loads(path.read_text())["attempts"]
        seed = next(word for word in argv[0]["argv"] if word.startswith("seed="))
        found[int(seed.removeprefix("seed="))] = len(argv)
    return found


@pytest.mark.slow
def test_twelve_jobs_one_fails_and_one_is_killed(tmp_path):
    (tmp_path / "fail-4").touch()
    (tmp_path / "kill-7").touch()
    code, err, _ = sweep(tmp_path)
    assert code == 2 and "10 jobs done, 0 found finished, 2 failed" in err, err
    assert len(list((tmp_path / "outputs" / "runs").glob("*/metrics.json"))) == 10
    assert "sabotage of seed 4" in err and "killed by SIGKILL" in err
    assert err.count("  retry: python train.py") == 2
    assert not running(str(tmp_path)) and not locked(tmp_path / "outputs")

    (tmp_path / "fail-4").unlink()
    (tmp_path / "kill-7").unlink()
    code, err, _ = sweep(tmp_path)
    assert code == 0 and "2 jobs done, 10 found finished, 0 failed" in err, err
    assert attempts(tmp_path) == {seed: 2 if seed in (4, 7) else 1 for seed in range(12)}
    consoles = (tmp_path / "outputs" / "sweeps").glob("*.log")
    assert sum("Resuming from step 2" in path.read_text() for path in consoles) == 2

    code, err, seconds = sweep(tmp_path)
    assert code == 0 and "0 jobs done, 12 found finished, 0 failed" in err and seconds < 15
    assert not running(str(tmp_path)) and not list((tmp_path / "outputs").rglob("*.partial-*"))
