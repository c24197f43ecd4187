"""Read ``.npy`` files, pickled object arrays among them, without running what they hold."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["UnsafeFileError", "read_npy"]

# what numpy's own arrays and scalars are rebuilt from, under its old and its new module names
_ADMITTED = {
    (module, name)
    for core in ("numpy.core", "numpy._core")
    for module, name in (
        (f"{core}.multiarray", "_reconstruct"),
        (f"{core}.multiarray", "scalar"),
        (f"{core}.numeric", "_frombuffer"),
    )
} | {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}


class UnsafeFileError(ValueError):
    """The file asks for something other than an array to be built."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ADMITTED or (module == "numpy.dtypes" and name.endswith("DType")):
            return super().find_class(module, name)
        raise UnsafeFileError(f"it asks for {module}.{name}, which no image needs")


def read_npy(path: Path) -> np.ndarray:
    """Return the array of a ``.npy`` file; object arrays too, if they hold nothing but arrays and numbers.

    Raises:
        UnsafeFileError: the pickle in the file asks for anything else.
        ValueError: the file is not a ``.npy`` file, or is truncated.
    """
    data = path.read_bytes()
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = header(stream)
    if not dtype.hasobject:
        return np.load(io.BytesIO(data), allow_pickle=False)
    try:
        array = _Unpickler(stream).load()
    except UnsafeFileError:
        raise
    except Exception as error:  # a damaged pickle can raise anything
        raise ValueError(f"its pickle is damaged ({error})") from error
    if not isinstance(array, np.ndarray):
        raise ValueError("its pickle holds no array")
    return array.reshape(shape, order="F" if fortran else "C")
