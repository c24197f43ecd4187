"""Files in chunks, a job each, on a launcher: each file once, whoever takes part, and gone on with where it stopped."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lenssr.errors import ConfigError, RunError
from lenssr.inference.destinations import Folder
from lenssr.inference.stream import Input, inputs_of
from lenssr.inference.survey import Outcome
from lenssr.launchers.choose import choose
from lenssr.launchers.jobs import Errand, Job
from lenssr.system.files import read_json, write_json
from lenssr.system.version import __version__

__all__ = ["divide", "main"]

_CHUNKS = ".chunks"  # folder within the products'
_PASSED = ("image", "noise", "mask", "catalogue", "size", "draws", "symmetry", "html", "device", "overwrite")


def divide(arguments: argparse.Namespace, paths: Sequence[str], launcher: Sequence[str]) -> Outcome:
    """Have the files upscaled by the jobs of a launcher and return what became of them.

    Raises:
        ConfigError: the products shall be one file, or a picture of all.
        RunError: a job failed; the others are done.
    """
    folder = Folder(arguments.to, arguments.overwrite)
    if folder.single or arguments.picture:
        raise ConfigError("With hydra/launcher, -o is a folder, and --picture cannot be had.")
    inputs = inputs_of(paths)
    folder.check([one.path for one in inputs])
    launch, words = choose(launcher)
    if words:
        raise ConfigError(f"'{words[0]}' is no setting of a launcher.")
    jobs = [_job(arguments, chunk) for chunk in _chunks(inputs, max(1, arguments.chunk))]
    before = {job.title for job in jobs if job.run.result()}
    launch(jobs)
    outcome = Outcome()
    for job in jobs:
        known = read_json(job.run.folder / "done.json") or {}
        outcome.paths += [arguments.to / name for name in known.get("products", [])]
        outcome.failures += known.get("failures", [])
        outcome.made += known.get("made", 0) if job.title not in before else 0
    return outcome


def _chunks(inputs: Sequence[Input], size: int) -> list[list[Input]]:
    return [list(inputs[start : start + size]) for start in range(0, len(inputs), size)]


def _job(arguments: argparse.Namespace, chunk: Sequence[Input]) -> Job:
    """Return the job of a chunk, whose identity is that of its files, of the run and of what is asked."""
    status = read_json(Path(arguments.run) / "status.json") or {}
    if status.get("state") != "done":
        raise RunError(f"{arguments.run} is not the folder of a finished run.")
    settings = {name: _plain(getattr(arguments, name)) for name in _PASSED}
    files = [[str(one.path.resolve()), one.prefix, *_stamp(one.path)] for one in chunk]
    about = json.dumps([__version__, status.get("hash"), {**settings, "overwrite": False}, files])
    digest = hashlib.blake2b(about.encode(), digest_size=8).hexdigest()
    folder = arguments.to.resolve() / _CHUNKS / digest
    asked = {"run": str(Path(arguments.run).resolve()), "to": str(arguments.to.resolve()), "files": files, **settings}
    folder.mkdir(parents=True, exist_ok=True)
    if read_json(folder / "asked.json") != asked:
        write_json(folder / "asked.json", asked)
    if arguments.overwrite:
        (folder / "done.json").unlink(missing_ok=True)
    words = ["-m", "lenssr.inference.chunks", str(folder)]
    return Job(words, Errand(folder, digest, words, _done, folder.parent))


def _plain(value: Any) -> Any:
    return str(value.resolve()) if isinstance(value, Path) else value


def _stamp(path: Path) -> list[int]:
    try:
        stat = path.stat()
    except OSError:  # the job that reads it says so
        return [0, 0]
    return [stat.st_size, stat.st_mtime_ns]


def _done(folder: Path) -> bool:
    """Whether a chunk is done and its products are there."""
    known = read_json(folder / "done.json")
    return bool(known) and all((folder.parents[1] / name).is_file() for name in known["products"])


def main() -> None:
    """What a job runs: the chunk in a folder."""
    import sys

    from lenssr.system.commands import command

    command(lambda: _work(Path(sys.argv[1])))


def _work(folder: Path) -> None:
    from lenssr.inference.reading import reader
    from lenssr.inference.survey import survey
    from lenssr.inference.upscale import opened

    asked = read_json(folder / "asked.json") or {}
    arguments = argparse.Namespace(**asked)
    arguments.catalogue = Path(asked["catalogue"]) if asked["catalogue"] else None
    inputs = [Input(Path(path), prefix) for path, prefix, *_ in asked["files"]]
    network = opened(arguments.run, arguments.device, arguments.draws, arguments.symmetry)
    outcome = survey(network, inputs, reader(arguments), Folder(Path(arguments.to), arguments.overwrite))
    told = {"products": [path.name for path in outcome.paths], "failures": outcome.failures, "made": outcome.made}
    write_json(folder / "done.json", told)


if __name__ == "__main__":
    main()
