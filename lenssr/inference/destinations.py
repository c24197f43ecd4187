"""Where products go: settled, and refused if need be, before anything is computed."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lenssr.data.files.fits import is_product
from lenssr.data.files.names import file_name
from lenssr.errors import ConfigError
from lenssr.system.files import read_json

__all__ = ["Folder"]

_STALE = 60.0  # seconds after which what a process that is gone left behind is taken away


@dataclass(frozen=True)
class Folder:
    """Where the products of many files go.

    Args:
        to: a ``.fits`` file, for one image, or a folder.
        overwrite: replace files that are no products, and make again what is done.

    Raises:
        ConfigError: ``to`` is a file of another kind.
    """

    to: Path
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.to.is_file() and not self.single:
            raise ConfigError(f"-o {self.to} is a file that is no .fits; give a .fits file or a folder.")

    @property
    def single(self) -> bool:
        """Whether it is one file."""
        return self.to.suffix.lower() == ".fits" and not self.to.is_dir()

    @property
    def root(self) -> Path:
        """The folder in which everything lies."""
        return self.to.parent if self.single else self.to

    def path(self, name: str) -> Path:
        """Return the file of a product."""
        return self.to if self.single else self.to / f"{name}_sr.fits"

    def check(self, inputs: Sequence[Path]) -> None:
        """Refuse what could write over an input, or over a file that this program did not write.

        Raises:
            ConfigError: it could.
        """
        if self.single and len(inputs) > 1:
            raise ConfigError(f"{len(inputs)} images do not fit into {self.to}; give a folder with -o.")
        read = {path.resolve() for path in inputs}
        there = [self.to] if self.single else sorted(self.to.glob("*_sr.fits")) if self.to.is_dir() else []
        stems = {file_name(name).lower() for path in inputs for name in (path.name.split(".")[0], path.stem)}
        for path in (path for path in there if self.single or _of_one(path, stems)):
            # a product among the inputs, as *.fits names it, is no input: reading it says so
            if path.resolve() in read and (self.single or not _is_product(path)):
                raise ConfigError(f"{path} is an input; give another file, or a folder, with -o.")
            _refuse_foreign(path, self.overwrite)
        if not self.single and self.to.is_dir():
            _tidy(self.to)

    def done(self, path: Path, key: str, beside: Sequence[str] = ()) -> bool:
        """Whether a product is there, whole, and made of the same input by the same run and settings.

        Args:
            path: of the product.
            key: of run, settings and input.
            beside: endings of further files that are wanted.
        """
        known = read_json(path.with_suffix(".json")) or {}
        if self.overwrite or known.get("key") != key or not path.is_file():
            return False
        return path.stat().st_size == known.get("bytes") and all(path.with_suffix(end).is_file() for end in beside)


def _of_one(path: Path, stems: set[str]) -> bool:
    """Whether a product of some input could be called so."""
    name = path.name.lower().removesuffix("_sr.fits")
    return name in stems or any(name.startswith(f"{stem}_") or name.endswith(f"_{stem}") for stem in stems)


def _refuse_foreign(path: Path, overwrite: bool) -> None:
    known = read_json(path.with_suffix(".json")) or {}
    if path.is_file() and not overwrite and "key" not in known and not _is_product(path):
        raise ConfigError(
            f"{path} is there and was not written by this program; give another place with -o (a folder, if a "
            "pattern as *.fits was meant for the inputs), or --overwrite."
        )


def _tidy(folder: Path) -> None:
    """Take away what killed commands left half-written."""
    for path in folder.glob("*.partial-*"):
        number = path.suffixes[-2].removeprefix(".partial-") if len(path.suffixes) > 1 else ""
        gone = not number.isdigit() or not Path(f"/proc/{number}").exists()
        with suppress(OSError):
            if gone and time.time() - path.stat().st_mtime > _STALE:
                os.unlink(path)


def _is_product(path: Path) -> bool:
    """Whether a file is one of ours."""
    import warnings

    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with fits.open(path) as hdus:
                return is_product(hdus)
        except Exception:  # what cannot be read is another's
            return False
