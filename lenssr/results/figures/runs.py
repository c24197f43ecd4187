"""Pictures of one run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lenssr.metrics.evaluation import Evaluation, Example
from lenssr.metrics.labels import LabelEvaluation
from lenssr.results.figures.canvas import mark, pyplot, save, stretch
from lenssr.runs.folder import Run

if TYPE_CHECKING:
    from lenssr.data import LensDataModule

__all__ = ["comparison", "loss_curve", "read_history", "result_figures", "run_figures"]

_TITLES = {
    "lr": "low resolution",
    "bilinear": "bilinear",
    "prediction": "",
    "hr": "HR, noisy",
    "truth": "HR, noise-free",
}


def run_figures(found: Evaluation | LabelEvaluation, run: Run, data: LensDataModule) -> list[Path]:
    """Draw all pictures of a run: what its test found, and how it was trained."""
    curve = loss_curve(run)
    return [*result_figures(found, run, data), *([curve] if curve else [])]


def result_figures(found: Evaluation | LabelEvaluation, run: Run, data: LensDataModule) -> list[Path]:
    """Draw what a test found: a comparison of images, draws from posteriors, or labels against the true ones."""
    from lenssr.metrics.posterior import PosteriorEvaluation

    if isinstance(found, PosteriorEvaluation):
        from lenssr.results.figures.posterior import animation, calibration, samples

        draws = [draw(found, run, data) for draw in (samples, calibration, animation)]
        return [comparison([Example(found.example, "test image 1")], run, data), *draws]
    if isinstance(found, Evaluation):
        return [comparison(found.examples, run, data)]
    from lenssr.modelling.scores import ModellingEvaluation

    if isinstance(found, ModellingEvaluation):
        from lenssr.results.figures.modelling import measurements

        return [measurements(found, run, data)]
    from lenssr.metrics.finding import FindingEvaluation

    if isinstance(found, FindingEvaluation):
        from lenssr.results.figures.finding import finding

        return finding(found, run, data)
    from lenssr.results.figures.labels import classes, regression

    return [(classes if "class" in data.labels else regression)(found, run, data)]


def comparison(examples: Sequence[Example], run: Run, data: LensDataModule) -> Path:
    """Draw test images, a line each: LR, bilinear, prediction, HR, truth and what the prediction misses, in sigma.

    Brightness is the flux rate per HR pixel in an asinh stretch that is linear below the HR noise, the same along a
    line. The difference is that from the truth, in units of the HR noise, or from the noisy HR image where no truth is
    known.
    """
    from matplotlib.colors import Normalize

    constant = data.normalization == "constant"
    unit, pixel = data.unit if constant else 1.0, data.sets["test"].pixel_scale
    names = [name for name in _TITLES if name in examples[0].images]
    reference = "truth" if "truth" in names else "hr"
    columns = len(names) + 1
    figure, axes = pyplot().subplots(
        len(examples), columns, figsize=(2.75 * columns + 1.6, 2.9 * len(examples) + 0.9), layout="constrained",
        squeeze=False, sharex=True, sharey=True,
    )  # fmt: skip
    for line, example in zip(axes, examples, strict=True):
        images = {name: example.images[name] * unit for name in names}
        sigma = example.images.get("sigma", np.std(images["hr"] - images[reference]) / unit) * unit
        missed = images["prediction"] - images[reference]
        told = bool(np.any(sigma > 0))
        norm = Normalize(-3, 3) if told else Normalize(*(np.quantile(np.abs(missed), 0.999) * s for s in (-1, 1)))
        half = images["hr"].shape[-1] * pixel / 2
        shape: dict[str, Any] = {"origin": "lower", "extent": (-half, half, -half, half)}
        brightness = stretch(images["hr"], images[reference])
        for axis, name in zip(line, names, strict=False):
            drawn = axis.imshow(images[name], norm=brightness, cmap="inferno", **shape)
        missing = line[-1].imshow(missed / sigma if told else missed, norm=norm, cmap="RdBu_r", **shape)
        line[0].set_ylabel(fill(example.title, 24) + "\ny / arcsec", fontsize=9)
        bar = figure.colorbar(drawn, ax=line[-2], pad=0.02, shrink=0.9)
        mark(bar, float(images["hr"].max()))
        other = figure.colorbar(missing, ax=line[-1], pad=0.02, shrink=0.9)
        for colours in (bar, other):
            colours.ax.tick_params(labelsize=8)
    for axis, name in zip(axes[0], names, strict=False):
        axis.set_title(_TITLES[name] or _model_name(run), fontsize=11)
    what = f"({_model_name(run)} − {_TITLES[reference]})" + (" / HR noise" if told else "")
    axes[0, -1].set_title(fill(what, 22), fontsize=11)
    for axis in axes[-1]:
        axis.set_xlabel("x / arcsec", fontsize=9)
    scale = "flux / HR pixel / unit time" if constant else "min-max of each image"
    figure.suptitle(f"{run.name}, seed {run.config['seed']}; {scale} (asinh)", fontsize=11)
    if reference == "truth" and run.config["dataset"]["observation"].get("detector", {}).get("clip"):
        figure.supxlabel("the noise-free sky is not 0: a camera that clips negative counts lifts it", fontsize=9)
    return save(figure, run.file("figures") / "comparison.png", dpi=110)


def _model_name(run: Run) -> str:
    """Return the model's name as it heads a panel."""
    return str(run.config["model"]["name"]).upper()


def read_history(run: Run) -> pd.DataFrame:
    """Return the logged metrics of all attempts; where steps were repeated, the later attempt's."""
    files = sorted((run.folder / "logs").glob("attempt_*/metrics.csv"), key=lambda p: int(p.parent.name.split("_")[1]))
    frames = []
    for file in files:
        try:
            frames.append(pd.read_csv(file))
        except pd.errors.EmptyDataError:
            continue
    if not frames:
        return pd.DataFrame({"step": []})
    for i, frame in enumerate(frames[:-1]):
        later = min((f["step"].min() for f in frames[i + 1 :]), default=np.inf)
        frames[i] = frame[frame["step"] < later]
    return pd.concat(frames, ignore_index=True)


def loss_curve(run: Run) -> Path | None:
    """Draw training loss and validation PSNR against the step; None where nothing was logged."""
    history = read_history(run)
    if "train/loss" not in history or history["train/loss"].dropna().empty:
        return None
    plt = pyplot()
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    names = [c for c in history.columns if c.startswith("train/") and c != "train/loss"]
    styles = ["--", ":", "-."]
    loss = history[["step", "train/loss"]].dropna()
    axis.plot(loss["step"], loss["train/loss"], color="C0", label="training loss")
    for name, style in zip(names, styles, strict=False):
        term = history[["step", name]].dropna()
        if not np.array_equal(term.to_numpy(), loss.to_numpy()):
            axis.plot(term["step"], term[name], style, color="C0", alpha=0.7, label=name.removeprefix("train/"))
    axis.set(xlabel="step", ylabel="loss", yscale="log" if loss["train/loss"].min() > 0 else "linear")
    handles, labels = axis.get_legend_handles_labels()
    if "validation/psnr" in history:
        valid = history[["step", "validation/psnr"]].dropna()
        other = axis.twinx()
        other.plot(valid["step"], valid["validation/psnr"], "o-", color="C1", label="validation PSNR")
        other.set_ylabel("PSNR / dB")
        more = other.get_legend_handles_labels()
        handles, labels = handles + more[0], labels + more[1]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=9, frameon=False)
    axis.set_title(run.name)
    return save(figure, run.file("figures") / "loss_curve.png")
