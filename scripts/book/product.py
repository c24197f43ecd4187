"""Keywords of an upscaled FITS file, as the code writes them."""

from __future__ import annotations

__all__ = ["keywords"]


def keywords() -> str:
    """Return the rows of a Markdown table: keyword, what the header says of it."""
    from lenssr.inference.product import _KEYWORDS

    rows = [f"| `{word}` | `{fact}` | {about} |" for fact, (word, about) in _KEYWORDS.items()]
    return "\n".join(rows)
