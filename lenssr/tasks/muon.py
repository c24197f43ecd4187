"""Muon: steps along the orthogonal matrix nearest to the momentum (Jordan 2024, kellerjordan.github.io/posts/muon)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.adam import adam

__all__ = ["Muon", "is_matrix", "orthogonalised"]

# of the quintic iteration, which brings every singular value into 0.7 to 1.2 rather than to 1
_A, _B, _C = 3.4445, -4.7750, 2.0315
_ITERATIONS = 5
_TINY = 1e-7
_ADAM_RMS = 0.2  # of Adam's steps over its learning rate, seen in practice (Liu et al. 2025, arXiv:2502.16982)


def is_matrix(parameter: Tensor) -> bool:
    """Whether a parameter maps several numbers to several: a convolution's or a linear layer's weight."""
    return parameter.ndim > 1 and min(len(parameter), parameter[0].numel()) > 1


def orthogonalised(matrix: Tensor) -> Tensor:
    """Return U V^T of the singular value decomposition U S V^T, roughly: its singular values lie in 0.7 to 1.2.

    Newton-Schulz iterations in bfloat16, which is enough for them and what GPUs multiply fastest.

    Args:
        matrix: (rows, columns).
    """
    x = matrix.bfloat16()
    tall = len(x) > x.shape[1]
    if tall:
        x = x.T
    x = x / x.norm().clamp(min=_TINY)
    for _ in range(_ITERATIONS):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=_B, alpha=_C), x, beta=_A)
    return x.T if tall else x


class Muon(Optimizer):
    """Muon for the matrices, Adam for the rest: biases, slopes, steerable filters, a convolution to one channel.

    A convolution's weight (out, in, k, k) counts as the matrix (out, in * k * k). With matrices alone the steps are
    those of ``torch.optim.Muon(adjust_lr_fn="match_rms_adamw")`` without weight decay.

    Args:
        params: of the network.
        lr: of the matrices, of the size that Adam's has: a step's rms is some 0.2 lr for every shape of a matrix.
        adam: the learning rate of the rest over that of the matrices.
        momentum: of the matrices, in Nesterov's form.
        betas: of Adam.

    Raises:
        ValueError: a number is out of its range.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        adam: float = 0.4,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        if lr <= 0 or adam <= 0:
            raise ValueError(f"lr={lr} and adam={adam} must be positive")
        if not all(0 <= value < 1 for value in (momentum, *betas)):
            raise ValueError(f"momentum={momentum} and betas={list(betas)} must lie between 0 and 1")
        parameters = list(params)
        matrices = [p for p in parameters if is_matrix(p)]
        rest = [p for p in parameters if not is_matrix(p)]
        groups = [
            {"params": matrices, "lr": lr, "matrices": True},
            {"params": rest, "lr": adam * lr, "matrices": False},
        ]
        super().__init__([group for group in groups if group["params"]], {"momentum": momentum, "betas": tuple(betas)})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step; ``closure`` computes the gradients and returns the loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters: list[Tensor] = [p for p in group["params"] if p.grad is not None]
            (self._step_matrices if group["matrices"] else self._step_rest)(parameters, group)
        return loss

    def _step_matrices(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        for parameter in parameters:
            state, momentum = self.state[parameter], group["momentum"]
            if not state:
                state["momentum_buffer"] = torch.zeros_like(parameter)
            gradient, buffer = parameter.grad, state["momentum_buffer"]
            assert gradient is not None
            buffer.lerp_(gradient, 1 - momentum)
            direction = orthogonalised(gradient.lerp(buffer, momentum).flatten(1))
            length = group["lr"] * _ADAM_RMS * max(direction.shape) ** 0.5
            parameter.sub_(direction.view_as(parameter).to(parameter.dtype), alpha=length)

    def _step_rest(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        if not parameters:
            return
        states = [self.state[parameter] for parameter in parameters]
        for parameter, state in zip(parameters, states, strict=True):
            if not state:
                state |= {"step": torch.tensor(0.0)}
                state |= {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
        adam(
            parameters,
            [p.grad for p in parameters],  # type: ignore[misc]
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )
