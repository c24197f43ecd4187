"""Locks: exact between the processes of a machine, by lease between machines, and never for ever."""

import multiprocessing
import os
import signal
import time

import filelock
import pytest

from lenssr.system import locks


def hold(path, ready):
    with locks.locked(path, "waiting"):
        ready.set()
        time.sleep(60)


@pytest.fixture
def holder(tmp_path):
    """Start a process that holds the lock of tmp_path/run."""
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=hold, args=(tmp_path / "run", ready))
    process.start()
    assert ready.wait(20)
    yield process
    process.kill()
    process.join()


def test_a_lock_ends_with_its_holder(holder, tmp_path, capfd):
    assert locks.is_locked(tmp_path / "run")
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    assert not locks.is_locked(tmp_path / "run")
    begun = time.monotonic()
    with locks.locked(tmp_path / "run", "waiting"):
        assert time.monotonic() - begun < 2 and "waiting" not in capfd.readouterr().err
    assert not locks.is_locked(tmp_path / "run")


def elsewhere(path):
    """Make a lease as another machine would have left it."""
    lease = locks._paths(path)[1]
    lease.parent.mkdir(parents=True, exist_ok=True)
    locks._paths(path)[0].touch()
    with filelock.SoftFileLease(lease, lease_duration=locks.LEASE):
        text = lease.read_text()
    lines = [f"host=another-{line[5:]}" if line.startswith("host=") else line for line in text.splitlines()]
    lease.write_text("\n".join(lines) + "\n")
    return lease


def test_a_lease_of_another_machine_holds_until_it_expires(tmp_path, monkeypatch, capfd):
    """flock sees nothing of a holder on another node; the lease does, while it is touched."""
    monkeypatch.setattr(locks, "LEASE", 2.0)
    lease = elsewhere(tmp_path / "run")
    assert locks.is_locked(tmp_path / "run")
    begun = time.monotonic()
    while time.monotonic() - begun < 3:
        os.utime(lease)
        time.sleep(0.2)
    assert locks.is_locked(tmp_path / "run")
    begun = time.monotonic()
    with locks.locked(tmp_path / "run", "waiting"):  # its node died
        assert 1.5 < time.monotonic() - begun < 6 and "waiting" in capfd.readouterr().err
    assert not locks.is_locked(tmp_path / "run")


def test_one_claims_what_two_would_start(tmp_path):
    held = locks.claim(tmp_path / "run")
    assert held is not None and not locks.is_locked(tmp_path / "run")
    assert locks.claim(tmp_path / "run") is None
    held.close()
    assert locks.claim(tmp_path / "run") is not None
