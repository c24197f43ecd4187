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

from lenssr.data import LensDataModule, SimulatedSource
from lenssr.data.batches import Batch, Reader
from lenssr.data.camera.observe import Window
from lenssr.data.pixels import Arrangement
from lenssr.data.sets.simulated import simulate
from lenssr.data.sets.store import ImageSet
from lenssr.data.sky.parameters import einstein_radius, sample
from lenssr.errors import ConfigError
from lenssr.metrics.protocols import scores
from lenssr.runs.build import build_data
from lenssr.runs.load import load_task, read_config
from lenssr.system.commands import command
from lenssr.system.files import read_json
from lenssr.system.progress import say, track
from lenssr.tasks import SuperResolution

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
    config = read_config(run)
    task, data = load_task(run, config=config), build_data(config)
    if not isinstance(task, SuperResolution) or not isinstance(data.source, SimulatedSource):
        raise ConfigError(f"{run} is not a super-resolution run on a simulated set.")
    data.unit = float((read_json(Path(run) / "metrics.json") or {})["unit"])
    found: dict[str, Any] = {"psnr": {}}
    with track("other lenses", len(radii) + 1, "kinds") as advance, torch.inference_mode():
        for radius in radii:
            batch = _seen(data, _lenses(data.source, count, radius))
            image = task.upscale(batch["lr"])
            values = scores(image[:, 0], batch["hr"][:, 0], batch["truth"][:, 0], ("psnr",))["truth/psnr"]
            found["psnr"][radius] = _mean(values.numpy())
            advance(1, f"{radius} arcsec")
        found["survives"] = _mean(_survival(task, data, data.source, count))
        advance(1, "perturbed")
    return found


def _lenses(source: SimulatedSource, count: int, radius: float | None = None) -> pd.DataFrame:
    """Return the parameters of lenses without substructure that no split holds."""
    table = sample(source.physics, source.exposure_time, ["no_sub"], source.seed + 1009, "test", count, source.scene)
    return table if radius is None else table.assign(theta_E=radius)


def _seen(data: LensDataModule, table: pd.DataFrame) -> Batch:
    """Return observed pairs of scenes; the noise follows from their place alone."""
    source: SimulatedSource = data.source
    images = np.concatenate(list(simulate(table, source.instrument)))
    held = ImageSet(images, table, source.instrument.pixel_scale, data.unit, True, "", Path())
    cpu = torch.device("cpu")
    reader = Reader(held, data.observation, "test", data.target, data.normalization, data.unit, cpu, False)
    index = torch.arange(len(table))
    at = torch.zeros_like(index)
    return reader.read(Arrangement(index, Window(at, at, images.shape[-1], images.shape[-1]), 0))


def _survival(task: SuperResolution, data: LensDataModule, source: SimulatedSource, count: int) -> np.ndarray:
    """Return, for each lens, the part of a perturber's change that the network's images show."""
    smooth = _lenses(source, count).drop(columns="subhalo_scale", errors="ignore")  # the perturber is a point
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, count)
    theta = float(einstein_radius(MASS, source.physics["cosmology"]))
    places: dict[str, Any] = {
        "subhalo_x": smooth["theta_E"] * np.cos(angle) + smooth["lens_x"],
        "subhalo_y": smooth["theta_E"] * np.sin(angle) + smooth["lens_y"],
        "subhalo_theta_E": [theta] * count,
    }
    perturbed = smooth.assign(**{name: pd.Series([np.array([v]) for v in values]) for name, values in places.items()})
    one, other = _seen(data, perturbed), _seen(data, smooth)
    made, true = task.upscale(one["lr"]) - task.upscale(other["lr"]), one["flux"] - other["flux"]
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
