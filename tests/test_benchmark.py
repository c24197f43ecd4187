"""The benchmark runs, and both sides of every comparison compute the same thing."""

import json
import subprocess
import sys

import pytest
from tiny import ROOT, TINY_RDN


@pytest.mark.slow
def test_the_benchmark_compares_equals(tmp_path):
    pytest.importorskip("lenstronomy")
    command = [sys.executable, "scripts/benchmark.py", "--quick", "--out", str(tmp_path / "found.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "found.json").read_text()
    assert json.loads(text) and '"identical": true' in text
    assert done.stdout.count("median (least to most over the rounds)") == 5


@pytest.mark.parametrize(
    ("goal", "seconds"),
    [(37.0, 10.0), (38.0, 10.0), (39.0, 10 * 2**0.5), (40.0, 20.0), (40.5, 20 * 2**0.5), (42.0, None)],
)
def test_the_time_to_a_quality_is_interpolated_between_trainings(goal, seconds, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from benchmarks.quality import Training, seconds_to

    found = [Training(300, 40.0, 41.0), Training(75, 10.0, 38.0), Training(150, 20.0, 40.0)]
    assert seconds_to(goal, found) == pytest.approx(seconds)


@pytest.mark.slow
def test_the_benchmark_of_quality_trains_every_recipe(tmp_path):
    command = [sys.executable, "scripts/benchmark.py", "quality", "--quick", "--out", str(tmp_path / "found.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "found.json").read_text())["quality"]["rows"]
    assert len(rows) == 3 and all(len(row["trainings"]) == 1 for row in rows)
    assert all(training["cpu"] > 0 for row in rows for training in row["trainings"][0])


def test_what_is_asked_of_a_gpu_can_be_asked_of_the_cpu(tmp_path, monkeypatch):
    """And it says what it could not check."""
    import torch

    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from benchmarks import gpu

    monkeypatch.setattr(gpu, "IMAGES", {"train": 6, "validation": 3, "test": 3})
    monkeypatch.setattr(gpu, "SIZE", 48)
    monkeypatch.setattr(gpu, "TASKS", {"rdn": (*gpu.TASKS["rdn"], *TINY_RDN)})
    report = gpu.check(torch.device("cpu"), tmp_path, ("loader.patch=32", "loader.batch_size=2"), repeats=1)
    text = report.markdown("a machine")
    assert "| rdn: loss, off by | 0.0e+00 |" in text and "TOO MUCH" not in text
    assert "| simulation, off by | 0.0e+00 |" in text and "Not checked: waits of a batch" in text
