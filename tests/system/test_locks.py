"""Locks: exact between the processes of a machine, by lease between machines, and never for ever."""

import fcntl
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


@pytest.fixture(params=[37, 38, 95, 524])
def no_flock(request, monkeypatch):
    """Have the file system refuse flock, in one of the ways there are."""

    def refuse(descriptor, operation):
        raise OSError(request.param, "no flock here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    locks._has_flock.cache_clear()
    yield
    locks._has_flock.cache_clear()


def test_without_flock_the_lease_locks(no_flock, holder, tmp_path, capfd):
    """One holds it, others wait; and a holder that is gone stops nobody."""
    assert locks.is_locked(tmp_path / "run")
    waiter = multiprocessing.get_context("fork").Process(target=hold, args=(tmp_path / "run", multiprocessing.Event()))
    waiter.start()
    waiter.join(1)
    assert waiter.is_alive() and "waiting" in capfd.readouterr().err
    waiter.kill()
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    assert not locks.is_locked(tmp_path / "run")
    begun = time.monotonic()
    with locks.locked(tmp_path / "run", "waiting"):
        assert time.monotonic() - begun < 5 and locks.is_locked(tmp_path / "run")
    assert not locks.is_locked(tmp_path / "run")


def test_without_flock_a_dead_node_stops_nobody_for_long(no_flock, tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "LEASE", 1.0)
    elsewhere(tmp_path / "run")
    assert locks.is_locked(tmp_path / "run")
    begun = time.monotonic()
    with locks.locked(tmp_path / "run", "waiting"):
        assert 0.5 < time.monotonic() - begun < 6


def test_without_flock_one_claims_what_two_would_start(no_flock, tmp_path):
    held = locks.claim(tmp_path / "run")
    assert held is not None and locks.claim(tmp_path / "run") is None
    held.close()
    locks.claim(tmp_path / "run").close()


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
