"""Sets that are made in shards: killed and gone on with at the shard, by several processes at once.

While it is made, a set is a folder beside its place::

    <name>.partial-shards/
      asked.json                    splits, shape and shard: what the parts below are of
      beside.json                   sets of the same sky that hold some of the images already
      <split>/images.npy            of its full length from the beginning; a shard writes its rows at their place
      <split>/<first row>.parquet   a shard that is done: the parameters of its rows, and the peak of each image

A shard's table appears when its images are on the disk. Two processes that make one shard write the same bytes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lenssr.data.sets.store import fingerprint, finish_set, open_set
from lenssr.errors import DataError
from lenssr.system.files import disk_errors, read_json, whole_file, write_json

__all__ = ["Making", "Shard", "longest"]

_PEAK = "_peak"  # column of a shard's table alone
_GROUP = 16384  # rows of the parameters that are in memory at once, when they are put together
_HEADER = 128  # bytes before the first pixel of a .npy file of such a shape


@dataclass(frozen=True)
class Shard:
    """Rows ``first`` to ``end`` of a split."""

    split: str
    first: int
    end: int

    def __len__(self) -> int:
        return self.end - self.first


class Making:
    """A set on its way.

    Args:
        path: where it shall be.
        splits: images in each.
        size: pixels along a side.
        shard: images of a shard; of a set that was begun before, that one's.
    """

    def __init__(self, path: Path, splits: Mapping[str, int], size: int, shard: int) -> None:
        self.path, self.splits, self.size = path, dict(splits), size
        self.folder = path.with_name(f"{path.name}.partial-shards")
        known = read_json(self.folder / "asked.json")
        asked: dict[str, Any] = {"splits": self.splits, "size": size, "shard": shard}
        if isinstance(known, dict) and {**known, "shard": shard} == asked and isinstance(known["shard"], int):
            asked = known
        self.shard: int = asked["shard"]
        self._asked = asked

    @property
    def begun(self) -> bool:
        """Whether an earlier command prepared the folder."""
        return bool(read_json(self.folder / "asked.json") == self._asked)

    def begin(self, beside: Mapping[str, tuple[Path, int]] | None = None) -> None:
        """Prepare the folder where no earlier command did; call under the set's lock.

        ``beside`` names, for a split, a set and how many of its first images are those of this one.
        """
        if self.begun:
            return
        with disk_errors(self.path):
            for stale in self.path.parent.glob(f"{self.path.name}.partial-*"):
                shutil.rmtree(stale, ignore_errors=True)
            for split, count in self.splits.items():
                (self.folder / split).mkdir(parents=True)
                with (self.folder / split / "images.npy").open("wb") as stream:
                    np.lib.format.write_array_header_1_0(
                        stream, {"descr": "<f4", "fortran_order": False, "shape": (count, self.size, self.size)}
                    )
                    assert stream.tell() == _HEADER
                    stream.truncate(_HEADER + 4 * count * self.size**2)
            names = {split: [found.name, rows] for split, (found, rows) in (beside or {}).items()}
            write_json(self.folder / "beside.json", names)
            write_json(self.folder / "asked.json", self._asked)

    def beside(self, split: str) -> tuple[Path, int] | None:
        """Return the set that holds a split's first images already, and how many; None where there is none."""
        known = (read_json(self.folder / "beside.json") or {}).get(split)
        return (self.path.with_name(known[0]), int(known[1])) if known else None

    def shards(self, split: str | None = None) -> Iterator[Shard]:
        """Yield the shards of a split, or of all."""
        for name, count in self.splits.items():
            if split in (None, name):
                for first in range(0, count, self.shard):
                    yield Shard(name, first, min(first + self.shard, count))

    def done(self, shard: Shard) -> bool:
        """Whether a shard is on the disk, or the whole set is."""
        return self._table(shard).exists() or self.path.exists()

    def _table(self, shard: Shard) -> Path:
        return self.folder / shard.split / f"{shard.first}.parquet"

    def write(self, shard: Shard, chunks: Iterable[np.ndarray], table: pd.DataFrame) -> None:
        """Write a shard: its images, given in consecutive chunks (n, H, W), and their parameters.

        The table may get its last columns while the chunks are drawn.
        """
        path, row, peaks = self.folder / shard.split / "images.npy", shard.first, []
        with disk_errors(path), path.open("r+b", buffering=0) as stream:
            for chunk in chunks:
                # written, not mapped: processes on several machines must not share a page
                _write(stream.fileno(), np.ascontiguousarray(chunk, "<f4"), _HEADER + 4 * row * self.size**2)
                peaks.append(chunk.max(axis=(1, 2)))
                row += len(chunk)
            os.fsync(stream.fileno())
        if row != shard.end:
            raise DataError(f"{row - shard.first} images came for {shard} where {len(shard)} were announced.")
        with whole_file(self._table(shard)) as temporary:
            table.assign(**{_PEAK: np.concatenate(peaks)}).to_parquet(temporary, index=False)

    def finish(self, about: Callable[[Mapping[str, np.ndarray]], Mapping[str, Any]]) -> None:
        """Put the shards together and move the set to its place.

        Args:
            about: returns the manifest's words, given the peaks of each split's images.
        """
        entries, peaks = {}, {}
        for split, count in self.splits.items():
            peaks[split] = self._joined(split)
            names = ("images.npy", "parameters.parquet")
            files = {name: fingerprint(self.folder / split / name) for name in names}
            entries[split] = {"count": count, "files": files}
        finish_set(self.folder, about(peaks), entries)
        for shard in self.shards():
            self._table(shard).unlink()
        for name in (".locks", "jobs"):  # of those that made it
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in ("asked.json", "beside.json"):
            (self.folder / name).unlink()
        with disk_errors(self.path):
            os.replace(self.folder, self.path)

    def _joined(self, split: str) -> np.ndarray:
        """Write the parameters of a split, a few thousand rows at a time; return the peaks of its images."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        peaks, held, writer = [], [], None
        shards = list(self.shards(split))
        with whole_file(self.folder / split / "parameters.parquet") as temporary:
            for shard in shards:
                table = self._read(shard)
                peaks.append(table[_PEAK].to_numpy())
                held.append(table.drop(columns=_PEAK))
                if sum(map(len, held)) < _GROUP and shard is not shards[-1]:
                    continue
                part = pa.Table.from_pandas(pd.concat(held, ignore_index=True), preserve_index=False)
                writer = writer or pq.ParquetWriter(temporary, part.schema)
                writer.write_table(part.cast(writer.schema))
                held = []
            assert writer is not None
            writer.close()
        return np.concatenate(peaks)

    def _read(self, shard: Shard) -> pd.DataFrame:
        path = self._table(shard)
        try:
            table = pd.read_parquet(path)
        except Exception as error:  # a machine that lost its power, or another's hand
            path.unlink(missing_ok=True)
            raise DataError(f"{path} cannot be read ({error}); repeat the command, which makes it again.") from error
        if len(table) != len(shard):
            path.unlink()
            raise DataError(f"{path} is of other images; repeat the command, which makes it again.")
        return table


def _write(descriptor: int, array: Any, offset: int) -> None:
    data = memoryview(array).cast("B")
    while data:
        count = os.pwrite(descriptor, data, offset)
        data, offset = data[count:], offset + count


def longest(path: Path, same: Callable[[Mapping[str, Any]], bool], splits: Mapping[str, int]) -> dict[str, Any]:
    """Return, for each split, the set beside ``path`` that holds most of its images, and how many it holds.

    ``same`` tells by a manifest whether a set is of the same sky. A set's files are verified before they are used: what
    is taken over is vouched for anew.
    """
    best: dict[str, tuple[Path, int]] = {}
    for manifest in sorted(path.parent.glob(f"{path.name.rpartition('-')[0]}-????????/manifest.json")):
        known = read_json(manifest)
        if not isinstance(known, dict) or not same(known):
            continue
        try:
            counts = {split: min(int(known["splits"][split]["count"]), count) for split, count in splits.items()}
            better = [split for split, count in counts.items() if count > best.get(split, (path, 0))[1]]
            if better:
                open_set(manifest.parent, verify=True)
        except (KeyError, TypeError, ValueError, DataError):
            continue
        best |= {split: (manifest.parent, counts[split]) for split in better}
    return best
