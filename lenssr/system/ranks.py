"""Which of a run's processes this one is, told by what started it; asked before torch is imported.

A run on one device is alone, whatever the variables of a scheduler say. Of several devices the processes are started by
torchrun, by srun, or by Lightning, whose first process starts the others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lenssr.errors import ConfigError

__all__ = ["alone", "rank_of", "ranks_end", "starter"]

_LIGHTNINGS = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")


def starter(trainer: dict[str, Any]) -> str:
    """Return what starts the processes of a run: ``torchrun``, ``srun`` or ``lightning``.

    Args:
        trainer: the plain ``trainer`` config.

    Raises:
        ConfigError: others were started than are asked for, or nobody starts those on other nodes.
    """
    if alone(trainer):
        return "lightning"
    wanted, nodes = _processes(trainer), int(trainer.get("num_nodes") or 1)
    started = _number("WORLD_SIZE", 1)
    if "TORCHELASTIC_RUN_ID" in os.environ and started > 1:
        if wanted not in (None, started):
            raise ConfigError(
                f"torchrun started {started} processes where trainer.devices times trainer.num_nodes is {wanted}; "
                "give both the same number."
            )
        return "torchrun"
    tasks = _number("SLURM_STEP_NUM_TASKS", 1)
    if tasks > 1 and wanted in (None, tasks):
        return "srun"
    if nodes > 1 and not {"NODE_RANK", "GROUP_RANK"} & set(os.environ):
        raise ConfigError(
            f"trainer.num_nodes={nodes}, but nothing has started a process on the other nodes, for which the first "
            "would wait for ever; start the command with srun or torchrun, one process a device, or set NODE_RANK, "
            "MASTER_ADDR and MASTER_PORT on each node."
        )
    return "lightning"


def alone(trainer: dict[str, Any]) -> bool:
    """Whether a run takes one device."""
    return _processes(trainer) == 1


def rank_of(trainer: dict[str, Any]) -> int:
    """Return the number of this process among all of a run's, 0 for the one that keeps the folder.

    Raises:
        ConfigError: see :func:`starter`.
    """
    if alone(trainer):
        return 0
    by = starter(trainer)
    if by != "lightning":
        return _number("RANK" if by == "torchrun" else "SLURM_PROCID", 0)
    node = _number("NODE_RANK", _number("GROUP_RANK", 0))
    return node * (_devices(trainer) or 1) + _number("LOCAL_RANK", 0)


@contextmanager
def ranks_end() -> Iterator[None]:
    """Take away, at the end, what makes this process one of several: the next run may be another's, or alone."""
    before = {name: os.environ.get(name) for name in _LIGHTNINGS}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        _leave_group()


def _leave_group() -> None:
    import sys

    distributed = sys.modules.get("torch.distributed")
    if distributed and distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def _devices(trainer: dict[str, Any]) -> int | None:
    """Return the devices that a run takes on each node; None where that is for the machine to say."""
    wanted = trainer.get("devices", 1)
    if isinstance(wanted, list):
        return len(wanted)
    return int(wanted) if str(wanted).isdecimal() and int(wanted) > 0 else None


def _processes(trainer: dict[str, Any]) -> int | None:
    devices = _devices(trainer)
    return devices and devices * int(trainer.get("num_nodes") or 1)


def _number(name: str, otherwise: int) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else otherwise
