"""Which plane is the image, its noise and its mask where somebody says so."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lenssr.data.files.planes import Plane, planes_of
from lenssr.errors import DataError

__all__ = ["Choice"]

_WORD = re.compile(r"^(?P<file>.+?)?(\[(?P<inside>[^\]]+)\])?$")


@dataclass(frozen=True)
class Choice:
    """Names of planes, each ``NAME``, ``NAME,2`` (of that EXTVER) or the extension's number; None: as the file says.

    Noise and mask may be another file, ``rms.fits`` or ``rms.fits[NAME]``.
    """

    image: str | None = None
    noise: str | None = None
    mask: str | None = None

    def __bool__(self) -> bool:
        return any((self.image, self.noise, self.mask))

    def apply(self, planes: list[Plane], path: Path) -> list[Plane]:
        """Return the planes of a file with the roles that were chosen, those of other files among them.

        Raises:
            DataError: there is no such plane.
        """
        planes = list(planes)
        if self.image:
            chosen = _find(planes, self.image, path)
            for plane in planes:
                plane.kind = "image" if plane is chosen else "other" if plane.kind == "image" else plane.kind
        for kinds, word in ((("sigma", "variance", "inverse"), self.noise), (("mask",), self.mask)):
            if word:
                planes = _with(planes, kinds, word, path)
        return planes


def _with(planes: list[Plane], kinds: tuple[str, ...], word: str, path: Path) -> list[Plane]:
    """Return planes among which one is of some kinds: the chosen one, which belongs to every image."""
    others = [plane for plane in planes if plane.kind not in kinds]
    known = _WORD.match(word)
    file = Path(known["file"]) if known and known["file"] else None
    if file is not None and file.suffix and file.is_file():
        chosen = _elsewhere(file, known["inside"] if known else None)
    else:
        chosen = _find(planes, word, path)
        others = [plane for plane in others if plane is not chosen]
    chosen.kind = chosen.kind if chosen.kind in kinds else kinds[0]
    chosen.prefix, chosen.everyones = "", True
    return [*others, chosen]


def _elsewhere(file: Path, word: str | None) -> Plane:
    if file.suffix.lower() == ".npy":
        values = np.load(file, allow_pickle=False)
        return Plane("", 1, -1, values.reshape(-1, *values.shape[-2:]), {}, "image", "")
    planes = _all(file)
    if not planes:
        raise DataError(f"{file} holds no plane of pixels.")
    found = _find(planes, word, file) if word else planes[0]
    found.number = -1
    return found


def _all(path: Path) -> list[Plane]:
    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(path, memmap=False, lazy_load_hdus=False) as hdus:
            return planes_of(hdus)[0]


def _find(planes: list[Plane], word: str, path: Path) -> Plane:
    name, _, version = word.strip().upper().partition(",")
    for plane in planes:
        numbered = name.isdigit() and not version and plane.number == int(name)
        if numbered or (plane.name == name and (not version or str(plane.version) == version.strip())):
            return plane
    known = ", ".join(f"{p.name},{p.version}" if p.name else str(p.number) for p in planes)
    raise DataError(f"{path} has no plane '{word}' with pixels; it has {known or 'none'}.")
