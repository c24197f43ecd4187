"""What the tests of commands share: a few runs, as training would leave them, and what a command says."""

import os
import sys

import numpy as np
import pytest
from helpers import exit_code, finished

from lenssr.commands.main import main
from lenssr.system.files import read_json, write_json


@pytest.fixture
def typed(monkeypatch, capfd):
    """Return a function that types ``lenssr ...`` and gives (exit code, stdout, stderr)."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["/nowhere/lenssr", *words])
        code = exit_code(main)
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Make runs of two losses with three seeds each, a debug and a failed one, in the working folder's outputs."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    images = rng.normal(30, 1, 50)
    for loss, gain in (("mse", 0.0), ("l1", 0.5)):
        for seed in range(3):
            scores = images + gain + rng.normal(0, 0.05) + rng.normal(0, 0.05, 50)
            finished([f"loss={loss}", f"seed={seed}"], {"report/psnr": scores.mean()}, scores)
    finished(["debug=default"], {"report/psnr": 3.0}, [3.0, 3.0])
    finished(["loss=charbonnier", "optimizer.lr=0.1"], {"report/psnr": 3.0}, [3.0, 3.0])
    folder = tmp_path / "outputs" / "runs"
    (failed,) = folder.glob("*charbonnier*")
    write_json(failed / "status.json", {**read_json(failed / "status.json"), "state": "failed"})
    for age, path in enumerate(sorted(folder.glob("*/status.json"))):
        os.utime(path, (1e9 - age, 1e9 - age))
    return folder
