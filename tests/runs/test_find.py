"""A run by the beginning of its name, of its hash, or as the latest; a wrong one in a sentence, without torch."""

import os
import subprocess
import sys

import pytest
from tiny import ROOT

from lenssr.errors import RunError
from lenssr.runs.find import find
from lenssr.system.files import write_json

NAMES = {"rdn-mse-model1-aaaa1111": "done", "rdn-mse-model1-aaaa2222": "failed", "rdn-mse_aae-model1-bbbb3333": "done"}


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for age, (name, state) in enumerate(NAMES.items()):
        path = tmp_path / "outputs" / "runs" / name / "status.json"
        write_json(path, {"state": state, "hash": name[-8:] + "ffff"})
        os.utime(path, (1e9 - 100 * age, 1e9 - 100 * age))
    return tmp_path / "outputs" / "runs"


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("rdn-mse_", "rdn-mse_aae-model1-bbbb3333"),
        ("bbbb", "rdn-mse_aae-model1-bbbb3333"),
        ("aaaa1111ff", "rdn-mse-model1-aaaa1111"),
        ("rdn-mse-model1-aaaa2222", "rdn-mse-model1-aaaa2222"),
        ("latest", "rdn-mse-model1-aaaa1111"),
        ("outputs/runs/rdn-mse_", "rdn-mse_aae-model1-bbbb3333"),
    ],
)
def test_a_run_is_found(word, name, runs):
    assert find(word).resolve() == runs / name


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("rdn-mse-", "beginning of 2 runs: rdn-mse-model1-aaaa1111, rdn-mse-model1-aaaa2222"),
        ("rdm-mse_aae", "Did you mean 'rdn-mse_aae-model1-bbbb3333'"),
        ("zzz", "`lenssr runs` lists them"),
        ("nowhere/runs/rdn", "no such folder in nowhere/runs"),
        ("aaaa1111fe", "no run 'aaaa1111fe'"),
    ],
)
def test_a_wrong_name_is_answered(word, words, runs):
    with pytest.raises(RunError) as told:
        find(word)
    assert words in str(told.value)


def test_the_latest_is_a_finished_one(runs):
    for path in runs.glob("*/status.json"):
        write_json(path, {"state": "failed", "hash": "0"})
    with pytest.raises(RunError, match="None of the 3 runs"):
        find("latest")


DOORS = [
    ["scripts/evaluate.py"],
    ["scripts/upscale.py"],
    ["scripts/export.py"],
    ["scripts/memory.py"],
    ["scripts/trust.py"],
    ["scripts/shift.py"],
]


@pytest.mark.parametrize("door", DOORS, ids=lambda words: words[0])
def test_a_wrong_name_needs_no_torch(door, runs):
    """A module named torch that cannot be imported lies first on the path."""
    (runs.parent / "torch.py").write_text("raise SystemExit('torch was imported')")
    path = os.pathsep.join([str(runs.parent), str(ROOT)])
    done = subprocess.run(
        [sys.executable, str(ROOT / door[0]), "rdm-mse_aae", *(["x.npy"] if "upscale" in door[0] else [])],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == (
        "error: There is no run 'rdm-mse_aae' in outputs/runs. Did you mean 'rdn-mse_aae-model1-bbbb3333'?\n"
    )
