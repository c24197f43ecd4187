"""Single precision that is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["exact"]


@contextmanager
def exact() -> Iterator[None]:
    """Compute without TF32, in which GPUs otherwise multiply float32 numbers of which they keep ten bits.

    Training may; what is measured, and the images themselves, may not: an exactly equivariant network would be off by
    a thousandth.
    """
    import torch

    matrices, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matrices.allow_tf32, convolutions.allow_tf32
    matrices.allow_tf32 = convolutions.allow_tf32 = False
    try:
        yield
    finally:
        matrices.allow_tf32, convolutions.allow_tf32 = before
