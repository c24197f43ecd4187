"""The short table at the end of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lenssr.config.compose import plain
from lenssr.config.recipe import off_recipe
from lenssr.runs.folder import RunResult

__all__ = ["columns", "rows", "show", "show_runs"]

Column = tuple[str, str, str]  # score, heading, format

_IMAGES: list[Column] = [
    ("report/mse", "MSE\nvs noisy HR", "{:.5f}"),
    ("report/psnr", "PSNR / dB\nvs noisy HR", "{:.2f}"),
    ("report/ssim", "SSIM\nvs noisy HR", "{:.4f}"),
    ("truth/mse", "MSE\nvs truth", "{:.6f}"),
    ("truth/psnr", "PSNR / dB\nvs truth", "{:.2f}"),
    ("truth/ssim", "SSIM\nvs truth", "{:.4f}"),
]
_DRAWS: list[Column] = [
    ("report/psnr", "PSNR / dB\nvs noisy HR", "{:.2f}"),
    ("truth/psnr", "PSNR / dB\nvs truth", "{:.2f}"),
    ("truth/ssim", "SSIM\nvs truth", "{:.4f}"),
    ("ensemble/crps", "CRPS", "{:.5f}"),
    ("ensemble/coverage68", "in the 68 %\ninterval", "{:.1%}"),
    ("ensemble/spread_skill", "spread\n/ error", "{:.3f}"),
]
_NAMES = {
    "bilinear": "bilinear",
    "ceiling": "noise ceiling",
    "mean": "the mean, always",
    "chance": "chance",
    "sample": "one draw",
    "guess": "regression alone",
}


def columns(scores: dict[str, Any]) -> list[Column]:
    """Return the columns for the scores of a prediction: of draws, of images, or one for each score of labels."""
    if "ensemble/crps" in scores:
        return _DRAWS
    if "report/mse" in scores:
        return _IMAGES
    return [(key, key.replace("/", "\n"), "{:.4f}") for key in scores]


def rows(metrics: dict[str, Any], name: str) -> list[list[str]]:
    """Return the table's cells: the prediction, then what it is measured against."""
    table = []
    for who, scores in metrics["scores"].items():
        if who == "brighter":  # for the tables: what the report's SSIM is blind to
            continue
        label = name if who == "prediction" else _NAMES.get(who, who)
        cells = []
        for key, _, form in columns(metrics["scores"]["prediction"]):
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
    for _, heading, _ in columns(shown["prediction"]):
        table.add_column(heading, justify="right")
    for cells in rows({**metrics, "scores": shown}, cfg.model.name):
        table.add_row(*cells)
    console = Console(width=None if Console().is_terminal else 110)
    console.print(table)
    apart = off_recipe(plain(cfg))
    if apart:
        console.print(f"Not the recipe of scale={cfg.scale.name}: {_told(apart)}. No score to compare with others.")
    elif cfg.scale.name != "report":
        console.print(f"scale={cfg.scale.name}: {cfg.scale.advice}")
    console.print(str(result.folder), soft_wrap=True, highlight=False)


def _told(apart: Sequence[str]) -> str:
    """Return what sets a run apart from its recipe, for a reader."""
    words = {"debug": "a debug run of a few steps on a few images"}
    return ", ".join(words.get(word) or word.replace("steps", " steps").replace("images", " images") for word in apart)


def show_runs(runs: Sequence[tuple[Sequence[str], RunResult | None]]) -> None:
    """Print the finished runs of a sweep, a line each: what sets it apart, its scores, its folder.

    Args:
        runs: overrides and result of each; runs without a result are left out.
    """
    from rich.console import Console
    from rich.table import Table

    done = [(overrides, result) for overrides, result in runs if result and "scores" in result.metrics]
    common = set.intersection(*(set(overrides) for overrides, _ in runs)) if len(runs) > 1 else set()
    kinds: dict[tuple[str, ...], list[tuple[str, RunResult]]] = {}
    for overrides, result in done:
        label = " ".join(word for word in overrides if word not in common)
        scores = result.metrics["scores"]["prediction"]
        kinds.setdefault(tuple(heading for _, heading, _ in columns(scores)), []).append((label, result))
    console = Console(width=None if Console().is_terminal else 140)
    for headings, members in kinds.items():
        table = Table("run", *headings, "folder")
        for column in table.columns[1:-1]:
            column.justify = "right"
        for label, result in members:
            scores = result.metrics["scores"]["prediction"]
            cells = [form.format(scores[key]["mean"]) if key in scores else "-" for key, _, form in columns(scores)]
            table.add_row(label, *cells, str(result.folder.name))
        console.print(table)
    for parent in sorted({str(result.folder.parent) for _, result in done}):
        console.print(f"folders: {parent}", soft_wrap=True, highlight=False)
