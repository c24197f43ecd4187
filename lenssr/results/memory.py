"""Does a network draw the one lens that it was trained on, or the lens that it is shown?

Model I's training images have one Einstein radius. A network that had learnt it by heart would fail on others, and
would leave out what a mass that it never saw does to the arcs. Both are measured, on scenes simulated for the question.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from lenssr.data import SimulatedSource
from lenssr.data.sky.parameters import einstein_radius
from lenssr.errors import ConfigError
from lenssr.metrics.protocols import scores
from lenssr.results.scenes import Scenes
from lenssr.system.commands import command
from lenssr.system.progress import say, track

__all__ = ["check", "main"]

RADII = (0.90, 1.05, 1.20, 1.28, 1.40, 1.60)  # arcsec; Model I's is 1.28
MASS = 1e10  # solar masses, of the perturber


def check(run: str | Path, count: int = 48, radii: tuple[float, ...] = RADII) -> dict[str, Any]:
    """Ask a run for other lenses than its own.

    Args:
        run: folder of a super-resolution run on a simulated set.
        count: lenses of each kind.
        radii: Einstein radii in arcsec.

    Returns:
        ``psnr``: radius -> mean and standard error in dB against the truth, on the scale of the HR image; ``survives``:
        the part of the change that a point mass of 1e10 solar masses on the arc makes in the image, which is in the
        difference of the network's two images of one exposure noise, and its standard error.

    Raises:
        ConfigError: the run upscales no simulated images.
    """
    scenes = Scenes(run)
    if not isinstance(scenes.data.source, SimulatedSource):
        raise ConfigError(f"{run} was trained on lenses of every size; ask scripts/shift.py.")
    task = scenes.task
    found: dict[str, Any] = {"psnr": {}}
    with track("other lenses", len(radii) + 1, "kinds") as advance, torch.inference_mode():
        for radius in radii:
            table = scenes.lenses(count).assign(theta_E=radius)
            batch = scenes.observe(table, *scenes.light(table))
            image = task.upscale(batch["lr"])
            values = scores(image[:, 0], batch["hr"][:, 0], batch["truth"][:, 0], ("psnr",))["truth/psnr"]
            found["psnr"][radius] = _mean(values.numpy())
            advance(1, f"{radius} arcsec")
        found["survives"] = _mean(_survival(scenes, count))
        advance(1, "perturbed")
    return found


def _survival(scenes: Scenes, count: int) -> np.ndarray:
    """Return, for each lens, the part of a perturber's change that the network's images show."""
    smooth = scenes.lenses(count).drop(columns="subhalo_scale", errors="ignore")  # the perturber is a point
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, count)
    theta = float(einstein_radius(MASS, scenes.data.source.physics["cosmology"]))
    places: dict[str, Any] = {
        "subhalo_x": smooth["theta_E"] * np.cos(angle) + smooth["lens_x"],
        "subhalo_y": smooth["theta_E"] * np.sin(angle) + smooth["lens_y"],
        "subhalo_theta_E": [theta] * count,
    }
    perturbed = smooth.assign(**{name: pd.Series([np.array([v]) for v in values]) for name, values in places.items()})
    one, other = (scenes.observe(table, *scenes.light(table)) for table in (perturbed, smooth))
    made = scenes.task.upscale(one["lr"]) - scenes.task.upscale(other["lr"])
    true = one["flux"] - other["flux"]
    survives = (made * true).sum((1, 2, 3)) / true.square().sum((1, 2, 3))
    return survives.double().numpy()


def _mean(values: np.ndarray) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5)


def main() -> None:
    """The command line of ``scripts/memory.py``."""
    parser = argparse.ArgumentParser(prog="lenssr-memory", description="Does a network know other lenses than its own?")
    parser.add_argument("run", help="folder of a super-resolution run on a simulated set")
    parser.add_argument("--count", type=int, default=48, help="lenses of each kind [%(default)s]")
    arguments = parser.parse_args()

    def work() -> None:
        found = check(arguments.run, arguments.count)
        for radius, (mean, error) in found["psnr"].items():
            print(f"Einstein radius {radius:.2f} arcsec: {mean:.2f} ± {error:.2f} dB against the truth")
        mean, error = found["survives"]
        print(f"of what 1e10 solar masses on the arc change, {mean:.2f} ± {error:.2f} is in the image")
        say("± are standard errors over lenses")

    command(work)
