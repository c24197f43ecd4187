"""May a network's images be trusted? One page: clumps put in and looked for, empty sky, departures, attribution."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from lenssr.metrics.evaluation import bilinear
from lenssr.results.scenes import Scenes
from lenssr.results.trust.clumps import SIGNALS, SIZES, contrasts, smallest
from lenssr.results.trust.maps import Attribution, attribution, departures, of_nothing
from lenssr.runs.find import A_RUN
from lenssr.system.commands import command
from lenssr.system.files import whole_file, write_json, write_text
from lenssr.system.precision import exact

__all__ = ["Trust", "main", "trust"]


@dataclass(frozen=True)
class Trust:
    """What was found of a run.

    Attributes:
        name: of the run.
        clumps: see :func:`lenssr.results.trust.clumps.contrasts`.
        nothing: see :func:`lenssr.results.trust.maps.of_nothing`.
        flux: parts of the light that are hallucinated and omitted, and of bilinear's squared error that is gone; means.
        example: images of the lens whose error is the median's, (H, W), and its departures.
        source: of a bright pixel of that lens.
        pixel_scale: of the example, arcsec.
    """

    name: str
    clumps: pd.DataFrame
    nothing: dict[str, dict[str, float]]
    flux: dict[str, float]
    example: dict[str, np.ndarray]
    source: Attribution
    pixel_scale: float


def trust(run: str | Path, count: int = 24) -> Trust:
    """Ask a super-resolution run on a simulated set what of its images is there, and what is not.

    Args:
        run: its folder, or a name of :func:`lenssr.runs.find.find`.
        count: lenses, none of them of a split.

    Raises:
        ConfigError: the run upscales no simulated images.
    """
    scenes = Scenes(run)
    table = scenes.lenses(count)
    with exact(), torch.inference_mode():
        light = scenes.light(table)
        batch = scenes.observe(table, *light)
        image, other = scenes.task.upscale(batch["lr"]), bilinear(batch)
        away = departures(image, other, batch)
        nothing = of_nothing(scenes, table, (light[0].shape[1], light[0].shape[2]))
        clumps = contrasts(scenes, table, light)
    squares = [((one - batch["truth"]).square() / batch["variance"]).mean((1, 2, 3)).numpy() for one in (image, other)]
    sigma, total = batch["variance"].sqrt()[:, 0].numpy(), batch["truth"].sum((1, 2, 3)).numpy()
    flux = {name: float(((away[name] * sigma).sum((1, 2)) / total).mean()) for name in ("hallucination", "omission")}
    flux["gone"] = float(1 - squares[0].sum() / squares[1].sum())
    middle = int(np.argsort(squares[0])[len(squares[0]) // 2])
    example = {"LR": batch["lr"][middle, 0].numpy(), "truth": batch["truth"][middle, 0].numpy()}
    example |= {"network": image[middle, 0].numpy(), **{name: maps[middle] for name, maps in away.items()}}
    place = _bright(example["truth"], float(table["theta_E"].iloc[middle]) / scenes.pixel_scale)
    source = attribution(scenes, batch["lr"][middle : middle + 1].clone(), place)
    return Trust(scenes.folder.name, clumps, nothing, flux, example, source, scenes.pixel_scale)


def _bright(image: np.ndarray, radius: float) -> tuple[int, int]:
    """Return the brightest pixel that is not the lens's own: beyond half of the Einstein radius, off the edge."""
    y, x = np.indices(image.shape)
    size = len(image)
    from_middle = np.hypot(y - (size - 1) / 2, x - (size - 1) / 2)
    arcs = np.where((from_middle > 0.5 * radius) & (from_middle < 0.45 * size), image, -np.inf)
    row, column = np.unravel_index(int(arcs.argmax()), image.shape)
    return int(row), int(column)


def summary(found: Trust) -> dict[str, Any]:
    """Return the numbers of the page, as they are written to JSON."""
    from scipy.stats import mannwhitneyu

    rows = []
    for signal in SIGNALS:
        for size in SIZES:
            some = found.clumps[(found.clumps["signal"] == signal) & (found.clumps["size"] == size)]
            row: dict[str, float] = {"signal": signal, "size": size}
            for who in ("returned", "bilinear"):
                values = some[who].to_numpy(float)
                error = values.std(ddof=1) / len(values) ** 0.5
                row |= {f"{who}_mean": float(values.mean()), f"{who}_sem": float(error)}
            rows.append(row)
    half = {f"{s:g}": {w: smallest(found.clumps, w, s) for w in ("returned", "bilinear")} for s in SIGNALS}
    # lens by lens: the magnification of a clump goes with its size, and what is returned with it too
    lenses = found.clumps.groupby("lens")[["returned", "magnification"]].mean()
    middle = float(lenses["magnification"].median())
    above = lenses["magnification"] > middle
    groups = {"below": lenses.loc[~above, "returned"], "above": lenses.loc[above, "returned"]}
    by_magnification = {name: float(values.mean()) for name, values in groups.items()}
    by_magnification["p"] = float(mannwhitneyu(groups["below"], groups["above"]).pvalue)
    return {
        "clumps": rows,
        "half_returned_at": half,
        "median_magnification": middle,
        "returned_by_magnification": by_magnification,
        "nothing": found.nothing,
        "flux": found.flux,
        "attribution": {"half": found.source.half, "most": found.source.most},
        "lenses": int(found.clumps["lens"].nunique()),
    }


