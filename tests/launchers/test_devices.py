"""GPUs as the pool finds them: whole, in slices, and where nothing but torch knows them."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from lenssr.launchers import devices
from lenssr.launchers.devices import environment, find_devices

LISTED = """GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-11)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-22)
  MIG 3g.20gb     Device  0: (UUID: MIG-aa)
  MIG 3g.20gb     Device  1: (UUID: MIG-bb)
GPU 2: NVIDIA A100-SXM4-40GB (UUID: GPU-33)
"""


@pytest.fixture
def machine(monkeypatch):
    """Return a function that gives the machine nvidia-smi's answer, or none, and torch's count."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def set_up(listed, counted, driver):
        monkeypatch.setattr(devices.shutil, "which", lambda name: name if listed is not None else None)
        monkeypatch.setattr(devices, "_DRIVERS", (os.devnull,) if driver else ())

        def run(command, **_):
            answer = listed if command[0] == "nvidia-smi" else counted
            return SimpleNamespace(returncode=0, stdout=answer)

        monkeypatch.setattr(devices.subprocess, "run", run)

    return set_up


def test_slices_are_devices_and_their_gpu_is_none(machine):
    machine(LISTED, "", True)
    found = find_devices()
    assert [device.gpu for device in found] == ["0", "MIG-aa", "MIG-bb", "2"]
    assert environment(found[1:2])["CUDA_VISIBLE_DEVICES"] == "MIG-aa"
    assert environment(found[:1])["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


@pytest.mark.parametrize("listed", [None, ""], ids=["no nvidia-smi", "it sees none"])
def test_torch_is_asked_where_a_driver_is_there(machine, listed):
    machine(listed, "2\n", True)
    assert [device.gpu for device in find_devices()] == ["0", "1"]


def test_what_was_not_found_is_not_hidden(machine):
    machine(None, "", False)
    (first, *_) = find_devices(slots=2)
    assert first.gpu is None and "CUDA_VISIBLE_DEVICES" not in environment([first])
    assert environment(find_devices("cpu", 2)[:1])["CUDA_VISIBLE_DEVICES"] == ""


def test_torch_counts_in_a_process_of_its_own():
    code = "import sys, lenssr.launchers.devices as d; print(d._seen_by_torch(), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "False" and done.stdout.startswith("[")
