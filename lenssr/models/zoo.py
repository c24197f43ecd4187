"""The architectures of spandrel (https://github.com/chaiNNer-org/spandrel), for one channel: HAT, DAT, ATD, RGT, ..."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import torch
from torch import Tensor, nn

from lenssr.errors import ConfigError, did_you_mean

__all__ = ["Spandrel"]

# what the architectures call their numbers of channels and their scale
_CHANNELS = {"in_chans", "out_chans", "in_nc", "out_nc", "num_in_ch", "num_out_ch", "n_colors"}
_SCALES = {"scale", "upscale", "up_scale", "upscaling_factor"}


def _architecture(arch: str) -> Any:
    """Return the class of an architecture.

    Raises:
        ConfigError: spandrel or what it needs is not installed, or it has no such architecture.
    """
    try:
        package = importlib.import_module("spandrel.architectures")
        importlib.import_module("spandrel")
    except (ImportError, RuntimeError) as error:
        raise ConfigError(
            f"model=spandrel needs the extra 'zoo', which cannot be imported ({error}); install it beside the torch "
            "and torchvision of your GPU with pip install 'lenssr[zoo]', or choose another model."
        ) from error
    try:
        return getattr(importlib.import_module(f"spandrel.architectures.{arch}"), arch)
    except (ImportError, AttributeError):
        import pkgutil

        known = [module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")]
        raise ConfigError(f"spandrel has no architecture '{arch}'. {did_you_mean(arch, known)}") from None


class Spandrel(nn.Module):
    """One of spandrel's architectures, untrained.

    Args:
        scale: HR pixels per LR pixel.
        arch: its name in spandrel.
        channels: of the architecture. Some are written for three colours: with 3 it sees the image three times, and
            the mean of what it gives is the result.
        settings: further arguments of its constructor.

    Raises:
        ConfigError: spandrel is missing, or has no such architecture.
        ValueError: the architecture has no such setting, or does not map one image to another ``scale`` times larger.
    """

    def __init__(self, scale: int, arch: str, channels: int, settings: dict[str, Any]) -> None:
        super().__init__()
        build = _architecture(arch)
        known = inspect.signature(build).parameters
        for name in settings:
            if name not in known:
                raise ValueError(f"settings.{name} is no argument of {arch}. {did_you_mean(name, known)}")
        given = dict.fromkeys(_CHANNELS & set(known), channels) | dict.fromkeys(_SCALES & set(known), scale)
        self.channels = channels
        mend = "set model.channels=3, or what it needs with +model.settings.<name>=<value>"
        try:
            self.body = build(**{**given, **settings})
            with torch.no_grad():
                size = tuple(self.eval()(torch.rand(1, 1, 32, 32)).shape)
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"{arch} cannot take an image of one channel as it is ({error}); {mend}") from error
        if size != (1, 1, 32 * scale, 32 * scale):
            raise ValueError(f"{arch} maps 32 px to {size[-1]} px, which is not scale {scale}; {mend}")
        self.train()

    def forward(self, lr: Tensor) -> Tensor:
        """Map (B, 1, h, w) to (B, 1, scale * h, scale * w)."""
        return self.body(lr.repeat(1, self.channels, 1, 1)).mean(1, keepdim=True)
