"""The short table at the end of a run."""

from __future__ import annotations

from typing import Any

from lenssr.runs import RunResult

__all__ = ["rows", "show"]

COLUMNS = (
    ("report/mse", "MSE", "{:.5f}"),
    ("report/psnr", "PSNR / dB", "{:.2f}"),
    ("report/ssim", "SSIM", "{:.4f}"),
    ("truth/mse", "MSE", "{:.6f}"),
    ("truth/psnr", "PSNR / dB", "{:.2f}"),
    ("truth/ssim", "SSIM", "{:.4f}"),
)
_NAMES = {"bilinear": "bilinear", "ceiling": "noise ceiling"}


def rows(metrics: dict[str, Any], name: str) -> list[list[str]]:
    """Return the table's cells: the prediction, then what it is measured against."""
    table = []
    for who, scores in metrics["scores"].items():
        label = name if who == "prediction" else _NAMES.get(who, who)
        cells = []
        for key, _, form in COLUMNS:
            # the ceiling is the truth itself
            known = key in scores and not (who == "ceiling" and key.startswith("truth/"))
            cells.append(form.format(scores[key]["mean"]) if known else "-")
        table.append([label, *cells])
    return table


def show(result: RunResult, cfg: Any, seconds: str) -> None:
    """Print the table and the folder's path to standard output."""
    from rich.console import Console
    from rich.table import Table

    metrics = result.metrics
    # the prediction of interpolation is the baseline itself
    shown = dict(metrics["scores"])
    if cfg.model.name == "bilinear":
        shown.pop("bilinear", None)
    how = f"in {seconds}" if result.trained else "found finished; nothing was trained"
    table = Table(title=f"{cfg.model.name} on {metrics['images']} test images, {how}", title_justify="left")
    table.add_column("")
    for i, (_, heading, _) in enumerate(COLUMNS):
        table.add_column(f"{heading}\n{'vs noisy HR' if i < 3 else 'vs truth'}", justify="right")
    for cells in rows({**metrics, "scores": shown}, cfg.model.name):
        table.add_row(*cells)
    console = Console(width=None if Console().is_terminal else 110)
    console.print(table)
    if cfg.scale.name != "report":
        console.print(f"scale={cfg.scale.name}: {cfg.scale.advice}")
    console.print(str(result.folder), soft_wrap=True, highlight=False)
