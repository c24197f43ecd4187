"""Names of files out of foreign text, as the name of an extension: they name a file in a folder, never a path."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

__all__ = ["Taken", "distinct", "file_name"]

_LONGEST = 120  # characters, well within what file systems hold with what is added to them


def file_name(text: str) -> str:
    """Return a text as the name of a file: letters, digits and ``._+-`` alone, and no path.

    Separators, control characters and leading dots become ``_``; what is longer than 120 characters is cut.
    """
    plain = unicodedata.normalize("NFKC", text)
    plain = re.sub(r"[^\w.+-]+", "_", plain, flags=re.UNICODE)
    plain = re.sub(r"\.{2,}", "_", plain).strip("._- ")
    return plain[:_LONGEST].rstrip("._- ") or "image"


def distinct(names: Iterable[str]) -> list[str]:
    """Return names that differ where capitals count as small letters too; the later ones are numbered."""
    taken = Taken()
    return [taken.take(name) for name in names]


class Taken:
    """Names that are in use, where capitals count as small letters."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def take(self, name: str) -> str:
        """Return a name that nobody has, numbered if need be, and keep it."""
        number, candidate = 1, name
        while candidate.lower() in self._names:
            number += 1
            candidate = f"{name}_{number}"
        self._names.add(candidate.lower())
        return candidate
