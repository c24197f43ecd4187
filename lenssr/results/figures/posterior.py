"""Pictures of draws from posteriors: what they look like, whether they are honest, how one comes about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lenssr.metrics.calibration import LEVELS
from lenssr.metrics.posterior import PosteriorEvaluation
from lenssr.results.figures.canvas import mark, pyplot, save, stretch
from lenssr.runs.folder import Run
from lenssr.system.files import whole_file

if TYPE_CHECKING:
    from lenssr.data import LensDataModule

__all__ = ["animation", "calibration", "samples"]

_PANELS = {
    "lr": "low resolution",
    "guess": "regression",
    "prediction": "mean of the draws",
    "draw 1": "draw 1",
    "draw 2": "draw 2",
    "hr": "HR, noisy",
    "truth": "HR, noise-free",
}


def samples(found: PosteriorEvaluation, run: Run, data: LensDataModule) -> Path:
    """Draw one test image: LR, regression, mean, draws, targets, the spread, and the mean's error in its units."""
    from matplotlib.colors import Normalize

    images = {name: found.example[name] * data.unit for name in _PANELS if name in found.example}
    std = found.example["std"] * data.unit
    target = images["truth" if data.target == "truth" else "hr"]
    brightness = stretch(images["hr"], images.get("truth", images["prediction"]))
    half = target.shape[-1] * data.sets["test"].pixel_scale / 2
    extent = (-half, half, -half, half)
    panels = [(_PANELS[name], image, brightness, "inferno") for name, image in images.items()]
    panels.append(("standard deviation of the draws", std, Normalize(0, float(np.quantile(std, 0.999))), "viridis"))
    told = "truth" if data.target == "truth" else "HR"
    error = (images["prediction"] - target) / np.maximum(std, 1e-3 * std.max())
    panels.append((f"(mean − {told}) / standard deviation", error, Normalize(-4, 4), "RdBu_r"))
    columns = 3
    lines = -(-len(panels) // columns)
    figure, axes = pyplot().subplots(lines, columns, figsize=(3.9 * columns, 3.5 * lines), layout="constrained")
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    for axis, (title, image, norm, colours) in zip(axes.flat, panels, strict=False):
        drawn = axis.imshow(image, norm=norm, cmap=colours, origin="lower", extent=extent)
        axis.set_title(title, fontsize=10)
        axis.tick_params(labelsize=8)
        bar = figure.colorbar(drawn, ax=axis, shrink=0.85)
        if norm is brightness:
            mark(bar, float(images["hr"].max()))
    figure.supxlabel("arcsec; images in flux / HR pixel / unit time (asinh)", fontsize=9)
    figure.suptitle(f"{run.config['model']['name']}: {found.cost}", fontsize=11)
    return save(figure, run.file("figures") / "samples.png")


def calibration(found: PosteriorEvaluation, run: Run, data: LensDataModule) -> Path:
    """Draw, by brightness, where targets fall among the draws, and how far coverage misses its level."""
    from matplotlib.ticker import MaxNLocator

    figure, (left, right) = pyplot().subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    assert found.calibration is not None
    rows = [row for row in found.calibration.to_dict("records") if row["pixels"]]
    for i, row in enumerate(rows):
        colour = "k" if row["brightness"] == "all" else f"C{i}"
        share = np.array([row[f"place_{k}"] for k in range(found.draws + 1)]) * (found.draws + 1)
        left.step(np.arange(found.draws + 1), share, where="mid", color=colour, lw=1.4, label=row["brightness"])
        levels = 100 * np.array(LEVELS)
        names = [f"coverage{level:.0f}" for level in levels]
        miss = 100 * np.array([row[name] for name in names]) - levels
        error = 100 * np.array([row[f"{name}_error"] for name in names])
        right.errorbar(levels + 1.2 * (i - 2), miss, error, fmt="o-", ms=5, capsize=3, color=colour, lw=1)
    left.axhline(1, color="0.5", ls="--", lw=1)
    left.set(xlabel=f"draws of {found.draws} below the target", ylabel="pixels, relative to a flat histogram")
    left.set_ylim(bottom=0)
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.axhline(0, color="0.5", ls="--", lw=1)
    right.set(xlabel="nominal coverage / %", ylabel="coverage − nominal / %", xticks=levels)
    right.set_title("bars: standard error over images", fontsize=9)
    figure.legend(*left.get_legend_handles_labels(), loc="outside right center", fontsize=9, title="pixels")
    what = "noise-free truth" if data.target == "truth" else "noisy HR image"
    figure.suptitle(
        f"{run.config['model']['name']}, seed {run.config['seed']}, against the {what}: {found.cost}", fontsize=11
    )
    return save(figure, run.file("figures") / "calibration.png")


def animation(found: PosteriorEvaluation, run: Run, data: LensDataModule) -> Path:
    """Write one draw on its way from noise to image as a GIF, its last frame held."""
    from matplotlib import colormaps
    from PIL import Image

    reference = found.example.get("truth", found.example["prediction"])
    norm = stretch(found.example["hr"] * data.unit, reference * data.unit)
    colours: Any = colormaps["inferno"]
    frames = []
    for frame in found.frames:
        rgb = (255 * colours(np.clip(norm(frame[::-1] * data.unit), 0, 1))[..., :3]).astype(np.uint8)
        frames.append(Image.fromarray(rgb).resize((256, 256), Image.Resampling.NEAREST))
    path = run.file("figures") / "denoising.gif"
    with whole_file(path) as temporary:
        pause = [120] * (len(frames) - 1) + [2000]
        frames[0].save(temporary, save_all=True, append_images=frames[1:], duration=pause, loop=0)
    return path
