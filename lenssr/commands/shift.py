"""How a network fares on skies that are not quite its training's: its error, and whether its told errors still hold.

For runs on ``dataset=survey``. Every sky is that of the test but for one thing, image by image: the same lenses in the
same places, so that differences are paired. Shifts are relative to what the run was trained on.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lenssr.config.words import assigned
from lenssr.errors import ConfigError
from lenssr.evaluate import evaluate
from lenssr.runs.find import A_RUN, find
from lenssr.runs.load import read_config
from lenssr.system.commands import command
from lenssr.system.files import write_json, write_text
from lenssr.system.progress import track

__all__ = ["SHIFTS", "Found", "main", "overrides_of", "shift"]

_BINS = ("sky", "faint", "arc", "peak")
_LEVEL = 0.68
_SHALLOWER = 10 ** (0.4 * 0.5 * 2)  # in exposure time: the limit of a sky-dominated image goes with its square root


def _wider(config: dict[str, Any]) -> None:
    psf = config["dataset"]["lr"]["psf"]
    psf["fwhm"] = _times(psf["fwhm"], 1.15)


def _times(value: Any, factor: float) -> Any:
    """Return a number, or a distribution of it, multiplied; of a lognormal one the median alone."""
    if not isinstance(value, dict):
        return factor * value
    ((kind, numbers),) = value.items()
    return {kind: [factor * numbers[0], numbers[1] * (1 if kind == "lognormal" else factor)]}


def _shallower(config: dict[str, Any]) -> None:
    config["dataset"]["lr"]["exposure_time"] /= _SHALLOWER


def _steeper(config: dict[str, Any]) -> None:
    config["physics"]["source"]["index"] = {"uniform": [3.5, 4.5]}


def _neighbour(config: dict[str, Any]) -> None:
    config["physics"]["neighbour"] |= {"probability": 1.0, "magnitude": {"uniform": [18.0, 20.0]}}


# what is changed, in words, and how, in place; the first is the test as it is
SHIFTS: dict[str, Callable[[dict[str, Any]], None]] = {
    "as in training": lambda config: None,
    "LR PSF 15 % wider": _wider,
    "LR image 0.5 mag shallower": _shallower,
    "sources of Sérsic index 3.5 to 4.5": _steeper,
    "a neighbour of 18 to 20 mag in each image": _neighbour,
}


@dataclass(frozen=True)
class Found:
    """What was found on one sky.

    Attributes:
        name: of :data:`SHIFTS`.
        images: scores of each image, by name.
        scores: of all images: coverage, and spread over error, by brightness.
        errors: standard errors over images of what 68 % intervals hold, by brightness.
    """

    name: str
    images: pd.DataFrame
    scores: dict[str, float]
    errors: dict[str, float] = field(default_factory=dict)

    def worst(self) -> tuple[str, float, float]:
        """Return the brightness whose 68 % intervals hold least truly, what they hold, and its spread over error."""
        held = {name: self.scores[f"ensemble/quantile68_{name}"] for name in _BINS if self._known(name)}
        name = max(held, key=lambda key: abs(held[key] - _LEVEL))
        return name, held[name], self.scores[f"ensemble/spread_skill_{name}"]

    def _known(self, name: str) -> bool:
        return np.isfinite(self.scores.get(f"ensemble/quantile68_{name}", np.nan))


def overrides_of(config: dict[str, Any], name: str, count: int) -> list[str]:
    """Return the overrides with which a run is tested on a shifted sky.

    Args:
        config: of the run.
        name: of :data:`SHIFTS`.
        count: images of the test.

    Raises:
        ConfigError: the run's images are not of ``dataset=survey``.
    """
    if config["dataset"]["name"] != "survey":
        name = config["dataset"]["name"]
        raise ConfigError(f"The run was trained on dataset={name}; skies are shifted of dataset=survey alone.")
    config = copy.deepcopy(config)
    SHIFTS[name](config)
    data, physics = config["dataset"], config["physics"]
    # put in whole: an instrument, or a distribution, has other keys than the one that the shipped configs have there
    words = [
        word
        for path, value in (
            *((f"dataset.{key}", data[key]) for key in ("lr", "hr")),
            *((f"physics.{key}", physics[key]) for key in ("source", "neighbour", "star")),
        )
        for word in (f"~{path}", f"+{assigned(path, value)}")
    ]
    plain = {key: data[key] for key in ("scale", "image_size")}
    plain |= {f"source.{key}": data["source"][key] for key in ("registration", "classes")}
    plain["source.splits"] = {"train": 8, "validation": 8, "test": count}  # the unit is the run's own
    return [*words, *(assigned(f"dataset.{key}", value) for key, value in plain.items())]


def shift(run: str | Path, count: int = 64, outputs: str | Path = "outputs") -> list[Found]:
    """Test a run on every sky of :data:`SHIFTS`; what was tested before is found.

    Args:
        run: of a network that tells its errors, on ``dataset=survey``, or a name of :func:`lenssr.runs.find.find`.
        count: images of each sky.
        outputs: folder of sets and answers.

    Raises:
        LensSRError: there is no such run, or it is of another dataset.
    """
    folder = find(run)
    config, found = read_config(folder), []
    with track("shifted skies", len(SHIFTS), "skies") as advance:
        for name in SHIFTS:
            words = overrides_of(config, name, count)
            result = evaluate(folder, [*words, assigned("paths.outputs", str(outputs))])
            means = {key: value["mean"] for key, value in result.metrics["scores"]["prediction"].items()}
            images = pd.read_parquet(result.folder / "per_image.parquet").sort_values("index")
            told = pd.read_parquet(result.folder / "calibration.parquet")
            errors = dict(zip(told["brightness"].astype(str), told["coverage68_error"].astype(float), strict=True))
            found.append(Found(name, images, means, errors))
            advance(1, name)
    return found


def summary(found: Sequence[Found]) -> pd.DataFrame:
    """Return a line a sky: error, what it is of the first sky's, and calibration.

    ``error`` and ``bilinear``, medians of the rms error of an image in units of the HR noise; ``ratio`` to the error of
    the same lens on the first sky, geometric mean (``low`` to ``high``: 95 %, Student's t of the logarithms over the
    images); ``brightness`` whose 68 % intervals are worst, what it ``holds``, and ``spread`` over error there.
    """
    from scipy import stats

    rows, first = [], found[0].images["prediction/physics/error"].to_numpy(float)
    for one in found:
        error = one.images["prediction/physics/error"].to_numpy(float)
        apart = np.log(error / first)
        half = stats.t.ppf(0.975, len(apart) - 1) * apart.std(ddof=1) / len(apart) ** 0.5
        name, holds, spread = one.worst()
        rows.append(
            {
                "sky": one.name,
                "error": float(np.median(error)),
                "bilinear": float(one.images["bilinear/physics/error"].median()),
                "ratio": float(np.exp(apart.mean())),
                "low": float(np.exp(apart.mean() - half)),
                "high": float(np.exp(apart.mean() + half)),
                "brightness": name,
                "holds": holds,
                "spread": spread,
            }
        )
    return pd.DataFrame(rows)


def _markdown(run: str, table: pd.DataFrame, count: int) -> str:
    lines = [
        f"## {run} on skies that are not quite its training's",
        "",
        "| sky | error / σ | of that on the first sky (95 %) | bilinear, error / σ | worst brightness | 68 % hold / % "
        "| spread / error |",
        "| --- | ---: | ---: | ---: | --- | ---: | ---: |",
    ]
    for place, row in enumerate(table.to_dict("records")):
        ratio = f"{row['ratio']:.2f} ({row['low']:.2f} to {row['high']:.2f})" if place else "1"
        lines.append(
            f"| {row['sky']} | {row['error']:.3f} | {ratio} | {row['bilinear']:.3f} | {row['brightness']} | "
            f"{100 * row['holds']:.0f} | {row['spread']:.2f} |"
        )
    lines += [
        "",
        f"{count} test images of each sky, the same lenses in each but for what is shifted. Error: rms of an image "
        "against the truth in units of σ, the HR noise, median over images; its ratio to the same lens's error on the "
        "first sky is a geometric mean, with Student's t interval over the images. Of the brightnesses (sky: below 1 "
        "σ, faint: to 5, arc: above, peak: above half of the brightest pixel) the one stands there whose told 68 % "
        "intervals are farthest from holding 68 % of the true values, with the told error over the rms error there.",
        "",
    ]
    return "\n".join(lines)


def _picture(path: Path, found: Sequence[Found]) -> None:
    from lenssr.results.figures.canvas import pyplot, save

    figure, axis = pyplot().subplots(figsize=(7.5, 3.6), layout="constrained")
    places = np.arange(len(_BINS))
    for k, one in enumerate(found):
        held = [100 * one.scores.get(f"ensemble/quantile68_{name}", np.nan) for name in _BINS]
        bars = [100 * 1.96 * one.errors.get(name, np.nan) for name in _BINS]
        at = places + 0.12 * (k - (len(found) - 1) / 2)
        axis.errorbar(at, held, bars, fmt="os^vD"[k % 5], label=one.name, ms=5, lw=1, capsize=2)
    axis.axhline(68, color="k", lw=1, ls="--", label="honest")
    names = ("sky\n(below 1 σ)", "faint\n(to 5 σ)", "arc\n(above)", "peak (half of\nthe brightest)")
    axis.set(xticks=places, xticklabels=names, ylim=(0, 100), xlabel="brightness of the pixels, σ: the HR noise")
    axis.set_ylabel("pixels inside the\ntold 68 % interval / %")
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    save(figure, path)


def main() -> None:
    """The command line of ``scripts/shift.py``."""
    parser = argparse.ArgumentParser(prog="lenssr-shift", description=__doc__.splitlines()[0])
    parser.add_argument("run", help=A_RUN)
    parser.add_argument("--count", type=int, default=64, help="test images of each sky [%(default)s]")
    parser.add_argument("--outputs", default="outputs", help="folder of sets and answers [%(default)s]")
    parser.add_argument("--to", type=Path, default=Path("outputs/tables"), help="folder of the table [%(default)s]")
    arguments = parser.parse_args()

    def work() -> None:
        folder = find(arguments.run)
        found = shift(folder, arguments.count, arguments.outputs)
        table = summary(found)
        name = f"shift_{folder.name}"
        text = _markdown(folder.name, table, arguments.count)
        write_text(
            arguments.to / f"{name}.md",
            text + f"\n![Coverage by brightness on each sky, with 95 % intervals over the images]({name}.png)\n",
        )
        write_json(arguments.to / f"{name}.json", table.to_dict("records"))
        _picture(arguments.to / f"{name}.png", found)
        print(text)

    command(work)
