"""``lenssr compare <run>``: where a run of one's own stands among the trainings of a table of the package's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lenssr.errors import ConfigError, RunError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from lenssr.commands.sides import Side

__all__ = ["placed", "show"]


def placed(own: Side, table: str, score: str) -> pd.DataFrame:
    """Return, a line a row of the table, best first: mean, one's own less it, Holm's p and the verdict.

    Columns: ``row`` (its label), ``trainings``, ``mean``, ``difference`` (one's own less the row's), ``low``,
    ``high`` (95 %), ``p_holm``, ``verdict``.

    Raises:
        ConfigError: there is no such table, or no such score in it.
        RunError: the run was tested on other images.
    """
    import numpy as np
    import pandas as pd

    from lenssr.commands.sides import LOWER, scores_of
    from lenssr.results.shipped import results, same_set
    from lenssr.results.tables.statistics import Comparison, compare, holm, verdict

    known = results(table)
    if score not in known:
        choices = [str(c) for c in known if "/" in str(c)]
        raise ConfigError(f"Table {table} has no score '{score}'. {did_you_mean(score, choices)}")
    apart = same_set(own.runs[0].config, table)
    if apart:
        raise RunError(
            f"{own.label} was tested on other images than table {table}: its {apart} differs. Train it on that set, "
            f"or fill a table of your own: python scripts/tables.py {table} --run."
        )
    mine = scores_of(own).get(score)
    if mine is None:
        raise RunError(f"{own.label} has no {score} of every image.")
    better = not score.endswith(LOWER)
    found: list[dict[str, Any]] = []
    compared: list[Comparison] = []
    for label, rows in known.groupby("label", observed=True, sort=False):
        grid = rows.pivot(index="seed", columns="index", values=score)
        if not np.isfinite(grid.to_numpy()).all():
            continue
        result = compare(mine, grid.to_numpy(float), paired=own.seeds == tuple(grid.index))
        line = {"row": str(label), "trainings": len(grid), "mean": float(grid.to_numpy(float).mean())}
        compared.append(result)
        found.append({**line, "difference": result.difference, "low": result.low, "high": result.high})
    for line, result, p in zip(found, compared, holm([one.p for one in compared]), strict=True):
        line |= {"p_holm": float(p), "verdict": verdict(result, float(p), better)}
    found.append({"row": own.label, "trainings": len(own.runs), "mean": float(mine.mean())})
    return pd.DataFrame(found).sort_values("mean", ascending=not better, ignore_index=True)


def show(own: Side, table: str, score: str) -> None:
    """Print it."""
    from rich.console import Console
    from rich.table import Table

    found = placed(own, table, score)
    shown = Table("", "trainings", score, "yours less it", "95 % interval", "p (Holm)", "yours is")
    digits = 2 if score.endswith("psnr") else 4
    for line in found.to_dict("records"):
        cells = [f"{line['mean']:.{digits}f}"]
        if line["row"] == own.label and line["difference"] != line["difference"]:
            shown.add_row(own.label, str(line["trainings"]), *cells, "", "", "", "", style="bold")
            continue
        cells += [f"{line['difference']:+.{digits}f}", f"{line['low']:+.{digits}f} to {line['high']:+.{digits}f}"]
        shown.add_row(line["row"], str(line["trainings"]), *cells, f"{line['p_holm']:.2g}", str(line["verdict"]))
    Console(width=None if Console().is_terminal else 160).print(shown)
    print(f"Table {table} of the package's own trainings; Student's t over trainings, Holm-corrected over the rows.")
    if len(own.runs) == 1:
        print("Of yours there is one training: another seed might differ by more. Train more (-m seed=0,1,2).")
