"""Exponential moving average of the weights."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

__all__ = ["EMA"]


class EMA(WeightAveraging):
    """Average with decay min(decay, (1 + n) / (10 + n)) after n updates.

    A plain decay of 0.999 would leave four fifths of the first step's weights after 240 steps.

    e2cnn's layers compute kernels from their weights when they enter evaluation mode, and may drop them when they leave
    it. Those buffers are no weights: they are left out, and computed anew from the averaged ones.

    Args:
        decay: in the long run.

    Raises:
        ValueError: decay is not between 0 and 1.
    """

    def __init__(self, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay={decay} must lie between 0 and 1")
        self.decay = decay
        super().__init__()

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Copy the weights that will be averaged."""
        super().setup(trainer, pl_module, stage)
        if stage == "fit":
            self._average_model = _Average(pl_module, self.decay, pl_module.device)

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Save averaged and current weights."""
        if self._average_model is not None:
            _expand(self._average_model.module)
        super().on_save_checkpoint(trainer, pl_module, checkpoint)

    def _swap_models(self, pl_module: Any) -> None:
        """Exchange the current and the averaged weights."""
        for averaged, current in self._pairs(pl_module):
            kept = averaged.clone()
            averaged.copy_(current)
            current.copy_(kept)
        _expand(pl_module)

    def _copy_average_to_current(self, pl_module: Any) -> None:
        """Put the averaged weights in the place of the current ones."""
        for averaged, current in self._pairs(pl_module):
            current.copy_(averaged)
        _expand(pl_module)

    def _pairs(self, pl_module: nn.Module) -> list[tuple[Tensor, Tensor]]:
        assert self._average_model is not None
        return _pairs(self._average_model.module, pl_module)


class _Average(AveragedModel):
    """Averages by name, for the order of buffers that are dropped and made anew is not kept."""

    def __init__(self, model: nn.Module, decay: float, device: torch.device) -> None:
        super().__init__(model, device, use_buffers=True)  # the model itself may not be there yet
        self.decay = decay
        self._updates: int | None = None  # once it is known: asking the buffer waits for the device

    def load_state_dict(self, *arguments: Any, **more: Any) -> Any:
        """Go on from an earlier average."""
        self._updates = None
        return super().load_state_dict(*arguments, **more)

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take a step's weights into the average; the first are the average. Batch norm's counts are copied."""
        updates = int(self.n_averaged) if self._updates is None else self._updates
        decay = min(self.decay, (1 + updates) / (10 + updates)) if updates else 0.0
        pairs = _pairs(self.module, model)
        averaged, current = (list(side) for side in zip(*(p for p in pairs if p[0].is_floating_point()), strict=True))
        torch._foreach_lerp_(averaged, current, 1 - decay)  # a few kernels, not one a tensor
        for count, now in (pair for pair in pairs if not pair[0].is_floating_point()):
            count.copy_(now)
        self.n_averaged += 1
        self._updates = updates + 1


def _pairs(one: nn.Module, other: nn.Module) -> list[tuple[Tensor, Tensor]]:
    first, second = _weights(one), _weights(other)
    return [(first[name], second[name]) for name in first]


def _weights(module: nn.Module) -> dict[str, Tensor]:
    """Return parameters and buffers by name, less what is computed from them."""
    derived = {
        f"{path}.{name}"
        for path, part in module.named_modules()
        if hasattr(part, "expand_parameters")
        for name in ("filter", "expanded_bias")
    }
    found = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {name: value.data for name, value in found.items() if name not in derived}


def _expand(module: nn.Module) -> None:
    """Compute what e2cnn's layers keep in evaluation mode anew, whatever the mode."""
    for part in module.modules():
        if hasattr(part, "expand_parameters"):
            mode = part.training
            part.training = True  # eval() computes on the way from training alone; train() would drop the buffers
            part.eval()
            part.training = mode
