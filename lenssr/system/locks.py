"""Locks that hold between processes, and between machines that share a file system.

Two locks in one. The operating system's (flock) is exact and is released when its holder dies, but some shared file
systems keep it to one machine. So its holder also keeps a lease: a file that it touches every few seconds, and that
others take once nobody has touched it for ``LEASE``. A lock left behind, by a killed process or a dead node, stops
nobody for longer than that.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lenssr.system.files import disk_errors

__all__ = ["LEASE", "claim", "is_locked", "locked"]

LEASE = 60.0  # seconds without a sign of life after which a holder on another machine counts as dead


def _paths(path: Path) -> tuple[Path, Path]:
    folder = path.parent / ".locks"
    return folder / f"{path.name}.lock", folder / f"{path.name}.lease"


@contextmanager
def locked(path: Path, waiting: str) -> Iterator[None]:
    """Hold the lock of a folder or file; say ``waiting`` where another process has it."""
    from filelock import FileLock, SoftFileLease, Timeout

    lock, lease = _paths(path)
    with ExitStack() as held:
        with disk_errors(path):
            lock.parent.mkdir(parents=True, exist_ok=True)
            for one in (FileLock(lock), SoftFileLease(lease, lease_duration=LEASE)):
                try:
                    one.acquire(timeout=0)
                except Timeout:
                    print(waiting, file=sys.stderr, flush=True)
                    one.acquire()
                held.callback(one.release)
        yield


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of a folder or file right now."""
    from filelock import FileLock, Timeout

    lock, lease = _paths(path)
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            pass
    except Timeout:
        return True
    try:
        fresh = time.time() - lease.stat().st_mtime < LEASE
        # this machine's holders have the lock too: a lease without it is a dead one's
        return fresh and f"host={socket.gethostname()}" not in lease.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return False


def claim(path: Path) -> ExitStack | None:
    """Take the right to start what will lock a folder, on this machine; it is given back when the result is closed.

    Returns:
        None where another process has it.
    """
    from filelock import FileLock, Timeout

    lock = _paths(path)[0].with_suffix(".claim")
    lock.parent.mkdir(parents=True, exist_ok=True)
    held = ExitStack()
    try:
        held.enter_context(FileLock(lock, timeout=0))
    except Timeout:
        return None
    return held
