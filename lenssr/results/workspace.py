"""A W&B workspace for a sweep: saved views that show learning curves, scores, their spread and images."""

from __future__ import annotations

import argparse
from typing import Any

from lenssr.errors import ConfigError, LensSRError, RunError
from lenssr.system.commands import command
from lenssr.system.progress import say

__all__ = ["build", "main"]

_CURVES = ("train/loss", "validation/psnr", "validation/report/psnr", "validation/truth/psnr")
_SCORES = ("test/report/psnr", "test/truth/psnr", "test/truth/ssim", "test/physics/flux_error", "test/physics/chi2")
_SPREAD = ("per_image/report/psnr", "per_image/truth/psnr")


def build(entity: str, project: str, sweep: str | None) -> Any:
    """Return the workspace; nothing is sent.

    Args:
        entity: user or team.
        project: of W&B.
        sweep: whose runs are shown; None for all.

    Raises:
        ConfigError: wandb-workspaces is missing.
    """
    try:
        import wandb_workspaces.expr as expr
        import wandb_workspaces.reports.v2 as panels
        import wandb_workspaces.workspaces as ws
    except ImportError as error:
        raise ConfigError("A workspace needs wandb-workspaces: pip install 'lenssr[dashboard]'.") from error
    step = "trainer/global_step"
    sections = [
        ws.Section("Learning curves", [panels.LinePlot(title=y, x=step, y=[y]) for y in _CURVES], is_open=True),
        ws.Section("Test scores", [panels.BarPlot(title=name, metrics=[name]) for name in _SCORES], is_open=True),
        ws.Section("Over the test images", [panels.MediaBrowser(media_keys=[name]) for name in _SPREAD]),
        ws.Section("Images", [panels.MediaBrowser(media_keys=["comparison", "loss_curve"])], is_open=True),
        ws.Section("What differs", [panels.RunComparer(diff_only=True)]),
    ]
    runs = ws.RunsetSettings(groupby=[expr.Config("model.name"), expr.Config("loss.name")])
    if sweep:
        runs.filters = [expr.Metric("Group") == sweep]
    return ws.Workspace(entity, project, name=sweep or "all runs", sections=sections, runset_settings=runs)


def main() -> None:
    """The command line of ``scripts/workspace.py``."""
    parser = argparse.ArgumentParser(
        prog="lenssr-workspace",
        description="Save a W&B workspace: curves, scores, images of a sweep's runs, grouped by model and loss.",
    )
    parser.add_argument("entity", help="user or team")
    parser.add_argument("sweep", nargs="?", help="name of a sweep, as residual_models; all runs if none")
    parser.add_argument("--project", default="lenssr", help="[%(default)s]")
    arguments = parser.parse_args()
    command(lambda: _save(arguments))


def _save(arguments: argparse.Namespace) -> None:
    try:
        say(f"saved: {build(arguments.entity, arguments.project, arguments.sweep).save().url}")
    except LensSRError:
        raise
    except Exception as error:  # wandb raises many kinds: no key, no such project, no network
        reason = str(error) or type(error).__name__
        raise RunError(f"W&B did not take the workspace ({reason}); wandb login comes first.") from error
