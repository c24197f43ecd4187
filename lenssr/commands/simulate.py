"""``lenssr simulate``: make a set of images before a run asks for it, here or by the jobs of a launcher."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenssr.config.compose import compose, plain
from lenssr.config.schema import validate
from lenssr.config.words import assigned
from lenssr.errors import ConfigError, RunError
from lenssr.system.commands import command
from lenssr.system.imports import heavy_imports
from lenssr.system.locks import locked
from lenssr.system.progress import say, track

if TYPE_CHECKING:
    from lenssr.data import LensData, SimulatedSource
    from lenssr.data.sets.shards import Making, Shard
    from lenssr.launchers.jobs import Job

__all__ = ["main"]

_LAUNCHER = ("hydra/launcher=", "hydra.launcher.")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="lenssr simulate",
        description="Make the set of images of a configuration, in shards: killed, the same command goes on. A run of "
        "that configuration then finds it. Images that a smaller or larger set of the same sky holds are taken over.",
        epilog="Example: lenssr simulate dataset=model1 dataset.source.splits.train=1000000 hydra/launcher=pool. With "
        "hydra/launcher=pool or slurm it is made by several processes, or by the jobs of a cluster.",
    )
    parser.add_argument("words", nargs="*", help="as of train.py: dataset=model1 dataset.source.splits.train=100000")
    parser.add_argument("--chunk", type=int, default=10_000, help="images of a job, with a launcher [%(default)s]")
    parser.add_argument("--part", nargs=3, metavar=("SPLIT", "FIRST", "END"), help="make these shards alone: a job")
    arguments = parser.parse_intermixed_args()
    command(lambda: _work(arguments))


def _work(arguments: argparse.Namespace) -> None:
    launcher = [word for word in arguments.words if word.startswith(_LAUNCHER)]
    words = [word for word in arguments.words if not word.startswith(_LAUNCHER)]
    config = plain(compose(words))
    validate(config)
    with heavy_imports():
        from lenssr.data.build import build_set
        from lenssr.system.precision import exact

    data = build_set(config)
    with exact():
        if arguments.part:
            return _part(data, arguments.part)
        if launcher:
            _divide(data, config, words, launcher, max(1, arguments.chunk))
        else:
            _ = data.sets
    if data.source.path.exists():
        say(f"the set is in {data.source.path}")


def _simulated(data: LensData) -> SimulatedSource:
    from lenssr.data import SimulatedSource

    if not isinstance(data.source, SimulatedSource):
        raise ConfigError(f"dataset={data.name} is made of files, by one process; leave hydra/launcher away.")
    return data.source


def _part(data: LensData, part: Sequence[str]) -> None:
    """Do the work of a job: the shards of a split from one row to another."""
    source, device = _simulated(data), data.device()
    making = source.way(device)
    if source.path.exists():
        return
    if not making.begun:
        raise RunError(f"{source.path} is not being made; repeat the command that divided it.")
    split, first, end = part[0], int(part[1]), int(part[2])
    shards = [shard for shard in making.shards(split) if first <= shard.first < end]
    with track(f"simulating {source.path.name}", sum(map(len, shards)), "images") as advance:
        for shard in shards:
            if not making.done(shard):
                source.make(making, shard, device)
            advance(len(shard))


def _divide(data: LensData, config: dict[str, Any], words: list[str], launcher: Sequence[str], chunk: int) -> None:
    """Have the set made by the jobs of a launcher, and put it together."""
    from lenssr.launchers.choose import choose

    source = _simulated(data)
    launch, further = choose(launcher)
    if further:
        raise ConfigError(f"'{further[0]}' is no setting of a launcher.")
    outputs = Path(config["paths"]["outputs"]).resolve()
    words = [*words, assigned("paths.outputs", str(outputs))]  # wherever a job starts
    with locked(source.path, f"Waiting for another process that simulates {source.path} ..."):
        if source.path.exists():
            return
        making = source.way(data.device()) if launch.dry else source.making(data.device())
        launch([_job(making, shards, words, outputs) for shards in _chunks(making, chunk)])
        if not launch.dry:
            source.finish(making)


def _chunks(making: Making, size: int) -> list[list[Shard]]:
    """Return the shards of each job, of one split."""
    count = max(1, round(size / making.shard))
    found = []
    for split in making.splits:
        shards = list(making.shards(split))
        found += [shards[i : i + count] for i in range(0, len(shards), count)]
    return found


def _job(making: Making, shards: list[Shard], words: list[str], outputs: Path) -> Job:
    from lenssr.launchers.jobs import Errand, Job

    split, first, end = shards[0].split, shards[0].first, shards[-1].end
    title = f"{making.path.name}-{split}-{first}"
    part = ["--part", split, str(first), str(end)]
    own = ["-m", "lenssr.commands.simulate", *words, *part]
    digest = hashlib.blake2b(title.encode(), digest_size=8).hexdigest()

    def done(_: Path) -> bool:
        return all(making.done(shard) for shard in shards)

    return Job(own, Errand(making.folder / "jobs" / title, digest, own, done, outputs))


if __name__ == "__main__":
    main()
