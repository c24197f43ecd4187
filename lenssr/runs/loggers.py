"""Loggers beside the CSV file that is always written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenssr.errors import ConfigError
from lenssr.runs.folder import Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SWEEP", "attach", "close", "histograms", "pictures", "tensorboard", "wandb"]

SWEEP = "LENSSR_SWEEP"  # variable that tells the jobs of a sweep which one they belong to, wherever they run


def wandb(run: Run, mode: str, project: str, entity: str | None, group: str | None) -> Any:
    """Return a Weights & Biases logger whose id is the run's hash, so that a resumed run goes on in the same place.

    Args:
        run: the run.
        mode: ``offline``, ``online`` or ``disabled``.
        project: of W&B.
        entity: user or team; None for the default one.
        group: runs shown together; None for the sweep, which bears its table's name or what it varies, or the search.

    Raises:
        ConfigError: there is no such mode.
    """
    from pytorch_lightning.loggers import WandbLogger

    if mode not in ("offline", "online", "disabled"):
        raise ConfigError(f"logger.mode={mode} is none of offline, online, disabled.")
    folder = run.folder / "logs"
    folder.mkdir(parents=True, exist_ok=True)  # else wandb falls back to the system's temporary folder
    config, ignored = run.config, run.config["task"]["ignores"]
    seed = [] if "seed" in ignored else [f"seed{config['seed']}"]
    resumes: dict[str, Any] = {"resume": "allow"} if mode == "online" else {}
    # an agent of W&B's own sweeps has named its run already
    ours = os.environ["WANDB_RUN_ID"] if "WANDB_SWEEP_ID" in os.environ else run.hash[:16]
    return WandbLogger(
        name="-".join([run.name, *seed, run.hash[:8]]),
        id=ours,
        project=project,
        entity=entity,
        group=group or _sweep(run),
        job_type=config["model"]["name"],
        tags=[config[noun]["name"] for noun in ("model", "loss", "dataset", "scale") if noun not in ignored],
        save_dir=folder,
        mode=mode,
        config={key: config[key] for key in config if key not in ("paths", "logger", "search")} | {"hash": run.hash},
        # offline, the attempts are joined when they are synced, and W&B warns of a setting that it ignores
        **resumes,
    )


def _sweep(run: Run) -> str | None:
    """Return the sweep or search that a run belongs to."""
    from hydra.core.hydra_config import HydraConfig

    if run.config["search"]:
        return f"search-{Path(run.config['search']['folder']).name}"
    named = HydraConfig.get().runtime.choices.get("sweep") if HydraConfig.initialized() else None
    return named or os.environ.get(SWEEP)


def attach(loggers: Iterable[Any], facts: dict[str, Any]) -> None:
    """Attach where a result comes from to the W&B run, beside its configuration."""
    for logger in loggers:
        if _is_wandb(logger):
            logger.experiment.config.update({"provenance": facts}, allow_val_change=True)


def histograms(loggers: Iterable[Any], per_image: pd.DataFrame, step: int) -> None:
    """Log how each of the prediction's scores is spread over the test images."""
    for logger in loggers:
        if _is_wandb(logger):
            import wandb as library

            numbers = per_image.filter(like="prediction/").select_dtypes("number")
            spread = {
                f"per_image/{str(name).removeprefix('prediction/')}": library.Histogram(values.dropna().tolist())
                for name, values in numbers.items()
                if values.notna().any()
            }
            logger.log_metrics(spread, step=step)


def pictures(loggers: Iterable[Any], paths: Sequence[Path]) -> None:
    """Hand pictures to the loggers that take them; a film goes as one."""
    for logger in loggers:
        for path in paths:
            film = path.suffix == ".gif"
            log = getattr(logger, "log_video" if film else "log_image", None)
            if log:
                log(key=path.stem, **{"videos" if film else "images": [str(path)]})


def close(loggers: Iterable[Any], code: int) -> None:
    """End the loggers, so that one process never mixes two runs and a failed run says so."""
    for logger in loggers:
        logger.finalize("success" if code == 0 else "failed")
        if _is_wandb(logger):
            import wandb as library

            if library.run is not None:
                library.finish(exit_code=code)


def _is_wandb(logger: Any) -> bool:
    return type(logger).__name__ == "WandbLogger"  # without importing what few runs use


def tensorboard(run: Run) -> Any:
    """Return a TensorBoard logger."""
    from pytorch_lightning.loggers import TensorBoardLogger

    return TensorBoardLogger(run.folder / "logs", name="tensorboard", version="")
