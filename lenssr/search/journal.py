"""A study's journal whose last line a crash cut: every line before it is whole, and the search goes on with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from lenssr.system.progress import say

if TYPE_CHECKING:
    from optuna.storages.journal import JournalFileSymlinkLock

__all__ = ["mend"]


def mend(path: Path, lock: JournalFileSymlinkLock) -> None:
    """Drop what follows the last whole line of a journal, in place, and say so.

    Args:
        path: of the journal, which may not exist.
        lock: under which others write to it, so that a line that is being written is whole.
    """
    if not path.is_file() or not _cut(path):
        return
    lock.acquire()
    try:
        with path.open("r+b") as journal:
            whole = _whole(journal.read())
            lost = journal.tell() - whole
            if lost:
                journal.truncate(whole)
                say(f"The last {lost} bytes of {path} were cut short by a crash; the search goes on without them.")
    finally:
        lock.release()


def _cut(path: Path) -> bool:
    """Whether a journal seems to end within a line; another process may be writing that."""
    content = path.read_bytes()
    return _whole(content) != len(content)


def _whole(content: bytes) -> int:
    """Return how many bytes of a journal are whole lines; zeros are what a disk leaves where nothing was written."""
    end = len(content)
    while end:
        start = content.rfind(b"\n", 0, end - 1) + 1
        line = content[start:end]
        if line.endswith(b"\n") and _is_record(line):
            return end
        end = start
    return 0


def _is_record(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
