"""Loggers beside the CSV file that is always written."""

from __future__ import annotations

from typing import Any

from lenssr.runs import Run

__all__ = ["tensorboard", "wandb"]


def wandb(run: Run, mode: str, project: str, entity: str | None, group: str | None) -> Any:
    """Return a Weights & Biases logger whose id is the run's hash, so that a resumed run goes on in the same place.

    Args:
        run: the run.
        mode: ``offline``, ``online`` or ``disabled``.
        project: of W&B.
        entity: user or team; None for the default one.
        group: runs shown together.
    """
    from pytorch_lightning.loggers import WandbLogger

    folder = run.folder / "logs"
    folder.mkdir(parents=True, exist_ok=True)  # else wandb falls back to the system's temporary folder
    return WandbLogger(
        name=f"{run.name}-seed{run.config['seed']}",
        id=run.hash[:16],
        resume="allow",
        project=project,
        entity=entity,
        group=group,
        save_dir=folder,
        mode=mode,
        config={key: run.config[key] for key in run.config if key not in ("paths", "logger")},
    )


def tensorboard(run: Run) -> Any:
    """Return a TensorBoard logger."""
    from pytorch_lightning.loggers import TensorBoardLogger

    return TensorBoardLogger(run.folder / "logs", name="tensorboard", version="")
