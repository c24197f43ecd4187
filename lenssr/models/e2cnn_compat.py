"""e2cnn 0.2.3 on numpy 2 and on GPUs: three faults of the frozen release, mended where they are.

``kernels/utils.py`` asks for ``np.array(x, copy=False)``, which numpy 2 refuses where a copy is needed, and four
``__hash__`` methods of ``kernels/irreps_basis.py`` call ``ndarray.tostring``, which is gone. ``InnerBatchNorm``
slices with tensors, for each of which the CPU waits.
"""

from __future__ import annotations

import importlib.metadata
import warnings
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import torch

from lenssr.errors import RunError

__all__ = ["e2cnn", "forget_bases"]

_MENDED = "0.2.3"


class _Numpy:
    """numpy, but ``array(x, copy=False)`` copies where it must."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def array(value: Any, *args: Any, copy: bool | None = True, **kwargs: Any) -> np.ndarray:
        return np.array(value, *args, copy=copy or None, **kwargs)


def _hash(self: Any) -> int:
    gamma = self.gamma
    phase = gamma.tobytes() if isinstance(gamma, np.ndarray) else gamma
    return hash((self.in_irrep, self.out_irrep, self.mu.tobytes(), phase))


def _normalised(self: Any, input: Any) -> Any:
    """Apply ``InnerBatchNorm`` with its places as numbers; as device tensors each bound of a slice waits for them."""
    from e2cnn.nn import GeometricTensor

    batch, _, height, width = input.tensor.shape
    output = torch.empty_like(input.tensor)
    for size, contiguous in self._contiguous.items():
        place = slice(*_bounds(self, size)) if contiguous else getattr(self, f"indices_{size}")
        fields = input.tensor[:, place].view(batch, -1, size, height, width)
        output[:, place] = getattr(self, f"batch_norm_[{size}]")(fields).view(batch, -1, height, width)
    return GeometricTensor(output, self.out_type)


def _bounds(self: Any, size: int) -> tuple[int, int]:
    """Return the channels of the fields of one size, which follow each other."""
    known = self.__dict__.setdefault("_bounds", {})
    if size not in known:
        known[size] = tuple(getattr(self, f"indices_{size}").tolist())
    return known[size]


@cache
def e2cnn() -> ModuleType:
    """Return e2cnn, mended.

    Raises:
        RunError: another version than the mended one is installed.
    """
    warnings.filterwarnings("ignore", module=r"e2cnn\..*")  # it indexes with uint8
    version = importlib.metadata.version("e2cnn")
    if version != _MENDED:
        raise RunError(f"e2cnn {version} is installed; the equivariant models need e2cnn=={_MENDED}.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import e2cnn as package
        import e2cnn.kernels.irreps_basis as basis
        import e2cnn.kernels.utils as utils
        import e2cnn.nn
    utils.np = _Numpy()
    package.nn.InnerBatchNorm.forward = _normalised
    for name in (
        "R2FlipsSolution",
        "R2ContinuousRotationsSolution",
        "R2FlipsDiscreteRotationsSolution",
        "R2FlipsContinuousRotationsSolution",
    ):
        getattr(basis, name).__hash__ = _hash
    return package


def forget_bases() -> None:
    """Empty e2cnn's store of kernel bases before a network is built.

    Layers with the same basis share one module, across networks too: moving one network to another device or
    precision would move parts of the others. Within one network that sharing is harmless.
    """
    e2cnn()
    from e2cnn.nn.modules.r2_conv import basisexpansion_singleblock

    basisexpansion_singleblock._stored_filters.clear()
