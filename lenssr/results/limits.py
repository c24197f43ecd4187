"""Are the limits what they say? Simulation-based calibration of the posteriors, and a second sampler on some of them.

Where the draws are of the true posterior, true values fall evenly among them (Talts et al. 2018, arXiv:1804.06788). The
second sampler is nautilus (Lange 2023, arXiv:2306.16923): nested sampling from the whole prior, which finds every mode.
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
from lenssr.limits.circle import shorter
from lenssr.limits.exposures import Exposures
from lenssr.limits.kept import Case
from lenssr.limits.lenses import Lenses
from lenssr.limits.prior import Prior
from lenssr.runs.build import build_data
from lenssr.runs.load import load_task, read_config
from lenssr.system.commands import command
from lenssr.system.files import write_json
from lenssr.system.progress import track
from lenssr.tasks import ImageLimit, LabelLimit

__all__ = ["agreement", "by_class", "main", "nested", "ranks"]

_LIVE, _WORTH = 1000, 4000  # of the second sampler: points that live, and draws that its answer is worth at least
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
        away = shorter(away, prior.periodic)
        pulls = away.mean(0) / away.std(0, ddof=1)
        for name, rank, pull in zip(prior.names, below, pulls, strict=True):
            rows.append({"class": case.name, "parameter": name, "rank": float(rank), "pull": float(pull)})
    return pd.DataFrame(rows)


def agreement(exposures: Exposures, cases: list[Case]) -> pd.DataFrame:
    """Return, a line an image and a parameter, how two samplers differ.

    Columns: ``index``, ``parameter``, ``shift`` (difference of the means over the standard deviation), ``ratio`` (of
    the standard deviations) and ``evidence`` (difference of its logarithms).
    """
    setting, rows = exposures.posteriors.setting, []
    known = {name: setting.lenses(name, np.zeros((3, 0))) for name in ("no_sub", "axion")}
    with track("second sampler", len(cases), "images") as advance:
        for case in cases:
            points, weight, evidence = nested(known[case.name], case)
            first = exposures.posteriors.read(case.index)[0]
            more = {"index": case.index, "evidence": first.log_evidence - evidence}
            rows += [more | row for row in _compared(known[case.name].prior, first.points, points, weight)]
            advance(1)
    return pd.DataFrame(rows)


def nested(lenses: Lenses, case: Case) -> tuple[np.ndarray, np.ndarray, float]:
    """Return draws of an exposure's posterior (N, d), their weights (N,), and the evidence's logarithm.

    Raises:
        ConfigError: the second sampler is not installed.
    """
    try:
        from nautilus import Sampler
    except ImportError as error:
        raise ConfigError("The second sampler is missing: pip install 'lenssr[limits]'.") from error
    seen, periodic = torch.from_numpy(case.seen), np.flatnonzero(lenses.prior.periodic)

    def likelihood(points: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return lenses.log_likelihood(points, seen, case.time)

    sampler = Sampler(
        lambda points: points, likelihood, len(lenses.prior.names), n_live=_LIVE, vectorized=True, pass_dict=False,
        periodic=periodic, seed=case.index,
    )  # fmt: skip
    sampler.run(n_eff=_WORTH)
    points, weight, _ = sampler.posterior()
    return np.asarray(points), np.exp(weight), float(sampler.log_z)


def _compared(prior: Prior, one: np.ndarray, other: np.ndarray, weight: np.ndarray) -> list[dict[str, Any]]:
    rows = []
    for k, name in enumerate(prior.names):
        a, b = one[:, k], other[:, k]
        if prior.periodic[k]:  # about a common middle
            middle = np.angle(np.exp(2j * np.pi * a).mean()) / (2 * np.pi)
            a, b = (shorter(x - middle, np.array(True)) for x in (a, b))
        mean = np.average(b, weights=weight)
        width = np.sqrt(np.average(np.square(b - mean), weights=weight))
        rows.append({"parameter": name, "shift": (a.mean() - mean) / width, "ratio": a.std(ddof=1) / width})
    return rows


def by_class(run: str | Path) -> list[dict[str, Any]]:
    """Return what a limit scores on the test images of each class: mean and standard error of the PSNR, dB."""
    found = pd.read_parquet(Path(run) / "per_image.parquet")
    score = "prediction/truth/psnr"
    if score not in found:
        return []
    return [
        {"class": name, "images": len(part), "truth/psnr": float(part[score].mean()), "error": _error(part[score])}
        for name, part in found.groupby("class")
    ]


def _error(scores: pd.Series) -> float:
    return float(np.std(scores.to_numpy(float), ddof=1) / len(scores) ** 0.5)


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
        told: dict[str, Any] = {"classes": by_class(arguments.run), "ranks": _summary(found)}
        for row in told["classes"]:
            print(f"{row['class']}: {row['truth/psnr']:.2f} ± {row['error']:.2f} dB on {row['images']} images")
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
            evidence = both.groupby("index")["evidence"].first()
            print(
                f"second sampler: logarithms of the evidence differ by {np.sqrt(np.square(evidence).mean()):.2f} (rms)"
            )
        folder = arguments.to or Path(arguments.run)
        # a limit of labels and one of images may be of the same exposures, and lie side by side
        name = f"limit_{exposures.given}" if told["classes"] == [] else f"limit_images_{exposures.given}"
        write_json(folder / f"{name}.json", told)
        print(_draw(found, folder / f"{name}_ranks.png"))

    command(work)
