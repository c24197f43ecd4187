"""Read ``.npy`` files, pickled object arrays among them, without running what they hold.

A pickle names functions to call. Here the names that numpy writes stand for the small builders below and every
other name is refused, so neither foreign code nor numpy's own unpickling, which trusts its input and crashes on
damaged bytes, ever sees the file.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["UnsafeFileError", "read_npy"]


class UnsafeFileError(ValueError):
    """The file asks for something other than an array to be built."""


class _DType:
    """A type of numbers, or ``object``; structured types are refused."""

    def __init__(self, code: str, *flags: Any) -> None:
        self.code, self.order = str(code), "="

    def __setstate__(self, state: Any) -> None:
        _, order, *parts = state
        if any(part is not None for part in parts[:3]):
            raise UnsafeFileError("it holds a structured array, which no image is")
        self.order = "=" if order == "|" else str(order)

    def numpy(self) -> np.dtype:
        dtype = np.dtype(f"{self.order}{self.code}")
        if dtype.kind not in "biufcO":
            raise ValueError(f"its numbers are of type {dtype}")
        return dtype


class _Array:
    """An array whose content has been read but not yet interpreted."""

    def __init__(self, *reconstruct: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def numpy(self) -> np.ndarray:
        _, shape, dtype, fortran, content = self.state
        kind = dtype.numpy()
        if kind.hasobject:
            flat = np.empty(len(content), dtype=object)
            for i, value in enumerate(content):
                flat[i] = value.numpy() if isinstance(value, _Array) else value
        else:
            flat = np.frombuffer(content, dtype=kind)
        return flat.reshape(shape, order="F" if fortran else "C")


def _frombuffer(content: Any, dtype: _DType, shape: Any, order: str) -> _Array:
    array = _Array()
    array.state = (1, shape, dtype, order == "F", bytes(content))
    return array


def _scalar(dtype: _DType, content: bytes) -> Any:
    kind = dtype.numpy()
    if kind.hasobject:
        raise UnsafeFileError("it holds an object where a number was expected")
    return np.frombuffer(content, dtype=kind, count=1)[0]


def _encode(text: str, coding: str) -> bytes:
    return text.encode("latin1")  # how pickle's second protocol writes bytes


_BUILDERS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
    ("_codecs", "encode"): _encode,
    **{
        (f"{core}.{module}", name): builder
        for core in ("numpy.core", "numpy._core")  # the old name and the new one
        for module, name, builder in (
            ("multiarray", "_reconstruct", _Array),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _frombuffer),
        )
    },
}


class _Unpickler(pickle._Unpickler):  # in Python: the one in C allots what a file claims
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _BUILDERS[module, name]
        except KeyError:
            raise UnsafeFileError(f"it asks for {module}.{name}, which no image needs") from None


def read_npy(path: Path) -> np.ndarray:
    """Return the array of a ``.npy`` file; object arrays too, if they hold nothing but arrays and numbers.

    Raises:
        UnsafeFileError: the pickle in the file asks for anything else.
        ValueError: the file is not a ``.npy`` file, or is truncated.
    """
    data = path.read_bytes()
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = header(stream)
    except Exception as error:  # numpy parses the header as Python and lets its tokenizer's errors through
        raise ValueError(f"not a .npy file, or its header is damaged ({error})") from error
    if not dtype.hasobject:
        if dtype.kind not in "biufc":
            raise ValueError(f"its numbers are of type {dtype}")
        numbers = np.frombuffer(data, dtype=dtype, count=math.prod(shape), offset=stream.tell())
        return numbers.reshape(shape, order="F" if fortran else "C")
    try:
        built = _Unpickler(stream).load()
        array = built.numpy() if isinstance(built, _Array) else None
    except UnsafeFileError:
        raise
    except Exception as error:  # a damaged pickle can raise anything
        raise ValueError(f"its pickle is damaged ({error})") from error
    if array is None:
        raise ValueError("its pickle holds no array")
    return array.reshape(shape, order="F" if fortran else "C")
