"""A device that is none: its tensors compute on the CPU, refuse to mix with the CPU's, and count who waits for them.

What breaks on a GPU mostly breaks because a tensor was left on the CPU; what is slow there is slow because the CPU asks
for a number that is not computed yet. Both show here without a GPU. Registering a device changes the whole process, so
tests use this one in a process of its own (``on_standin.py``).
"""

import traceback
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

__all__ = ["DEVICE", "Standin", "there", "waits"]

_setup_privateuseone_for_python_backend("standin", backend_module=_DummyBackendModule())
torch._C._set_only_lift_cpu_tensors(True)  # so that torch.tensor(..., device=) is seen as a copy from the CPU
DEVICE = torch.device("standin", 0)
_PACKAGE = str(Path(__file__).parents[1] / "lenssr")
_OPS = torch.ops.aten
_COPIES = (_OPS._to_copy.default, _OPS.copy_.default)
# what cannot be answered before all that was asked is computed: a number, or how many there are of something
_ASKS = (
    _OPS._local_scalar_dense.default, _OPS.nonzero.default, _OPS.masked_select.default, _OPS.bincount.default,
    _OPS.equal.default, _OPS._unique2.default, _OPS.is_nonzero.default,
)  # fmt: skip
# views that torch resolves at its next operation, but not inside of a dispatch
_PHYSICAL = {_OPS._conj.default: _OPS.conj_physical.default, _OPS._neg_view.default: _OPS.neg.default}
_waited: list[str] = []


class Standin(torch.Tensor):
    """A tensor of the device; ``held`` is where it computes."""

    @staticmethod
    def __new__(cls, held):
        made = torch.Tensor._make_wrapper_subclass(
            cls, held.shape, held.stride(), held.storage_offset(), dtype=held.dtype, device=DEVICE
        )
        made.held = held
        return made

    def tolist(self):
        return self.cpu().tolist()

    def __deepcopy__(self, memo):
        copied = self.detach().clone()
        return torch.nn.Parameter(copied) if self.requires_grad else copied

    def __reduce_ex__(self, protocol):
        return self.held.detach().__reduce_ex__(protocol)

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, op, types, args=(), kwargs=None):
        return _run(op, args, kwargs or {})


class _Mode(TorchDispatchMode):
    """Sees what has no tensor of the device among its arguments: what makes one."""

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        return _run(op, args, kwargs or {})


@contextmanager
def there():
    """Have the device in the block."""
    with _Mode():
        yield DEVICE


@contextmanager
def waits():
    """Give a list that fills with what waits for the device in the block, by operation, file and line."""
    start, found = len(_waited), []
    try:
        yield found
    finally:
        found += _waited[start:]


def _run(op, args, kwargs):
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    ours = [tensor for tensor in tensors if isinstance(tensor, Standin)]
    generator = any(isinstance(leaf, torch.Generator) for leaf in tree_leaves((args, kwargs)))
    device = kwargs.get("device")
    made_here = device is not None and torch.device(device).type == DEVICE.type
    if ours or made_here:
        theirs = [tensor for tensor in tensors if not isinstance(tensor, Standin) and tensor.ndim]
        _refuse_mixture(op, args, ours, theirs, generator)
        if _asks(op, args, kwargs, theirs):
            _waited.append(f"{op} {_where()}")
    else:
        return op(*args, **kwargs)
    held = tree_map_only(Standin, lambda tensor: tensor.held, (args, kwargs))
    if device is not None:
        held[1]["device"] = torch.device("cpu")
    found = _PHYSICAL.get(op, op)(*held[0], **held[1])
    on_device = made_here if device is not None else isinstance(args[0], Standin) if op in _COPIES else True
    if not on_device:
        return found.clone() if op in _COPIES and found is not args[0] else found
    known = {id(tensor.held): tensor for tensor in ours}

    def wrapped(tensor):
        if id(tensor) in known:
            return known[id(tensor)]
        return Standin(tensor.clone() if op is _OPS._to_copy.default else tensor)

    return tree_map_only(torch.Tensor, wrapped, found)


def _refuse_mixture(op, args, ours, theirs, generator):
    """Refuse tensors of two devices, but for copies and for indices, which torch takes from the CPU."""
    indexes = "index" in str(op) and isinstance(args[0], Standin)
    if generator or (ours and theirs and op not in _COPIES and not indexes):
        raise RuntimeError(f"{op} has arguments of two devices, the CPU and {DEVICE}, at {_where()}")


def _asks(op, args, kwargs, theirs):
    if op in _ASKS:
        return True
    if op in _COPIES:
        target = kwargs.get("device") or args[0].device
        crosses = (torch.device(target).type == DEVICE.type) != isinstance(args[-1], Standin)
        return crosses and not kwargs.get("non_blocking") and not (op is _OPS.copy_.default and args[2:] == (True,))
    if "index" not in str(op):
        return False
    masks = [leaf for leaf in tree_leaves(args[1:2]) if isinstance(leaf, torch.Tensor) and leaf.dtype == torch.bool]
    return bool(masks or theirs)


def _where():
    """Return the innermost line of the package that is at work."""
    frames = [frame for frame in traceback.extract_stack() if frame.filename.startswith(_PACKAGE)]
    return f"{frames[-1].filename[len(_PACKAGE) + 1 :]}:{frames[-1].lineno}" if frames else "outside the package"
