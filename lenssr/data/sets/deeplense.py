"""The pairs of DeepLense's entry tests, as downloaded: ``<root>/HR/HR_1.npy`` with ``<root>/LR/LR_1.npy``.

Partners share the last number of their names, whatever stands before it (``sample7.npy`` in both folders is a pair,
too). Which split a pair is in is decided by a hash of its number alone: another selection of the files moves no pair
from training into the test. Images stay as the files have them, since published scores are of those.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lenssr.data.files.labelled import read_image
from lenssr.data.sets.store import FORMAT, ImageSet, SetWriter, open_set
from lenssr.errors import ConfigError, DataError
from lenssr.system.files import whole_folder
from lenssr.system.locks import locked
from lenssr.system.progress import say, track

__all__ = ["DeepLensePairSource", "split_of"]

_LAYOUT = 1  # of the folders in a set; another where their contents change
_NUMBER = re.compile(r"(\d+)\D*$")
_ROUNDING = 1e-3  # by which a value may leave the range: files were scaled in single precision
_NAMED = 5  # bad pairs named in a message


@dataclass(frozen=True)
class _Pair:
    """Two files of one number."""

    number: int
    hr: Path
    lr: Path


def split_of(number: int, validation: float, test: float) -> str:
    """Return the split of a pair: the first 8 bytes of its number's SHA-256, as a fraction, decide."""
    place = int.from_bytes(hashlib.sha256(str(number).encode()).digest()[:8], "big") / 2**64
    return "test" if place < test else "validation" if place < test + validation else "train"


