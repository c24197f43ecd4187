"""Locks that hold between processes, and between machines that share a file system.

Two locks in one. The operating system's (flock) is exact and is released when its holder dies, but some shared file
systems keep it to one machine. So its holder also keeps a lease: a file that it touches every few seconds, and that
others take once nobody has touched it for ``LEASE``. A lock left behind, by a killed process or a dead node, stops
nobody for longer than that. Where a file system knows no flock, the lease alone locks.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from lenssr.system.files import disk_errors

__all__ = ["LEASE", "claim", "is_locked", "locked"]

# how a file system refuses flock: ENOLCK, ENOSYS, EOPNOTSUPP, and the kernel's own ENOTSUPP
_REFUSALS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, 524}
LEASE = 60.0  # seconds without a sign of life after which a holder on another machine counts as dead


def _paths(path: Path) -> tuple[Path, Path]:
    folder = path.parent / ".locks"
    return folder / f"{path.name}.lock", folder / f"{path.name}.lease"


@cache
def _has_flock(folder: Path) -> bool:
    """Whether the file system of a folder knows flock; asked of a file of its own, in a way that stops nobody."""
    import fcntl

    try:
        with (folder / ".flock").open("ab") as probe:
            fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _REFUSALS
    return True


@contextmanager
def locked(path: Path, waiting: str) -> Iterator[None]:
    """Hold the lock of a folder or file; say ``waiting`` where another process has it."""
    from filelock import FileLock, SoftFileLease, Timeout

    lock, lease = _paths(path)
    with ExitStack() as held:
        with disk_errors(path):
            lock.parent.mkdir(parents=True, exist_ok=True)
            exact = [FileLock(lock)] if _has_flock(lock.parent) else []
            for one in (*exact, SoftFileLease(lease, lease_duration=LEASE)):
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
    if not (lock.exists() or lease.exists()):
        return False
    exact = _has_flock(lock.parent)
    if exact:
        try:
            with FileLock(lock, timeout=0):
                pass
        except Timeout:
            return True
    try:
        fresh, lines = time.time() - lease.stat().st_mtime < LEASE, lease.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return False
    if not fresh or f"host={socket.gethostname()}" not in lines:
        return fresh
    # this machine's holders have the lock too: a lease without it is a dead one's
    return not exact and any(_lives(line.removeprefix("pid=")) for line in lines if line.startswith("pid="))


def _lives(number: str) -> bool:
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        pass
    return True


def claim(path: Path) -> ExitStack | None:
    """Take the right to start what will lock a folder, on this machine; it is given back when the result is closed.

    Returns:
        None where another process has it.
    """
    from filelock import FileLock, SoftFileLease, Timeout

    lock = _paths(path)[0].with_suffix(".claim")
    lock.parent.mkdir(parents=True, exist_ok=True)
    held, exact = ExitStack(), _has_flock(lock.parent)
    try:
        held.enter_context(FileLock(lock, timeout=0) if exact else SoftFileLease(lock, lease_duration=LEASE, timeout=0))
    except Timeout:
        return None
    return held
