"""``lenssr <command> ...``: one name for all commands; each is imported when it is asked for."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from lenssr.errors import did_you_mean
from lenssr.system.commands import guarded, report
from lenssr.system.version import __version__

__all__ = ["COMMANDS", "main"]

# name -> module, function, what it does
COMMANDS = {
    "train": ("lenssr.train", "main", "train and test a configuration; with -m, several"),
    "simulate": ("lenssr.commands.simulate", "main", "make a set of images, with a launcher by many processes"),
    "check": ("lenssr.commands.check", "main", "compare every file of a set with its checksum"),
    "runs": ("lenssr.commands.runs", "main", "list runs: how they stand, what sets them apart, their scores"),
    "evaluate": (
        "lenssr.evaluate",
        "main",
        "score a finished run again, on another set or with more spent on it",
    ),
    "compare": ("lenssr.commands.compare", "main", "is one run better than another? By the test of the tables"),
    "upscale": ("lenssr.commands.doors", "upscale", "upscale images of yours: FITS, .npy, .h5"),
    "find": ("lenssr.commands.doors", "find_lenses", "rank cutouts by how likely each shows a lens"),
    "tables": ("lenssr.results.write", "main", "write the tables from finished runs; --run fills them first"),
    "reproduce": ("lenssr.results.reproduce", "main", "all that answers the 2023 report"),
    "log": ("lenssr.commands.log", "main", "send finished runs to W&B or TensorBoard"),
    "export": ("lenssr.sharing.export", "main", "write a finished run as a folder to share"),
    "memory": ("lenssr.commands.doors", "memory", "does a network know other lenses than its own?"),
}


def main() -> None:
    """The command line."""
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help", "help"):
        sys.exit(guarded(lambda: print(_help())))
    if words[0] in ("-V", "--version", "version"):
        sys.exit(guarded(lambda: print(f"lenssr {__version__}")))
    if words[0] not in COMMANDS:
        sys.exit(report(_unknown(words), 2, False))
    module, function, _ = COMMANDS[words[0]]
    # so that usage lines, and processes that start the same command again, find its own script
    sys.argv = [str(Path(sys.argv[0]).with_name(f"lenssr-{words[0]}")), *words[1:]]
    getattr(importlib.import_module(module), function)()


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  lenssr {name:<{width}}  {what}" for name, (_, _, what) in COMMANDS.items()]
    return "\n".join(
        [
            f"lenssr {__version__}: super-resolution of strong gravitational lenses",
            "",
            *lines,
            "",
            "The main job: lenssr train model=rdn loss=mse_aae. After a command, --help says more.",
        ]
    )


def _unknown(words: list[str]) -> str:
    if "=" in words[0]:
        return f"'{words[0]}' is a setting: lenssr train {' '.join(words)}"
    return f"There is no command '{words[0]}'. {did_you_mean(words[0], COMMANDS)}"


if __name__ == "__main__":
    main()
