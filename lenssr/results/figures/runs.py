"""Pictures of one run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lenssr.metrics.evaluation import Evaluation
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
        return [comparison(found.example, run, data), *draws]
    if isinstance(found, Evaluation):
        return [comparison(found.example, run, data)]
    from lenssr.results.figures.labels import classes, regression

    return [(classes if "class" in data.labels else regression)(found, run, data)]


def comparison(example: dict[str, np.ndarray], run: Run, data: LensDataModule) -> Path:
    """Draw one test image: LR, bilinear, prediction, HR, truth and the prediction's residual.

    Brightness is the flux rate per HR pixel in an asinh stretch that is linear below the HR noise; every panel has
    the same stretch, and the residual a symmetric linear one.
    """
    plt = pyplot()
    from matplotlib.colors import Normalize

    constant = data.normalization == "constant"
    unit, pixel = data.unit if constant else 1.0, data.sets["test"].pixel_scale
    images = {name: example[name] * unit for name in _TITLES if name in example}
    reference = "truth" if "truth" in images else "hr"
    peak = float(images["hr"].max())
    brightness = stretch(images["hr"], images[reference])
    residual = images["prediction"] - images[reference]
    limit = float(np.quantile(np.abs(residual), 0.999))
    panels = [(_TITLES[name] or _model_name(run), image, brightness, "inferno") for name, image in images.items()]
    panels.append((f"{_model_name(run)} − {_TITLES[reference]}", residual, Normalize(-limit, limit), "RdBu_r"))

    columns = 3
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(4.0 * columns, 3.7 * rows), layout="constrained", sharex=True, sharey=True
    )
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    drawn = []
    half = images["hr"].shape[-1] * pixel / 2
    for axis, (title, image, norm, colours) in zip(axes.flat, panels, strict=False):
        drawn.append(axis.imshow(image, norm=norm, cmap=colours, origin="lower", extent=(-half, half, -half, half)))
        axis.set_title(title)
    for axis in axes[-1]:
        axis.set_xlabel("x / arcsec")
    for axis in axes[:, 0]:
        axis.set_ylabel("y / arcsec")
    bar = figure.colorbar(drawn[0], ax=axes[0, :], pad=0.01)
    bar.set_label("flux / HR pixel / unit time (asinh)" if constant else "min-max of each image (asinh)")
    mark(bar, peak)
    figure.colorbar(drawn[-1], ax=axes[-1, :], pad=0.01).set_label("residual, the same unit (linear)")
    return save(figure, run.file("figures") / "comparison.png")


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