class DeepLensePairSource:
    """A set of pairs of HR and LR images.

    Args:
        name: of the set.
        root: folder with ``HR`` and ``LR``, in any case of letters.
        image_size: HR pixels along a side, which every HR image must have.
        scale: HR pixels per LR pixel along a side.
        pixel_scale: arcsec of HR pixels; the files do not tell.
        value_range: least and largest value that the files may hold; None: any.
        validation: fraction of the pairs that choose the checkpoint.
        test: fraction of the pairs that are tested on.
        unreadable: ``stop`` or ``skip`` where files have no partner or are no such images.
        folder: where converted sets are kept.

    Raises:
        ConfigError: root has no such folders, or a setting is out of range.
    """

    noise_free = False
    classes = ("real",)

    def __init__(
        self,
        name: str,
        root: str,
        image_size: int,
        scale: int,
        pixel_scale: float,
        value_range: list[float] | None,
        validation: float,
        test: float,
        unreadable: str,
        folder: str,
    ) -> None:
        if unreadable not in ("stop", "skip"):
            raise ConfigError(f"dataset.source.unreadable={unreadable} is neither 'stop' nor 'skip'.")
        if not (validation > 0 and test > 0 and validation + test < 1):
            raise ConfigError(
                f"dataset.source.validation={validation} and test={test} are fractions of the pairs, and leave some to "
                "train on."
            )
        if value_range is not None and not (len(value_range) == 2 and value_range[0] < value_range[1]):
            raise ConfigError(f"dataset.source.value_range={value_range} is no [least, largest]; null allows any.")
        self.root = Path(root).expanduser()
        self.name, self.image_size, self.scale, self.pixel_scale = name, image_size, scale, pixel_scale
        self.value_range, self.validation, self.test = value_range, validation, test
        self.unreadable, self.folder = unreadable, Path(folder)
        self._folders = {kind: self._folder_of(kind) for kind in ("hr", "lr")}

    def _folder_of(self, kind: str) -> Path:
        found = [p for p in self.root.glob("*") if p.is_dir() and p.name.lower() == kind]
        if len(found) != 1:
            problem = "several folders" if found else "no folder"
            raise ConfigError(
                f"dataset.source.root={self.root} has {problem} {kind.upper()}; give the one in which HR and LR lie."
            )
        return found[0]

    @property
    def path(self) -> Path:
        """Folder of the converted set; another where a file was changed, added or taken away."""
        listing = [[p.name, p.stat().st_size, p.stat().st_mtime_ns] for f in self._folders.values() for p in _files(f)]
        about: list[Any] = [FORMAT, _LAYOUT, self.image_size, self.scale, self.pixel_scale, self.value_range]
        about += [self.validation, self.test, self.unreadable]
        digest = hashlib.sha256(json.dumps([about, listing]).encode()).hexdigest()
        return self.folder / f"{self.name}-{digest[:8]}"

    def open(self, kind: str = "hr") -> dict[str, ImageSet]:
        """Return the splits of ``hr`` or ``lr``, converting the files first if no earlier command did."""
        path = self.path
        if not path.exists():
            with locked(path, f"Waiting for another process that converts {self.root} ..."):
                if not path.exists():
                    self._convert(path)
        return open_set(path / kind)

    def _pairs(self) -> list[_Pair]:
        """Return the pairs in the order of their numbers; a number without a partner is said or refused."""
        found = {kind: _numbered(folder) for kind, folder in self._folders.items()}
        numbers = sorted(set(found["hr"]) & set(found["lr"]))
        alone = [
            found[kind][n] for kind, other in (("hr", "lr"), ("lr", "hr")) for n in found[kind].keys() - found[other]
        ]
        if alone:
            self._refuse(f"{len(alone)} files of {self.root} have no partner: {_named(sorted(alone), self.root)}.")
        if not numbers:
            raise DataError(f"No number of a file in {self._folders['hr']} is one of a file in {self._folders['lr']}.")
        return [_Pair(number, found["hr"][number], found["lr"][number]) for number in numbers]

    def _refuse(self, text: str) -> None:
        if self.unreadable == "stop":
            raise DataError(f"{text} Mend or remove them, or leave them out with dataset.source.unreadable=skip.")
        say(f"{text} They are left out.")

    def _read(self, path: Path, size: int) -> np.ndarray:
        """Return an image.

        Raises:
            ValueError: the file holds no such image, or values out of range; the message says which.
        """
        image, _ = read_image(path, size)
        low, high = float(image.min()), float(image.max())
        if self.value_range is not None:
            least, most = self.value_range
            if low < least - _ROUNDING or high > most + _ROUNDING:
                raise ValueError(
                    f"values from {low:.4g} to {high:.4g}, where {least:g} to {most:g} was expected "
                    "(dataset.source.value_range)"
                )
        return image

    def _good(self, pairs: list[_Pair]) -> list[_Pair]:
        """Return the pairs that can be used.

        Raises:
            DataError: there is none, or one that cannot be used and none may be left out.
        """
        good, bad = [], []
        with track(f"reading {self.root}", len(pairs), "pairs") as advance:
            for pair in pairs:
                for path, size in ((pair.hr, self.image_size), (pair.lr, self.image_size // self.scale)):
                    try:
                        self._read(path, size)
                    except (ValueError, OSError, EOFError) as error:
                        bad.append(f"{path.relative_to(self.root)}: {error or type(error).__name__}")
                        break
                else:
                    good.append(pair)
                advance(1)
        if bad and not good:  # it is the setting that is wrong, not each file
            raise DataError(
                f"No pair of {self.root} can be used; the first: {bad[0]}. Where files are as they should "
                "be, change the setting in brackets."
            )
        if bad:
            more = f"; and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
            names = "; ".join(bad[:_NAMED])
            self._refuse(f"{len(bad)} of {len(pairs)} pairs of {self.root} cannot be used: {names}{more}.")
        return good

    def _convert(self, path: Path) -> None:
        splits: dict[str, list[_Pair]] = {"train": [], "validation": [], "test": []}
        for pair in self._good(self._pairs()):
            splits[split_of(pair.number, self.validation, self.test)].append(pair)
        empty = [split for split, pairs in splits.items() if not pairs]
        if empty:
            raise DataError(
                f"No pair of {self.root} is for {' or '.join(empty)}: the numbers' hashes decide, so give more pairs, "
                "or larger dataset.source.validation and test."
            )
        about = {
            "noise_free": False,
            "pixel_scale": self.pixel_scale,
            "unit": 1.0,
            "units": {"images": "as in the files"},
            "config": {"root": str(self.root)},
        }
        with whole_folder(path) as folder:
            for kind, size in (("hr", self.image_size), ("lr", self.image_size // self.scale)):
                (folder / kind).mkdir()
                writer = SetWriter(folder / kind)
                for split, pairs in splits.items():
                    table = pd.DataFrame({"index": range(len(pairs)), "class": "real", "exposure_time": 1.0})
                    table["number"] = [pair.number for pair in pairs]
                    table["file"] = [getattr(pair, kind).relative_to(self.root).as_posix() for pair in pairs]
                    writer.write(split, (len(pairs), size, size), self._images(pairs, kind, size), table)
                writer.finish(about)

    def _images(self, pairs: list[_Pair], kind: str, size: int) -> Iterator[np.ndarray]:
        for pair in pairs:
            yield self._read(getattr(pair, kind), size)[None]


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*.npy") if not p.name.startswith("."))


def _numbered(folder: Path) -> dict[int, Path]:
    """Return the files of a folder by the last number in their names."""
    found: dict[int, Path] = {}
    for path in _files(folder):
        known = _NUMBER.search(path.stem)
        if known is None:
            raise DataError(f"{path} has no number in its name by which its partner could be found.")
        number = int(known[1])
        if number in found:
            raise DataError(
                f"{found[number].name} and {path.name} in {folder} have one number; partners are found by it."
            )
        found[number] = path
    if not found:
        raise DataError(f"{folder} holds no .npy file.")
    return found


def _named(paths: list[Path], root: Path) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(str(p.relative_to(root)) for p in paths[:_NAMED]) + more
