"""All that a run does, on a device that is not the CPU: the same numbers, nothing left behind, nothing waited for."""

import os
import subprocess
import sys

from tiny import ROOT


def test_a_run_is_the_same_on_another_device():
    """In a process of its own, which on_standin.py changes as a whole by registering a device."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-W", "ignore", "-p", "no:xdist", "-p", "no:cacheprovider"]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*command, "tests/on_standin.py"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
