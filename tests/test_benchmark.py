"""The benchmark runs, and both sides of every comparison compute the same thing."""

import json
import subprocess
import sys

import pytest
from tiny import ROOT


@pytest.mark.slow
def test_the_benchmark_compares_equals(tmp_path):
    pytest.importorskip("lenstronomy")
    command = [sys.executable, "scripts/benchmark.py", "--quick", "--out", str(tmp_path / "found.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "found.json").read_text()
    assert json.loads(text) and '"identical": true' in text
    assert done.stdout.count("median (least to most over the rounds)") == 4
