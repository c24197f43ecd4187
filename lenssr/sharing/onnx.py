"""ONNX files, written only if onnxruntime computes with them what torch does."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lenssr.config.kinds import draws_posteriors
from lenssr.system.files import whole_file
from lenssr.system.progress import say

__all__ = ["TOLERANCE", "example_inputs", "write_onnx"]

TOLERANCE = 1e-4  # of the largest value
_OPSET = 18
_NAMES = {1: ["image"], 3: ["lr", "latent", "noise"], 4: ["noisy", "time", "lr", "guess"]}  # by the number of inputs
_BATCH = 2  # images that a model is traced with


def write_onnx(model: nn.Module, config: dict[str, Any], path: Path) -> str:
    """Write a model as ONNX if its outputs agree with torch's on other sizes than it was traced with.

    Args:
        model: in evaluation mode; one that has ``exported()`` gives its plain form.
        config: of its run.
        path: of the file; not written where torch cannot export the model or the outputs differ.

    Returns:
        What to say of it in the model card.
    """
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError:
        return _none("onnx, onnxscript and onnxruntime are not installed: pip install 'lenssr[onnx]'")
    plain: nn.Module = getattr(model, "exported", lambda: model)()
    reason = ""
    for dynamic in (True, False):
        try:
            with whole_file(path) as temporary:
                _trace(plain, config, temporary, dynamic)
                worst = max(_difference(plain, temporary, inputs) for inputs in _trials(config, dynamic))
                if worst > TOLERANCE:
                    raise ArithmeticError(f"onnxruntime's output is off by {worst:.1e} of its largest value")
        except Exception as error:  # torch and onnxruntime raise of every kind; torch.export is the way out for a user
            reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}"
            continue
        sizes = "any image size"
        if not (dynamic and _free(config)):
            size = _size(config)
            sizes = f"batches of {_BATCH} images of {size} x {size} px alone" if not dynamic else f"{size} x {size} px"
            say(f"model.onnx takes {sizes}: for other sizes use lenssr.load.")
        return f"`model.onnx`: {sizes}; within {worst:.1e} of torch's output, relative to its largest value."
    return _none(reason)


def _none(reason: str) -> str:
    say(f"model.onnx is left out: {reason}")
    return f"No `model.onnx`: {reason}."


def _free(config: dict[str, Any]) -> bool:
    """Whether the network takes images of any size."""
    return "AdversarialAutoencoder" not in config["task"]["_target_"]


def example_inputs(config: dict[str, Any], batch: int, height: int, width: int, seed: int) -> tuple[Tensor, ...]:
    """Return what the network takes: LR images, HR images, or what one that draws takes, by ``_NAMES``."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(batch, 1, height, width, generator=generator)
    if not draws_posteriors(config):
        return (image,)
    scale, model = config["dataset"]["scale"], config["model"]
    if "latent" in model:
        shape = (batch, len(model["widths"]), scale * height, scale * width)
        latent = torch.randn(batch, model["latent"], generator=generator)
        return image, latent, torch.randn(shape, generator=generator)
    noisy = torch.randn(batch, 1, scale * height, scale * width, generator=generator)
    return noisy, torch.rand(batch, generator=generator), image, torch.rand(noisy.shape, generator=generator)


def _size(config: dict[str, Any]) -> int:
    """Return the side of the images that a model is traced with, px: of those that it was trained to see."""
    whole = int(config["dataset"]["image_size"]) // (1 if _sees_hr(config) else int(config["dataset"]["scale"]))
    return int(config["model"].get("image_size") or whole)


def _sees_hr(config: dict[str, Any]) -> bool:
    return "SuperResolution" not in config["task"]["_target_"] and not draws_posteriors(config)


def _trials(config: dict[str, Any], dynamic: bool) -> list[tuple[Tensor, ...]]:
    size = _size(config)
    if not dynamic:
        return [example_inputs(config, _BATCH, size, size, seed) for seed in (1, 2)]
    sizes = [(size, size), (40, 32), (23, 31)] if _free(config) else [(size, size)]
    return [example_inputs(config, 1 + i, *shape, seed=i) for i, shape in enumerate(sizes)]


def _trace(model: nn.Module, config: dict[str, Any], path: Path, dynamic: bool) -> None:
    inputs = example_inputs(config, _BATCH, _size(config), _size(config), seed=0)
    names = _NAMES[len(inputs)]
    free = {0: "batch", 2: "height", 3: "width"} if _free(config) else {0: "batch"}
    axes: dict[str, Any] = {}
    if dynamic:
        axes = {name: free if x.ndim == 4 else {0: "batch"} for name, x in zip(names, inputs, strict=True)}
    for name in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        # the tracer keeps sizes free where a network reshapes by its input's; the newer exporter knows more operators
        torch.onnx.export(
            model, inputs, str(path), input_names=names, output_names=["output"], dynamic_axes=axes or None,
            opset_version=_OPSET, dynamo=not dynamic, external_data=False, verbose=False,
        )  # fmt: skip


def _difference(model: nn.Module, path: Path, inputs: tuple[Tensor, ...]) -> float:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    found = session.run(None, {name: x.numpy() for name, x in zip(names, inputs, strict=True)})[0]
    with torch.inference_mode():
        told = model(*inputs)
    wanted = (told[0] if isinstance(told, tuple) else told).numpy()
    if found.shape != wanted.shape:
        raise ValueError(f"onnxruntime gives {found.shape} where torch gives {wanted.shape}")
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())
