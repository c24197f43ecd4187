"""Files in a folder a class, converted once to a memory-mapped set; stopped, the conversion goes on where it was.

Layout: ``<root>/{train,test}/{no_sub,axion|vortex,cdm}/*.npy``, as DeepLense's published files, or classes of one's
own, as ``lenses`` and ``nonlenses``; without ``train`` and ``test`` every fifth file of a class is the test's. They are
``.npy`` or FITS, see :mod:`lenssr.data.files.labelled`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lenssr.data.files.labelled import ENDINGS, read_image
from lenssr.data.sets.shards import Making
from lenssr.data.sets.store import FORMAT, ImageSet, open_set
from lenssr.errors import ConfigError, DataError
from lenssr.system.files import disk_errors, whole_file
from lenssr.system.locks import locked
from lenssr.system.progress import say, track

__all__ = ["FolderSource", "read_image"]

# what a class's folder may be called beside its own name
_ALIASES = {"axion": ("vortex",), "lens": ("lenses",), "nonlens": ("nonlenses", "non-lenses", "non_lenses", "others")}
_NAMED = 5  # bad files named in a message
_EVERY = 5  # files of a class without folders for training and test, of which the last is the test's
_SHARD = 1000  # files; what a conversion that is stopped has to read again at most


class FolderSource:
    """A set of observed images from ``.npy`` or FITS files.

    Args:
        name: of the set.
        root: folder with ``train`` and ``test``, or with the classes' folders.
        image_size: pixels along a side that every image must have.
        pixel_scale: arcsec.
        classes: class folders to read; ``axion`` also reads ``vortex``, ``lens`` ``lenses``, ``nonlens`` ``nonlenses``.
        validation_fraction: of the training files, taken evenly.
        limits: images per split at most.
        unreadable: ``stop`` or ``skip`` where files are no such images.
        folder: where converted sets are kept.

    Raises:
        ConfigError: root is no folder, or ``unreadable`` is neither word.
    """

    noise_free = False

    def __init__(
        self,
        name: str,
        root: str,
        image_size: int,
        pixel_scale: float,
        classes: list[str],
        validation_fraction: float,
        limits: dict[str, int],
        unreadable: str,
        folder: str,
    ) -> None:
        self.root = Path(root).expanduser()
        if not self.root.is_dir():
            raise ConfigError(f"dataset.source.root={root} is no folder; give the one that holds train/ and test/.")
        if unreadable not in ("stop", "skip"):
            raise ConfigError(f"dataset.source.unreadable={unreadable} is neither 'stop' nor 'skip'.")
        if not 0 < validation_fraction < 1:
            raise ConfigError(f"dataset.source.validation_fraction={validation_fraction} must lie between 0 and 1.")
        self.name, self.image_size, self.pixel_scale, self.classes = name, image_size, pixel_scale, classes
        self.unreadable, self.folder = unreadable, Path(folder)
        self.validation_fraction, self.limits = validation_fraction, limits
        self._said = False

    def open(self, device: Any = None) -> dict[str, ImageSet]:
        """Return the splits, converting the files first if no earlier command did."""
        files = self._files()
        path = self._path(files)
        if not path.exists():
            with locked(path, f"Waiting for another process that converts {self.root} ..."):
                if not path.exists():
                    self._convert(path, files)
        return open_set(path)

    @property
    def path(self) -> Path:
        """Folder of the converted set; another where a file was changed, added or taken away."""
        return self._path(self._files())

    def _path(self, files: dict[str, list[tuple[str, Path]]]) -> Path:
        listing = [[name, p.relative_to(self.root).as_posix(), *_stamp(p)] for s in files for name, p in files[s]]
        about = [
            FORMAT,
            self.image_size,
            self.pixel_scale,
            self.limits,
            self.validation_fraction,
            self.unreadable,
        ]
        digest = hashlib.sha256(json.dumps([about, listing]).encode()).hexdigest()
        return self.folder / f"{self.name}-{digest[:8]}"

    def _files(self) -> dict[str, list[tuple[str, Path]]]:
        """Return the files of each split; where the unreadable are skipped, all that are there."""
        found = {split: self._listed(split) for split in ("train", "test")}
        return found if self.unreadable == "skip" else self._chosen(found)

    def _chosen(self, found: dict[str, list[tuple[str, Path]]]) -> dict[str, list[tuple[str, Path]]]:
        """Return the files of each split, as many as the limits allow, the classes in turn."""
        every = max(2, round(1 / self.validation_fraction))
        train = found["train"]
        splits = {
            "train": [entry for i, entry in enumerate(train) if i % every],
            "validation": train[::every],
            "test": found["test"],
        }
        used = {split: _balanced(entries, self.limits[split]) for split, entries in splits.items()}
        if sum(map(len, used.values())) < sum(map(len, splits.values())) and not self._said:
            self._said = True
            counts = ", ".join(f"{split} {len(used[split])} of {len(splits[split])}" for split in splits)
            say(f"{self.root}: using {counts} files (dataset.source.limits; scale=report takes more)")
        return used

    def _listed(self, split: str) -> list[tuple[str, Path]]:
        divided = any((self.root / name).is_dir() for name in ("train", "test"))
        place, entries = self.root / split if divided else self.root, []
        for name in self.classes:
            folders = [place / alias for alias in (name, *_ALIASES.get(name, ()))]
            folder = next((f for f in folders if f.is_dir()), None)
            if folder is None:
                tried = " or ".join(str(f) for f in folders)
                raise DataError(
                    f"There is no folder {tried}; see dataset.source.classes for the folders that are read."
                )
            files = [path for path in sorted(folder.iterdir()) if path.name.lower().endswith(ENDINGS)]
            files = [path for path in files if not path.name.startswith(".")]
            if not divided:
                files = [path for i, path in enumerate(files) if (i % _EVERY == _EVERY - 1) is (split == "test")]
            entries += [(name, path) for path in files]
        if not entries:
            raise DataError(f"{place} holds no .npy or FITS files.")
        return entries

    def _convert(self, path: Path, files: dict[str, list[tuple[str, Path]]]) -> None:
        seen = path.with_name(f".inspected-{path.name}")
        rows, bad = self._inspect([entry for entries in files.values() for entry in entries], seen)
        if bad:
            names = "; ".join(f"{p.relative_to(self.root)}: {why}" for p, why in bad[:_NAMED])
            more = f"; and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
            total = sum(map(len, files.values()))
            text = f"{len(bad)} of {total} files under {self.root} cannot be used: {names}{more}."
            if self.unreadable == "stop":
                shutil.rmtree(seen)
                raise DataError(f"{text} Mend or remove them, or leave them out with dataset.source.unreadable=skip.")
            say(f"{text} They are left out.")
        if self.unreadable == "skip":
            files = self._chosen({split: [e for e in entries if e[1] in rows] for split, entries in files.items()})
        good = {split: _table([rows[file] for _, file in entries if file in rows]) for split, entries in files.items()}
        for split, table in good.items():
            if table.empty:
                shutil.rmtree(seen)
                raise DataError(f"No usable image is left for the {split} split of {self.root}.")
        making = Making(path, {split: len(table) for split, table in good.items()}, self.image_size, _SHARD)
        making.begin()
        with track(f"converting {self.root}", sum(map(len, good.values())), "files") as advance:
            for shard in making.shards():
                table = good[shard.split][shard.first : shard.end]
                if not making.done(shard):
                    making.write(shard, self._images(table), table)
                advance(len(shard))
        making.finish(lambda peaks: self._about(peaks, [p for p, _ in bad]))
        shutil.rmtree(seen)

    def _images(self, table: pd.DataFrame) -> Iterator[np.ndarray]:
        for name in table["file"]:
            yield read_image(self.root / name, self.image_size)[0][None]

    def _about(self, peaks: Mapping[str, np.ndarray], bad: list[Path]) -> dict[str, Any]:
        return {
            "noise_free": False,
            "pixel_scale": self.pixel_scale,
            "unit": float(np.median(np.concatenate(list(peaks.values())))),
            "units": {"images": "as in the files", "unit": "the same; networks see images divided by it"},
            "config": {"root": str(self.root), "unreadable": [str(p) for p in bad]},
        }

    def _inspect(
        self, files: list[tuple[str, Path]], seen: Path
    ) -> tuple[dict[Path, dict[str, Any]], list[tuple[Path, str]]]:
        """Return a row for each file that can be used, and why each other cannot; ``seen`` keeps what is known."""
        rows: dict[Path, dict[str, Any]] = {}
        bad: list[tuple[Path, str]] = []
        with disk_errors(seen):
            seen.mkdir(parents=True, exist_ok=True)
        with track(f"reading {self.root}", len(files), "files") as advance:
            for first in range(0, len(files), _SHARD):
                some = files[first : first + _SHARD]
                found = self._seen(some, seen / f"{first}.parquet")
                for (name, path), mass, why in zip(some, found["mass"], found["why"], strict=True):
                    if why:
                        bad.append((path, why))
                        continue
                    file = path.relative_to(self.root).as_posix()
                    rows[path] = {"class": name, "file": file, "log10_axion_mass": mass, "exposure_time": 1.0}
                advance(len(some))
        return rows, bad

    def _seen(self, files: list[tuple[str, Path]], note: Path) -> pd.DataFrame:
        """Return the mass in each file, and why it cannot be used or nothing, from a note that is made if need be."""
        if note.exists():
            return pd.read_parquet(note)
        found = pd.DataFrame([self._look(path) for _, path in files], columns=["mass", "why"])
        with whole_file(note) as temporary:
            found.to_parquet(temporary, index=False)
        return found

    def _look(self, path: Path) -> tuple[float, str]:
        try:
            return read_image(path, self.image_size)[1], ""
        except (ValueError, OSError, EOFError) as error:
            return float("nan"), str(error) or type(error).__name__


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    table.insert(0, "index", range(len(table)))
    return table


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _balanced(entries: list[tuple[str, Path]], limit: int) -> list[tuple[str, Path]]:
    """Take turns among the classes, up to a number of files."""
    by_class: dict[str, list[tuple[str, Path]]] = {}
    for entry in entries:
        by_class.setdefault(entry[0], []).append(entry)
    longest = max(map(len, by_class.values()), default=0)
    turns = [rows[i] for i in range(longest) for rows in by_class.values() if i < len(rows)]
    return turns[:limit]
