"""The command line of ``scripts/upscale.py``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lenssr.errors import ConfigError, DataError
from lenssr.inference.reading import options
from lenssr.runs.box import listing
from lenssr.system.commands import command
from lenssr.system.imports import heavy_imports
from lenssr.system.progress import say

if TYPE_CHECKING:
    from lenssr.inference.survey import Outcome

__all__ = ["main"]

_LAUNCHER = ("hydra/launcher=", "hydra.launcher.")


def main() -> None:
    """Upscale files, write FITS, say what to think of it."""
    parser = _parser()
    arguments = parser.parse_intermixed_args()
    command(lambda: _run(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lenssr-upscale",
        description="Upscale images with a finished run: FITS, .npy or .h5 in, FITS out. Repeated, it goes on where it "
        "stopped. hydra/launcher=pool or slurm among the files divides them among processes or the jobs of a cluster.",
        fromfile_prefix_chars="@",
        epilog="@list.txt stands for the files that it names, a line each.",
    )
    parser.add_argument("run", help="folder of a finished run or an exported one, its name, or a model in the box")
    parser.add_argument("--list", action=_List, nargs=0, help="show the models in the box, what each is for, and exit")
    parser.add_argument("images", nargs="*", help="files; several HDUs or planes are several images")
    parser.add_argument("-o", "--to", type=Path, default=Path("."), help="a .fits file, or a folder [%(default)s]")
    options(parser)
    parser.add_argument("--html", action="store_true", help="also a page to look at: of each image, of many an index")
    parser.add_argument("--picture", type=Path, help="also a PNG of all images")
    parser.add_argument("--draws", type=int, help="from the posterior, of a model that draws [as the run was tested]")
    parser.add_argument(
        "--symmetry",
        action="store_true",
        help="the mean over the eight turns and mirrors of the input, and SYMSPREAD: the spread over them",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="make again what is done; replace files that are not ours"
    )
    parser.add_argument("--chunk", type=int, default=500, help="files of a job, with hydra/launcher [%(default)s]")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    return parser


class _List(argparse.Action):
    """Shows the box and ends, as ``--version`` does."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(listing())
        parser.exit()


def _run(arguments: argparse.Namespace) -> None:
    launcher = [word for word in arguments.images if word.startswith(_LAUNCHER)]
    paths = [word for word in arguments.images if not word.startswith(_LAUNCHER)]
    picture = arguments.picture
    if not paths:
        raise ConfigError("No files were named; give some after the run.")
    if picture and picture.suffix.lower() != ".png":
        raise ConfigError(f"--picture {picture} is no .png; the picture is a PNG.")
    with heavy_imports():
        from lenssr.inference.reading import reader
        from lenssr.inference.summary import write_index, write_summary
        from lenssr.inference.survey import FEW
    read = reader(arguments)
    outcome = _divided(arguments, paths, launcher) if launcher else _here(arguments, paths, read)
    if len(outcome.paths) > 1:
        table = write_summary(outcome.paths, arguments.to)
        if len(outcome.paths) > FEW:
            say(f"{arguments.to / 'summary.csv'}: {len(table)} images, {outcome.made} of them made now")
            if arguments.html:
                print(write_index(table, arguments.to))
    if outcome.shown and picture:
        from lenssr.inference.picture import write_picture

        write_picture(outcome.shown, picture)
    if not outcome.paths:
        raise DataError("\n".join(outcome.failures))
    if outcome.failures:
        failed = f"{len(outcome.failures)} of {len(paths)} files could not be used; the others are done."
        raise DataError(failed)


def _here(arguments: argparse.Namespace, paths: list[str], read: object) -> Outcome:
    """Upscale in this process."""
    from lenssr.inference.destinations import Folder
    from lenssr.inference.stream import inputs_of
    from lenssr.inference.survey import FEW, survey
    from lenssr.inference.upscale import opened

    inputs, folder = inputs_of(paths), Folder(arguments.to, arguments.overwrite)
    folder.check([one.path for one in inputs])
    network = opened(arguments.run, arguments.device, arguments.draws, arguments.symmetry)
    pages = arguments.html and len(inputs) <= FEW
    return survey(network, inputs, read, folder, pages, bool(arguments.picture))  # type: ignore[arg-type]


def _divided(arguments: argparse.Namespace, paths: list[str], launcher: list[str]) -> Outcome:
    """Upscale in the jobs of a launcher."""
    from lenssr.inference.chunks import divide

    return divide(arguments, paths, launcher)
