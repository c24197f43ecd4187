"""Finished tables as tables of W&B."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lenssr.results.tables.render import body
from lenssr.results.tables.table import Table

__all__ = ["rows", "upload"]


def rows(table: Table) -> tuple[list[str], list[list[str | float | None]]]:
    """Return headings and lines: label and parameters as text, mean and spread of every score as numbers."""
    headings = ["model", "parameters", *(f"{column.group}, {column.label}" for column in table.columns)]
    spreads = [f"{heading}, std" for heading in headings[2:]]
    lines: list[list[str | float | None]] = []
    for row, texts in zip(table.rows, body(table, ("", "")), strict=True):
        cells = [row.cells.get(column.key) for column in table.columns]
        means = [cell.mean if cell else None for cell in cells]
        lines.append([texts[0], texts[1], *means, *(cell.std if cell else None for cell in cells)])
    return [*headings, *spreads], lines


def upload(table: Table, pictures: Sequence[Path], folder: Path, mode: str) -> None:
    """Log a table and its pictures to a W&B run of its own, grouped with the table's runs.

    Args:
        table: built.
        pictures: of it.
        folder: for W&B's files.
        mode: ``offline`` or ``online``.
    """
    import wandb

    headings, lines = rows(table)
    with wandb.init(
        project="lenssr",
        id=f"table-{table.name}",
        name=f"table: {table.title}",
        group=table.name,
        job_type="table",
        mode=mode,  # type: ignore[arg-type]
        dir=folder,
        resume=None if mode == "offline" else "allow",
    ) as run:
        content = {table.name: wandb.Table(columns=[*headings], data=[*lines])}
        run.log({**content, **{picture.stem: wandb.Image(str(picture)) for picture in pictures}})
