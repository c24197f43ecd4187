"""From noise to samples: the solvers of diffusers behind one door, counted in network evaluations.

Time runs from 1 (noise) to 0 (data). A ``flow`` network tells the velocity e - x of x_t = (1 - t) x + t e (Liu et al.
2022, arXiv:2209.03003); an ``epsilon`` network tells the noise e of x_t = sqrt(a_t) x + sqrt(1 - a_t) e with the linear
schedule of Ho et al. 2020 (arXiv:2006.11239), T = 1000.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from lenssr.errors import ConfigError, did_you_mean

__all__ = ["SAMPLERS", "STEPS", "alphas", "evaluations_of", "integrate", "scheduler"]

STEPS = 1000
_BETAS = (1e-4, 0.02)

# what each needs of the network: flow or epsilon
SAMPLERS = {
    "flow_euler": "flow",
    "flow_heun": "flow",
    "flow_dpm": "flow",
    "ddpm": "epsilon",
    "ddim": "epsilon",
    "dpm": "epsilon",
}


@cache  # sent to a device once
def alphas(device: torch.device | str = "cpu") -> Tensor:
    """Return a_t, the remaining power of the data, at the T steps of the linear schedule, (T,) float32."""
    betas = torch.linspace(*_BETAS, STEPS, dtype=torch.float64)
    return (1 - betas).cumprod(0).float().to(device)


def scheduler(sampler: str, evaluations: int) -> Any:
    """Return one of diffusers' schedulers, its times set.

    Args:
        sampler: one of ``SAMPLERS``: ``flow_heun`` and ``flow_dpm`` (DPM-Solver++, arXiv:2211.01095) are of second
            order; ``ddpm`` is the ancestral sampler with variance beta_t; ``ddim`` (arXiv:2010.02502) and ``dpm`` (the
            same DPM-Solver++, Karras times) follow its probability flow.
        evaluations: of the network, at most.

    Raises:
        ConfigError: there is no such sampler, or it cannot do with so few evaluations.
    """
    import diffusers

    if sampler not in SAMPLERS:
        raise ConfigError(f"task.sampler={sampler} is unknown. {did_you_mean(sampler, SAMPLERS)}")
    least = 3 if sampler == "flow_heun" else 1
    most = STEPS if SAMPLERS[sampler] == "epsilon" else 10 * STEPS
    if not least <= evaluations <= most:
        raise ConfigError(f"task.evaluations={evaluations} must lie between {least} and {most} for {sampler}.")
    if sampler in ("ddpm", "ddim") and STEPS % evaluations:
        near = min((n for n in range(1, STEPS + 1) if STEPS % n == 0), key=lambda n: abs(n - evaluations))
        raise ConfigError(f"task.evaluations={evaluations} does not divide {sampler}'s {STEPS} steps; use {near}.")
    linear: dict[str, Any] = {
        "num_train_timesteps": STEPS,
        "beta_start": _BETAS[0],
        "beta_end": _BETAS[1],
        "beta_schedule": "linear",
    }
    made: Any
    if sampler == "flow_euler":
        made = diffusers.FlowMatchEulerDiscreteScheduler(num_train_timesteps=STEPS)
    elif sampler == "flow_heun":
        made = diffusers.FlowMatchHeunDiscreteScheduler(num_train_timesteps=STEPS)
    elif sampler == "flow_dpm":
        made = diffusers.DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True)
    elif sampler == "ddpm":
        made = diffusers.DDPMScheduler(
            **linear, variance_type="fixed_large", clip_sample=False, timestep_spacing="trailing"
        )
    elif sampler == "ddim":
        made = diffusers.DDIMScheduler(**linear, clip_sample=False, timestep_spacing="trailing")
    else:
        made = diffusers.DPMSolverMultistepScheduler(**linear, use_karras_sigmas=True, timestep_spacing="trailing")
    # Heun's takes two evaluations a step but for the last
    made.set_timesteps((evaluations + 1) // 2 if sampler == "flow_heun" else evaluations)
    return made


def evaluations_of(made: Any) -> int:
    """Return the network evaluations that a scheduler takes."""
    return len(made.timesteps)


def integrate(
    made: Any,
    network: Callable[[Tensor, float], Tensor],
    noise: Tensor,
    generators: Sequence[torch.Generator] | None = None,
    watch: Callable[[Tensor], None] | None = None,
) -> Tensor:
    """Bring noise to samples.

    Args:
        made: see :func:`scheduler`.
        network: tells velocity or noise of (B, ...) samples at a time between 1 and 0.
        noise: standard normal, (B, ...).
        generators: one a sample, on its device, for samplers that add noise on the way; so that a sample does not
            depend on those beside it.
        watch: sees the samples after every step.
    """
    options = {"generator": list(generators)} if generators and "generator" in _arguments(made) else {}
    x = noise
    for time in made.timesteps:
        told = network(x, float(time) / STEPS)
        x = made.step(told, time, x, **options).prev_sample
        if watch:
            watch(x)
    return x


def _arguments(made: Any) -> set[str]:
    return set(inspect.signature(made.step).parameters)
