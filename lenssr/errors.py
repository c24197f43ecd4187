"""Errors that a user can mend: one sentence with the cause and the mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["ConfigError", "DataError", "Interrupted", "LensSRError", "Pruned", "RunError", "did_you_mean"]


class LensSRError(Exception):
    """Base of every error that is shown without a traceback."""

    exit_code = 2


class ConfigError(LensSRError):
    """The configuration names something that does not exist or contradicts itself."""


class DataError(LensSRError):
    """A file of a dataset is missing, damaged or of another shape than it should be."""


class RunError(LensSRError):
    """A run folder, a stage or a checkpoint cannot be used."""


class Interrupted(LensSRError):
    """The user or the scheduler asked the run to stop; what was reached is saved."""

    exit_code = 130


class Pruned(LensSRError):
    """A search judged the run not worth going on."""

    exit_code = 3


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """Return ``"Did you mean 'x'?"`` for the nearest option, else a list of the options."""
    names = sorted(set(options))
    folded = {name.casefold(): name for name in reversed(names)}
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    if near:
        return f"Did you mean '{folded[near[0]]}'?"
    return f"Known: {', '.join(names)}." if names else ""