def markdown(found: Trust) -> str:
    """Return the page."""
    s = summary(found)
    known = {(row["signal"], row["size"]): row for row in s["clumps"]}
    lines = [f"# May {found.name} be trusted?", "", "## What is returned of what is there", ""]
    lines += ["| S/N in LR | " + " | ".join(f"{size:g} px" for size in SIZES) + " | half is returned from |"]
    lines += ["| ---: |" + " ---: |" * (len(SIZES) + 1)]
    for signal in SIGNALS:
        for who in ("returned", "bilinear"):
            cells = [known[signal, size] for size in SIZES]
            shown = [f"{100 * row[f'{who}_mean']:.0f} ± {100 * row[f'{who}_sem']:.0f}" for row in cells]
            at = s["half_returned_at"][f"{signal:g}"][who]
            end = "nowhere" if at is None else f"{at:.2f} px" if at > SIZES[0] else f"≤ {at:g} px"
            label = f"{signal:g}" if who == "returned" else f"{signal:g}, bilinear"
            lines.append(f"| {label} | " + " | ".join(shown) + f" | {end} |")
    by, nothing, flux = s["returned_by_magnification"], s["nothing"], s["flux"]
    lines += [
        "",
        f"Gaussian clumps in the source plane of {s['lenses']} lenses: half-light radius in LR pixels, signal to "
        "noise against the LR image's sky. In per cent of the true contrast, ± standard error over lenses: the "
        "difference that a clump makes in the image under one and the same noise, projected on the true one. Lenses "
        f"that magnify less than the median ({s['median_magnification']:.1f}) return {100 * by['below']:.0f} %, others "
        f"{100 * by['above']:.0f} % (Mann and Whitney's test over lenses: p = {by['p']:.2f}).",
        "",
        "## What is made of nothing",
        "",
        f"Of empty sky the image has an rms of {nothing['network']['rms']:.3f} of the HR noise (interpolation: "
        f"{nothing['bilinear']['rms']:.3f}), its largest departure is {nothing['network']['brightest']:.2f} of it "
        f"({nothing['bilinear']['brightest']:.2f}), and {nothing['network']['blobs']:.2f} blobs an image stand above "
        f"three times that noise ({nothing['bilinear']['blobs']:.2f}).",
        "",
        "## Where it leaves the truth",
        "",
        f"Where interpolation is nearer to the truth, {100 * flux['hallucination']:.2f} % of the light is too much and "
        f"{100 * flux['omission']:.2f} % is missing; {100 * flux['gone']:.1f} % of interpolation's squared error, "
        "weighted by the HR noise, is gone.",
        "",
        "## Where a pixel comes from",
        "",
        f"Half of the weight of the brightest pixel of an arc lies within {s['attribution']['half']:.1f} LR pixels of "
        f"it, nine tenths within {s['attribution']['most']:.1f}.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """The command line of ``scripts/trust.py``."""
    parser = argparse.ArgumentParser(prog="lenssr-trust", description=__doc__)
    parser.add_argument("run", help=A_RUN)
    parser.add_argument("--count", type=int, default=24, help="lenses [%(default)s]")
    parser.add_argument("--to", type=Path, default=Path("outputs/tables"), help="folder of the page [%(default)s]")
    arguments = parser.parse_args()

    def work() -> None:
        from lenssr.results.figures.trust import picture

        found = trust(arguments.run, arguments.count)
        name, text = f"trust_{found.name}", markdown(found)
        source, path = found.source, arguments.to / f"{name}.png"
        picture(
            path, found.clumps, found.example, source.weights, source.place, source.most, pixel_scale=found.pixel_scale
        )
        with whole_file(arguments.to / f"{name}.parquet") as temporary:
            found.clumps.to_parquet(temporary, index=False)
        write_json(arguments.to / f"{name}.json", summary(found))
        write_text(arguments.to / f"{name}.md", text + f"\n![Clumps, departures and attribution]({name}.png)\n")
        print(text)

    command(work)
