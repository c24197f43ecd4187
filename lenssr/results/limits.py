"""Are the limits what they say? Simulation-based calibration of the posteriors, and a second sampler on some of them.

Where the draws are of the true posterior, true values fall evenly among them (Talts et al. 2018, arXiv:1804.06788). The
second sampler is emcee's affine-invariant ensemble (Foreman-Mackey et al. 2013, arXiv:1202.3665), begun at the fit.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from lenssr.data import LensDataModule
from lenssr.errors import ConfigError
from lenssr.limits.exposures import Exposures
from lenssr.limits.fit import Fitter
from lenssr.limits.kept import Case
from lenssr.limits.lenses import Lenses
from lenssr.limits.prior import Prior
from lenssr.runs.build import build_data
from lenssr.runs.load import load_task, read_config
from lenssr.system.commands import command
from lenssr.system.files import write_json
from lenssr.system.progress import track
from lenssr.tasks import ImageLimit, LabelLimit

__all__ = ["agreement", "main", "ranks"]

_WALKERS, _STEPS, _BURN = 32, 400, 150  # of the second sampler
_BINS = 10  # of the histograms of ranks


def _opened(run: str | Path) -> tuple[LensDataModule, Exposures, dict[int, Case]]:
    config = read_config(run)
    task, data = load_task(run, config=config), build_data(config)
    if not isinstance(task, ImageLimit | LabelLimit):
        raise ConfigError(f"{run} is no run with model=limit or model=label_limit.")
    given = "lr" if isinstance(task, ImageLimit) or data.inputs == "interpolated" else "hr"
    exposures = Exposures(data, "test", task.model, given)
    return data, exposures, exposures.make(data.pairs("test", torch.device("cpu")), data.sets["train"].unit)


def ranks(data: LensDataModule, exposures: Exposures, cases: dict[int, Case]) -> pd.DataFrame:
    """Return, a line an image and a parameter, where the true value lies among the draws.

    Columns: ``class``, ``parameter``, ``rank`` (the part of the draws below the truth, a circle cut where its numbers
    begin: evenly spread for draws of the true posterior, as the rank of any number that is made of draws and truth
    alike), ``pull`` (mean less truth the shorter way, over the standard deviation).
    """
    parameters, rows = data.sets["test"].parameters, []
    for index, case in cases.items():
        prior = Prior(exposures.posteriors.setting.physics, case.name)
        true = prior.places({name: np.array([parameters[name][index]]) for name in prior.names})[0]
        points = exposures.posteriors.read(index)[0].points
        points, true = (np.where(prior.periodic, place % 1, place) for place in (points, true))
        below, away = (points < true).mean(0), points - true
        away = np.where(prior.periodic, (away + 0.5) % 1 - 0.5, away)
        pulls = away.mean(0) / away.std(0, ddof=1)
        for name, rank, pull in zip(prior.names, below, pulls, strict=True):
            rows.append({"class": case.name, "parameter": name, "rank": float(rank), "pull": float(pull)})
    return pd.DataFrame(rows)


def agreement(exposures: Exposures, cases: list[Case]) -> pd.DataFrame:
    """Return, a line an image and a parameter, how two samplers differ.

    Columns: ``index``, ``parameter``, ``shift`` (difference of the means over the standard deviation) and ``ratio`` (of
    the standard deviations).

    Raises:
        ConfigError: the second sampler is not installed.
    """
    try:
        import emcee
    except ImportError as error:
        raise ConfigError("The second sampler is missing: pip install 'lenssr[limits]'.") from error
    setting, rows = exposures.posteriors.setting, []
    known = {name: setting.lenses(name, np.zeros((3, 0))) for name in ("no_sub", "axion")}
    with track("second sampler", len(cases), "images") as advance:
        for case in cases:
            lenses = known[case.name]
            seen = torch.from_numpy(case.seen)
            start = _start(Fitter(known, 2, tried=[case.name]), lenses, seen, case)

            def posterior(points: np.ndarray, lenses: Lenses = lenses, seen: Any = seen, case: Case = case) -> Any:
                inside = ((points >= 0) & (points <= 1) | lenses.prior.periodic).all(1)
                found = np.full(len(points), -np.inf)
                if inside.any():
                    with torch.inference_mode():
                        found[inside] = lenses.log_likelihood(points[inside] % 1, seen, case.time)
                return found

            sampler = emcee.EnsembleSampler(_WALKERS, start.shape[1], posterior, vectorize=True)
            sampler.run_mcmc(start, _STEPS)
            other = sampler.get_chain(discard=_BURN, flat=True)
            rows += _compared(case.index, lenses.prior, exposures.posteriors.read(case.index)[0].points, other)
            advance(1)
    return pd.DataFrame(rows)


def _start(fitter: Fitter, lenses: Lenses, seen: torch.Tensor, case: Case) -> np.ndarray:
    """Return walkers about the fit, as wide as its covariance."""
    found = fitter(seen, case.time)
    rng = np.random.default_rng(case.index)
    width = np.minimum(np.sqrt(np.diag(found.covariance)), 0.1)
    near = lenses.prior.unwalled(found.point) + width * rng.normal(size=(_WALKERS, len(found.point)))
    return np.where(lenses.prior.periodic, near, np.clip(lenses.prior.walled(near), 1e-3, 1 - 1e-3))


def _compared(index: int, prior: Prior, one: np.ndarray, other: np.ndarray) -> list[dict[str, Any]]:
    rows = []
    for k, name in enumerate(prior.names):
        a, b = one[:, k], other[:, k]
        if prior.periodic[k]:  # about a common middle
            middle = np.angle(np.exp(2j * np.pi * a).mean()) / (2 * np.pi)
            a, b = ((x - middle + 0.5) % 1 - 0.5 for x in (a, b))
        rows.append({"index": index, "parameter": name, "shift": (a.mean() - b.mean()) / b.std(),
                     "ratio": a.std(ddof=1) / b.std()})  # fmt: skip
    return rows


def _summary(found: pd.DataFrame) -> list[dict[str, Any]]:
    from scipy.stats import kstest

    return [
        {"class": name, "parameter": parameter, "images": len(part), "p": float(kstest(part["rank"], "uniform").pvalue),
         "pull": float(np.sqrt(np.square(part["pull"]).mean()))}
        for (name, parameter), part in found.groupby(["class", "parameter"], sort=False)
    ]  # fmt: skip


def _draw(found: pd.DataFrame, path: Path) -> Path:
    """Draw the histogram of the ranks of every parameter, with the band that holds 95 % of even ones."""
    from scipy.stats import binom

    from lenssr.results.figures.canvas import pyplot, save

    groups = list(found.groupby(["class", "parameter"], sort=False))
    columns = min(4, len(groups))
    lines = -(-len(groups) // columns)
    figure, axes = pyplot().subplots(
        lines, columns, figsize=(2.8 * columns, 2.3 * lines), layout="constrained", squeeze=False, sharex=True
    )
    for axis in axes.flat[len(groups) :]:
        axis.set_axis_off()
    for axis, ((name, parameter), part) in zip(axes.flat, groups, strict=False):
        low, high = binom.ppf([0.025, 0.975], len(part), 1 / _BINS)
        axis.axhspan(low, high, color="0.85", lw=0)
        axis.axhline(len(part) / _BINS, color="0.5", lw=1)
        axis.hist(part["rank"], _BINS, range=(0, 1), histtype="step", color="C0", lw=1.5)
        axis.set_title(f"{name}: {parameter}", fontsize=10)
        axis.set_ylim(0, None)
        axis.tick_params(labelsize=8)
    figure.supxlabel("part of the draws below the true value (grey: 95 % of even ones)", fontsize=10)
    figure.supylabel("images in a tenth", fontsize=10)
    return save(figure, path)


def main() -> None:
    """The command line of ``scripts/limits.py``."""
    parser = argparse.ArgumentParser(prog="lenssr-limits", description="Are the posteriors behind a limit right?")
    parser.add_argument("run", help="folder of a run with model=limit or model=label_limit")
    parser.add_argument("--second", type=int, default=0, help="images that a second sampler is tried on [%(default)s]")
    parser.add_argument("--to", type=Path, help="folder of the answer [the run's]")
    arguments = parser.parse_args()

    def work() -> None:
        data, exposures, cases = _opened(arguments.run)
        found = ranks(data, exposures, cases)
        told: dict[str, Any] = {"ranks": _summary(found)}
        for row in told["ranks"]:
            print(
                f"{row['class']}, {row['parameter']}: {row['images']} images, ranks even with p = {row['p']:.3f}, "
                f"rms of (mean - truth) / sigma {row['pull']:.2f}"
            )
        if arguments.second:
            chosen = [case for case in cases.values() if not case.told.size][: arguments.second]
            both = agreement(exposures, chosen)
            told["second"] = both.to_dict("records")
            for name, part in both.groupby("parameter", sort=False):
                shift, ratio = np.sqrt(np.square(part["shift"]).mean()), np.exp(np.log(part["ratio"]).mean())
                print(
                    f"second sampler, {name}: means differ by {shift:.2f} sigma (rms), "
                    f"widths by a factor of {ratio:.2f} ({len(part)} images)"
                )
        folder = arguments.to or Path(arguments.run)
        name = f"limit_{exposures.given}"
        write_json(folder / f"{name}.json", told)
        print(_draw(found, folder / f"{name}_ranks.png"))

    command(work)
