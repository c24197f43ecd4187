"""How every command ends: in silence, or with one sentence and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

from lenssr.errors import Interrupted, LensSRError
from lenssr.system.memory import memory_errors
from lenssr.system.progress import say

__all__ = ["command", "guarded", "report"]


def command(work: Callable[[], None]) -> None:
    """Do what a command is for; leave with its exit code where that is not 0."""
    code = guarded(work)
    if code:
        sys.exit(code)


def guarded(work: Callable[[], None], wanted: bool = False) -> int:
    """Do what a command is for; return its exit code.

    Args:
        work: the command.
        wanted: print the traceback of an error too; so does the variable ``LENSSR_TRACEBACK``.
    """
    wanted = wanted or "LENSSR_TRACEBACK" in os.environ
    try:
        with memory_errors():
            work()
            sys.stdout.flush()
    except LensSRError as error:
        return report(str(error), error.exit_code, wanted)
    except KeyboardInterrupt:
        return report("Interrupted; repeat the command to go on.", Interrupted.exit_code, wanted)
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # rich's way to leave
            return 0
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BrokenPipeError:  # whoever read, as head does, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        return report(f"{error.strerror or error}{place}; choose a file or folder that can be used.", 2, wanted)
    except Exception as error:  # a fault of the program, or a library's word: say so, and how to see more
        text = f"Unexpected {type(error).__name__}: {error}"
        return report(f"{text}\nLENSSR_TRACEBACK=1 before the command shows where; please report it.", 1, wanted)
    return 0


def report(text: str, code: int, wanted: bool) -> int:
    """Say what went wrong; return the exit code."""
    if wanted:
        traceback.print_exc()
    say(text if code == Interrupted.exit_code else f"error: {text}")
    sys.stdout.flush()
    return code
