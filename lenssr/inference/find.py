"""``lenssr find``: rank cutouts by how likely each shows a lens."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenssr.errors import ConfigError, DataError
from lenssr.inference.reading import options, reader
from lenssr.system.commands import command
from lenssr.system.files import whole_file
from lenssr.system.imports import heavy_imports
from lenssr.system.progress import say, track

if TYPE_CHECKING:
    import pandas as pd

    from lenssr.data.files.images import Image
    from lenssr.inference.finder import Cutout, Finder

__all__ = ["main", "ranked"]

_SHOWN = 5  # of the most lens-like, on the console


def main() -> None:
    """The command line of ``scripts/find_lenses.py``."""
    parser = argparse.ArgumentParser(
        prog="lenssr-find",
        description="Score cutouts with a finished run of model=lens_finder: FITS, .npy or .h5 in, a table out, the "
        "most lens-like first.",
        fromfile_prefix_chars="@",
        epilog="@list.txt stands for the files that it names, a line each.",
    )
    parser.add_argument("run", help="folder of a finished run or an exported one, or the beginning of its name")
    parser.add_argument("images", nargs="+", help="files; several HDUs or planes are several cutouts")
    parser.add_argument("-o", "--to", type=Path, default=Path("scores.parquet"), help=".parquet or .csv [%(default)s]")
    options(parser)
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    arguments = parser.parse_intermixed_args()
    command(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> None:
    if arguments.to.suffix.lower() not in (".parquet", ".csv"):
        raise ConfigError(f"-o {arguments.to} is neither .parquet nor .csv.")
    with heavy_imports():
        import torch

        from lenssr.inference.finder import Finder
    where = "cuda" if arguments.device == "auto" and torch.cuda.is_available() else arguments.device
    finder = Finder(arguments.run, torch.device("cpu" if where == "auto" else where))
    table, failures = ranked(finder, arguments.images, reader(arguments))
    if table.empty:
        raise DataError("\n".join(failures))
    with whole_file(arguments.to) as temporary:
        table.to_csv(temporary, index=False) if arguments.to.suffix.lower() == ".csv" else table.to_parquet(
            temporary, index=False
        )
    for row in table.head(_SHOWN).to_dict("records"):
        say(f"{row['rank']}. {row['file']}{' ' * bool(row['hdu'])}{row['hdu']}: {row['score']:.4f}")
    unlike = int((table["warnings"] != "").sum())
    say(f"{len(table)} cutouts, {unlike} of them with a word of warning: see the column warnings.")
    print(arguments.to)
    if failures:
        raise DataError(f"{len(failures)} of {len(arguments.images)} files could not be used; the others are scored.")


def ranked(
    finder: Finder, paths: Sequence[str | Path], read: Callable[[Path], Collection[Image]]
) -> tuple[pd.DataFrame, list[str]]:
    """Return a row a cutout, the most lens-like first, and a sentence for each file that could not be used.

    Columns: ``file``; ``hdu``, the HDU, plane or position of the cutout where its file has several; ``score``, the
    probability of a lens if half of all were lenses; ``logit``, its logarithmic odds, which ranks where the score is 0
    or 1; ``rank`` from 1 on; ``ra``, ``dec`` of its middle in degrees (ICRS), where the file says; ``warnings``.

    Args:
        finder: that scores them.
        paths: the files.
        read: returns the images of one.
    """
    import pandas as pd

    from lenssr.inference.stream import ahead

    failures: list[str] = []
    rows: list[dict[str, Any]] = []
    owner: dict[int, tuple[Path, float]] = {}
    with track(f"finding lenses with {finder.name}", len(paths), "files") as advance:

        def cutouts() -> Iterator[Cutout]:
            for path, image, share in ahead(_images(paths, read, failures, advance)):
                one = finder.prepare(image)
                owner[id(one)] = (path, share)
                yield one

        for one, logit in finder.scores(cutouts()):
            path, share = owner.pop(id(one))
            rows.append(_row(path, one, logit))
            advance(share, path.name)
    table = pd.DataFrame(rows, columns=["file", "hdu", "score", "logit", "ra", "dec", "warnings"])
    table = table.sort_values(["logit", "file", "hdu"], ascending=[False, True, True], ignore_index=True)
    table.insert(3, "rank", range(1, len(table) + 1))
    return table, failures


def _images(
    paths: Sequence[str | Path], read: Callable[[Path], Collection[Image]], failures: list[str], advance: Any
) -> Iterator[tuple[Path, Image, float]]:
    """Yield the images of all files that can be read, with their file and its share; the others are named."""
    for path in map(Path, paths):
        try:
            images = read(path)
        except DataError as error:
            failures.append(str(error))
            say(f"left out: {error}")
            advance(1)
            continue
        for image in images:
            yield path, image, 1 / len(images)


def _row(path: Path, one: Cutout, logit: float) -> dict[str, Any]:
    from scipy.special import expit

    from lenssr.inference.survey import position

    stem = path.name.split(".")[0]
    own = one.image.name.removeprefix(stem).removeprefix("_") if one.image.name != stem else ""
    told = {"score": float(expit(logit)), "logit": logit, "warnings": "; ".join(one.warnings)}
    return {"file": str(path), "hdu": own, **told, **position(one.image)}


if __name__ == "__main__":
    main()
