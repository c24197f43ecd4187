"""``lenssr check``: read every file of a set and compare its checksum; opening a set looks at sizes alone."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from lenssr.errors import DataError
from lenssr.system.commands import command
from lenssr.system.imports import heavy_imports
from lenssr.system.progress import say, track

__all__ = ["main"]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="lenssr check",
        description="Read the sets of images in some folders, or that of a configuration, and compare every file's "
        "checksum with that of the day when it was made. A run does the same for its own set with verify=true.",
        epilog="Example: lenssr check outputs/datasets, or lenssr check dataset=model1 scale=report",
    )
    parser.add_argument(
        "words", nargs="*", default=["outputs/datasets"], help="folders, or overrides [outputs/datasets]"
    )
    arguments = parser.parse_intermixed_args()
    command(lambda: check(_folders(arguments.words)))


def _folders(words: Sequence[str]) -> list[Path]:
    """Return the sets below some folders, or that of a configuration.

    Raises:
        DataError: there is none.
    """
    places = [Path(word) for word in words]
    if any("=" in word and not place.is_dir() for word, place in zip(words, places, strict=True)):
        from lenssr.config.compose import compose, plain

        with heavy_imports():
            from lenssr.data.build import build_set
        places = [Path(build_set(plain(compose(list(words)))).source.path)]
    found = sorted({path.parent for place in places for path in place.rglob("manifest.json")})
    # a set that is being made has no manifest until it is whole; remains have one now and then
    found = [folder for folder in found if ".partial-" not in folder.name]
    if not found:
        raise DataError(
            f"There is no set of images in {', '.join(map(str, places))}; a run, or lenssr simulate, makes it."
        )
    return found


def check(folders: Sequence[Path]) -> None:
    """Verify sets.

    Raises:
        DataError: some are not what was written; the message says which, and the mend.
    """
    from lenssr.data.sets.store import open_set

    bad = []
    with track("checking", len(folders), "sets") as advance:
        for folder in folders:
            try:
                open_set(folder, verify=True)
            except DataError as error:
                bad.append(str(error))
            advance(1, folder.name)
    if bad:
        raise DataError("\n".join([f"{len(bad)} of {len(folders)} sets are not what was written:", *bad]))
    say(f"{len(folders)} sets are what was written")


if __name__ == "__main__":
    main()
