"""Many jobs, killed at random, by two pools that share them, twice: nothing lost, nothing twice, nothing left."""

import json
import os
import subprocess
import sys

import pytest
from helpers import locked, running
from tiny import ROOT

_MEGABYTES = 16  # what a pool may grow by while it works: rows of its report, not what a job holds


def pools(folder, count, kind, kills):
    """Run two pools side by side; return what they say."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(ROOT / "tests" / "soak.py"), str(folder), str(count), kind]
    both = [
        subprocess.Popen(
            [*command, str(seed), str(kills)],
            env={**os.environ, "PYTHONPATH": paths},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for seed in range(2)
    ]
    found = [json.loads(process.communicate(timeout=3000)[0].splitlines()[-1]) for process in both]
    for one in found:
        assert (one["files"], one["children"], one["threads"]) == (0, 0, 1), one
        assert one["grown"] < _MEGABYTES, one
    assert not running(str(folder)) and not locked(folder)
    assert not list(folder.rglob("*.partial-*")) or kills
    return found


@pytest.mark.parametrize(
    ("count", "kills"), [(24, 4), pytest.param(200, 20, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_errands_that_are_killed_at_random(tmp_path, count, kills):
    first = pools(tmp_path, count, "errands", kills)
    killed = [title for one in first for title in one["kills"]]
    assert killed
    for one in first:  # who was killed failed, and nobody else
        failed = {f"job-{i}" for i, state in enumerate(one["states"]) if state == "failed"}
        assert failed <= set(one["kills"])
        assert {*one["states"]} <= {"done", "found", "failed"}
    again = pools(tmp_path, count, "errands", 0)
    assert all({*one["states"]} <= {"done", "found"} and not one["failed"] for one in again)
    jobs = [tmp_path / "jobs" / f"job-{i}" for i in range(count)]
    assert all((job / "done").exists() for job in jobs) and not list(tmp_path.rglob("twice"))
    for job in jobs:  # begun once, and once more for each kill at most
        assert len((job / "begun").read_text()) <= 1 + killed.count(job.name)


@pytest.mark.slow
def test_two_hundred_tiny_runs(tmp_path):
    count = int(os.environ.get("LENSSR_SOAK", "200"))
    first = pools(tmp_path, count, "runs", max(1, count // 10))
    again = pools(tmp_path, count, "runs", 0)
    killed = [title for one in first for title in one["kills"]]
    assert killed and all({*one["states"]} <= {"done", "found"} for one in again)
    found = list((tmp_path / "runs").glob("*/provenance.json"))
    assert len(found) == count and len(list((tmp_path / "datasets").glob("model1-*"))) == 1
    for path in found:
        assert len(json.loads(path.read_text())["attempts"]) <= 1 + killed.count(path.parent.name)
        assert json.loads((path.parent / "status.json").read_text())["state"] == "done"
    assert not list(tmp_path.rglob("*.partial-*"))
