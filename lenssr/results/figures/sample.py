"""One test sample and the network of a finished run, for pictures that show what it makes of it."""

from __future__ import annotations

from typing import Any

import torch

from lenssr.data import LensDataModule
from lenssr.runs.folder import RunResult
from lenssr.tasks import Task

__all__ = ["sample_of"]


def sample_of(result: RunResult, index: int) -> tuple[Task, LensDataModule, Any]:
    """Return a run's task on the CPU, ready to be asked; its data; and one test sample as a batch.

    Args:
        result: of a run that has its weights.
        index: of the sample in the test set.
    """
    from lenssr.runs.build import build_data
    from lenssr.runs.load import load_task, read_config

    config = read_config(result.folder)
    data, task = build_data(config), load_task(result.run, config=config)
    cpu = torch.device("cpu")
    task.to(cpu)
    task.attach(data, "test")
    for batch in data.evaluation("test", cpu):
        if index in batch["index"]:
            here = batch["index"] == index
            one: Any = {name: value[here] for name, value in batch.items()}  # type: ignore[index]
            break
    return task, data, one
