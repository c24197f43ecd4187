"""What a run computes on, and how: sane for the machine, unless the configuration says otherwise."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch
from lightning_fabric.utilities.rank_zero import rank_zero_only

from lenssr.errors import ConfigError
from lenssr.system.ranks import rank_of, starter

if TYPE_CHECKING:
    from lenssr.tasks import Task

__all__ = ["arrange", "precision_of", "trainer_arguments"]

_OURS = ("validations", "precision", "channels_last", "compile")
_MODES = ("default", "reduce-overhead", "max-autotune")  # of torch.compile


def trainer_arguments(config: dict[str, Any], task: Task) -> dict[str, Any]:
    """Return the arguments of Lightning's trainer that a configuration asks for.

    Raises:
        ConfigError: the task cannot be trained so.
    """
    trainer = config["trainer"]
    found = {key: value for key, value in trainer.items() if key not in _OURS}
    found["accelerator"] = _accelerator(trainer["accelerator"])
    on_gpu = found["accelerator"] == "cuda"
    found["precision"] = _precision(trainer["precision"], on_gpu)
    if found.get("benchmark") == "auto":
        found["benchmark"] = on_gpu  # batches of one size, for which cuDNN's fastest algorithm is tried out once
    if not task.automatic_optimization:
        found.pop("gradient_clip_val", None)  # Lightning clips automatic optimisation alone
        if found["precision"] == "16-mixed":
            raise ConfigError(
                f"trainer.precision=16-mixed scales gradients, which {type(task).__name__}'s three optimizers would "
                "take as they are; use bf16-mixed or 32-true."
            )
        if found.get("strategy") == "ddp":
            found["strategy"] = "ddp_find_unused_parameters_true"  # each optimizer's loss reaches a part of the network
    found["plugins"] = [_environment(starter(trainer)), *found.get("plugins", [])]
    rank_zero_only.rank = rank_of(trainer)  # type: ignore[attr-defined]  # at its import Lightning believes whatever the variables say
    return found


def precision_of(config: dict[str, Any]) -> str:
    """Return the precision that a run trains in on this machine, as Lightning names it."""
    on_gpu = _accelerator(config["trainer"]["accelerator"]) == "cuda"
    return str(_precision(config["trainer"]["precision"], on_gpu))


def _accelerator(wanted: str) -> str:
    """Return ``cuda`` or ``cpu`` for ``auto``; Lightning's would be Apple's GPU, which has no float64.

    Raises:
        ConfigError: that GPU is wanted.
    """
    if wanted == "mps":
        raise ConfigError(
            "trainer.accelerator=mps: Apple's GPUs have no float64, in which the noise is drawn; use trainer=cpu."
        )
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return "cuda" if wanted == "gpu" else wanted


def _precision(wanted: str | int, on_gpu: bool) -> Any:
    """Resolve ``auto``: bf16 where the GPU computes in it; where it is emulated, as on a CPU, fp32 is faster."""
    if wanted != "auto":
        return wanted
    fit = on_gpu and torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16-mixed" if fit else "32-true"


def _environment(by: str) -> Any:
    """Return Lightning's plugin for what starts the processes, which it would guess from a scheduler's variables."""
    from lightning_fabric.plugins.environments import LightningEnvironment, SLURMEnvironment, TorchElasticEnvironment

    if by == "torchrun":
        return TorchElasticEnvironment()
    if by == "lightning":
        return LightningEnvironment()

    class Step(SLURMEnvironment):
        """The tasks of this step, of which an allocation may have several; their number was checked."""

        _validate_srun_used = _validate_srun_variables = staticmethod(lambda: None)

        def world_size(self) -> int:
            return int(os.environ["SLURM_STEP_NUM_TASKS"])

        def validate_settings(self, num_devices: int, num_nodes: int) -> None:
            pass

    return Step(auto_requeue=False)


def arrange(config: dict[str, Any], task: Task, on_gpu: bool) -> None:
    """Lay out the network for training, in place: channels last, compiled.

    Neither changes a name in its checkpoints.

    Raises:
        ConfigError: there is no such mode of compiling.
    """
    last, mode = (config["trainer"].get(key, False) for key in ("channels_last", "compile"))
    if last is True or (last == "auto" and on_gpu):
        task.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if mode in (False, None):
        return
    if mode is not True and mode not in _MODES:
        raise ConfigError(f"trainer.compile={mode} is none of false, true, {', '.join(_MODES)}.")
    task.model.compile(mode=None if mode is True else mode)
