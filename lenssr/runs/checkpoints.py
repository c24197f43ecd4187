"""Reading checkpoints: tensors and numbers alone, and of the model they claim to be."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lenssr.errors import RunError
from lenssr.system.files import whole_file

__all__ = ["read", "read_shared_weights", "read_weights", "write_weights"]

_PREFIX = "model."


def read(path: Path) -> dict[str, Any]:
    """Return a checkpoint's content; nothing in the file can run code.

    Raises:
        RunError: it is missing or damaged.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(content, dict) or "state_dict" not in content:
            raise ValueError("it holds no state_dict")
    except FileNotFoundError:
        raise RunError(f"There is no checkpoint {path}.") from None
    except (RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(f"The checkpoint {path} cannot be read ({reason}); delete it and repeat the command.") from error
    return content


def read_weights(model: nn.Module, path: Path) -> None:
    """Load a checkpoint's weights into a model.

    Raises:
        RunError: the weights are those of another model.
    """
    state = read(path)["state_dict"]
    _load(model, {key.removeprefix(_PREFIX): value for key, value in state.items() if key.startswith(_PREFIX)}, path)


def write_weights(model: nn.Module, path: Path) -> None:
    """Write a model's weights as a checkpoint that :func:`read_weights` reads, whole."""
    with whole_file(path) as temporary:
        torch.save({"state_dict": {f"{_PREFIX}{key}": value for key, value in model.state_dict().items()}}, temporary)


def read_shared_weights(model: nn.Module, path: Path) -> None:
    """Load the weights of an exported model, a safetensors file.

    Raises:
        RunError: the file is damaged, or the weights are those of another model.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError, AttributeError) as error:
        raise RunError(f"{path} cannot be read ({error}); export or download it again.") from error
    _load(model, weights, path)


def _load(model: nn.Module, weights: dict[str, Any], path: Path) -> None:
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        detail = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise RunError(
            f"The checkpoint {path} is of another model than {type(model).__name__}: {detail} "
            "Delete it, or repeat the command that made it."
        ) from error
