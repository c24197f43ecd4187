"""Files in, one after the other: read ahead, named, and known by what is in them."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from lenssr.data.files.images import Image
from lenssr.data.files.names import Taken, file_name
from lenssr.errors import DataError
from lenssr.system.progress import say

__all__ = ["Input", "Item", "ahead", "inputs_of", "items"]

_AHEAD = 16  # images that are read before they are needed
_T = TypeVar("_T")


@dataclass(frozen=True)
class Input:
    """A file, and what comes before the names of its images where another file is called as it is."""

    path: Path
    prefix: str = ""


@dataclass
class Item:
    """An image on its way.

    Attributes:
        image: as it was read.
        source: file that it is from.
        name: of its product, unlike every other's.
        key: of the run, the settings and all that was read, by which its product is known to be done.
        share: of its file.
    """

    image: Image
    source: Path
    name: str
    key: str
    share: float


def inputs_of(paths: Sequence[str | Path]) -> list[Input]:
    """Return the files; of two with one name each gets its folder's name before its own, or else a number."""
    found = [Path(path) for path in paths]
    counts = Counter(path.name.lower() for path in found)
    taken, inputs = Counter[str](), []
    for path in found:
        prefix = f"{path.resolve().parent.name}_" if counts[path.name.lower()] > 1 else ""
        stem = prefix + path.name.split(".")[0].lower()
        taken[stem] += 1
        inputs.append(Input(path, f"{taken[stem]}_{prefix}" if taken[stem] > 1 else prefix))
    return inputs


def items(
    inputs: Iterable[Input], read: Callable[[Path], Collection[Image]], settings: str, failures: list[str]
) -> Iterator[Item]:
    """Yield the images of all files that can be read; the others are named, and their faults added to ``failures``.

    Args:
        inputs: the files.
        read: returns the images of one.
        settings: hash of the run and of what was asked of it.
        failures: are added to.
    """
    taken = Taken()
    for one in inputs:
        try:
            images = read(one.path)
        except DataError as error:
            failures.append(str(error))
            say(f"left out: {error}")
            continue
        for image in images:
            image.name = one.prefix + image.name
            name = taken.take(file_name(image.name))
            yield Item(image, one.path, name, _key(image, settings), 1 / len(images))


def _key(image: Image, settings: str) -> str:
    digest = hashlib.blake2b(f"{settings} {image.data.shape}".encode(), digest_size=16)
    digest.update(image.data.data if image.data.flags.c_contiguous else image.data.tobytes())
    for known in (image.rms, image.background, image.electrons):
        if isinstance(known, np.ndarray):
            digest.update(known.tobytes())
    if image.header is not None:
        digest.update(image.header.tostring().encode("latin-1", "replace"))
    return digest.hexdigest()


def ahead(source: Iterable[_T], depth: int = _AHEAD) -> Iterator[_T]:
    """Yield what a source yields, which a thread asks for before it is needed; what it raises is raised here."""
    waiting: queue.Queue[tuple[bool, object]] = queue.Queue(depth)
    stopped = threading.Event()

    def put(entry: tuple[bool, object]) -> bool:
        while not stopped.is_set():
            try:
                waiting.put(entry, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for one in source:
                if not put((True, one)):
                    return
            put((False, None))
        except BaseException as error:
            put((False, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        while True:
            more, one = waiting.get()
            if not more:
                if one is not None:
                    raise one  # type: ignore[misc]
                return
            yield one  # type: ignore[misc]
    finally:
        stopped.set()
