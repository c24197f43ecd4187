"""Image sets on disk: memory-mapped arrays, parameters in Parquet, and a manifest that vouches for both.

A set is a folder::

    manifest.json                 format, config, versions, units, shapes, checksums
    <split>/images.npy            float32 (N, H, W), uncompressed
    <split>/parameters.parquet    a row an image

It appears whole or not at all, and is refused where a file is missing, shorter or other than the manifest says. Sizes
are looked at whenever it is opened, contents when somebody asks (``verify``): opening reads no image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lenssr.errors import DataError
from lenssr.system.files import read_json, write_json

__all__ = ["FORMAT", "ImageSet", "SetWriter", "fingerprint", "finish_set", "open_set"]

FORMAT = 1


@dataclass(frozen=True)
class ImageSet:
    """One split of a set.

    Attributes:
        images: float32 (N, H, W), memory-mapped; flux per pixel and unit time if ``noise_free``, else as observed.
        table: a row of parameters an image, or the file that holds them; ``class`` and ``exposure_time`` are always
            there.
        pixel_scale: arcsec.
        unit: the one number that images are divided by before a network sees them.
        noise_free: whether the images are expectations, so that noise must be added and truth is known.
        checksum: of the whole set's manifest.
    """

    images: np.ndarray
    table: pd.DataFrame | Path = field(repr=False)
    pixel_scale: float
    unit: float
    noise_free: bool
    checksum: str
    folder: Path = field(repr=False)

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def exposure_time(self) -> np.ndarray:
        """Exposure times, float32 (N,)."""
        return self.column("exposure_time").to_numpy(np.float32)

    @cached_property
    def parameters(self) -> pd.DataFrame:
        """All parameters, a row an image."""
        return _read(self.table) if isinstance(self.table, Path) else self.table

    def column(self, name: str) -> pd.Series:
        """Return one parameter of every image; no other is read.

        Raises:
            KeyError: there is none of that name.
        """
        if name not in self.columns:
            raise KeyError(name)
        if isinstance(self.table, Path) and "parameters" not in self.__dict__:
            return _read(self.table, [name])[name]
        return self.parameters[name]

    @cached_property
    def columns(self) -> list[str]:
        """Names of the parameters."""
        if not isinstance(self.table, Path):
            return [str(name) for name in self.table.columns]
        import pyarrow.parquet as pq

        return [str(name) for name in pq.read_schema(self.table).names]


class SetWriter:
    """Fills the folder of a set, split by split."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.splits: dict[str, Any] = {}

    def write(self, split: str, shape: tuple[int, int, int], chunks: Iterable[np.ndarray], table: pd.DataFrame) -> None:
        """Write the images of one split, given in consecutive chunks (n, H, W), and their parameters."""
        folder = self.folder / split
        folder.mkdir()
        path = folder / "images.npy"
        images = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
        row = 0
        for chunk in chunks:
            images[row : row + len(chunk)] = chunk
            row += len(chunk)
        if row != shape[0]:
            raise DataError(f"{row} images came for the split '{split}' where {shape[0]} were announced.")
        images.flush()
        del images
        table.to_parquet(folder / "parameters.parquet", index=False)
        self.splits[split] = {
            "count": shape[0],
            "files": {name: fingerprint(folder / name) for name in ("images.npy", "parameters.parquet")},
        }

    def finish(self, about: Mapping[str, Any]) -> None:
        """Write the manifest, last."""
        finish_set(self.folder, about, self.splits)


def finish_set(folder: Path, about: Mapping[str, Any], splits: Mapping[str, Any]) -> None:
    """Write the manifest of a set: count and fingerprints of each split, and what else there is to say."""
    write_json(folder / "manifest.json", {"format": FORMAT, **about, "splits": splits})


def fingerprint(path: Path) -> dict[str, Any]:
    """Return size and SHA-256 of a file."""
    with path.open("rb") as stream:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def _mend(folder: Path) -> str:
    return f"Delete the folder {folder} and repeat the command; the set is then made anew."


def open_set(folder: Path, verify: bool = False) -> dict[str, ImageSet]:
    """Open every split of a set.

    Args:
        folder: of the set.
        verify: also read every file and compare its SHA-256.

    Raises:
        DataError: the manifest is unreadable, or a file is missing, truncated or altered.
    """
    path = folder / "manifest.json"
    manifest = read_json(path)
    needed = ("format", "splits", "pixel_scale", "unit", "noise_free")
    if not isinstance(manifest, dict) or any(key not in manifest for key in needed):
        raise DataError(f"The manifest {path} is missing or corrupt. {_mend(folder)}")
    if manifest["format"] != FORMAT:
        raise DataError(f"{folder} has format {manifest['format']}, this version reads {FORMAT}. {_mend(folder)}")
    try:
        numbers = {key: float(manifest[key]) for key in ("pixel_scale", "unit")}
        entries = manifest["splits"].items()
    except (AttributeError, TypeError, ValueError):
        raise DataError(f"The manifest {path} is corrupt. {_mend(folder)}") from None
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    return {
        split: ImageSet(
            images=_open_array(folder, split, entry, verify),
            table=_open_table(folder, split, entry, verify),
            **numbers,
            noise_free=bool(manifest["noise_free"]),
            checksum=checksum,
            folder=folder,
        )
        for split, entry in entries
    }


def _checked(folder: Path, split: str, entry: Any, name: str, verify: bool) -> Path:
    path = folder / split / name
    try:
        length, sha256 = (entry["files"][name][key] for key in ("bytes", "sha256"))
        size = path.stat().st_size
    except FileNotFoundError:
        raise DataError(f"{path} is missing. {_mend(folder)}") from None
    except (KeyError, TypeError):
        raise DataError(f"The manifest {folder / 'manifest.json'} is corrupt. {_mend(folder)}") from None
    if size != length:
        raise DataError(f"{path} is truncated or altered: {size} bytes, {length} expected. {_mend(folder)}")
    if verify and fingerprint(path)["sha256"] != sha256:
        raise DataError(f"{path} is not what was written: its checksum differs. {_mend(folder)}")
    return path


def _open_array(folder: Path, split: str, entry: Any, verify: bool) -> np.ndarray:
    path = _checked(folder, split, entry, "images.npy", verify)
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError) as error:
        raise DataError(f"{path} cannot be read ({error}). {_mend(folder)}") from error


def _open_table(folder: Path, split: str, entry: Any, verify: bool) -> Path:
    import pyarrow.parquet as pq

    path = _checked(folder, split, entry, "parameters.parquet", verify)
    try:
        rows = pq.read_metadata(path).num_rows
    except Exception as error:  # pyarrow raises its own kinds
        raise _unreadable(path, error) from error
    count = entry.get("count", rows)
    if rows != count:
        raise DataError(f"{path} has {rows} rows, {count} expected. {_mend(folder)}")
    return path


def _read(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    try:
        return pd.read_parquet(path, columns=columns)
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read ({error}). {_mend(path.parents[1])}")
