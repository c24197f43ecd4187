"""Does a model's image, seen by the camera again, give the image it was made of? On its own test skies and on files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lenssr.data import SurveyPairs
from lenssr.data.build import build_data
from lenssr.data.files.images import Image, read
from lenssr.errors import RunError
from lenssr.inference.upscale import FITTING, upscale
from lenssr.runs.find import find
from lenssr.runs.load import read_config
from lenssr.system.files import read_json

if TYPE_CHECKING:
    from lenssr.inference.result import Product

__all__ = ["agreement", "skies"]

_UNSEEN = 8  # training images of a set whose test alone is looked at


def skies(run: str | Path, outputs: str | Path = "outputs") -> list[tuple[Image, bool]]:
    """Return the test skies of a run as a survey would hand them out, and whether each has a star.

    Electrons a second with the exposure time; their noise is not told, so that it is measured.

    Args:
        run: on ``dataset=survey``.
        outputs: folder of sets.

    Raises:
        RunError: the run's images are not of two telescopes.
    """
    config = read_config(find(run))
    config["dataset"]["source"]["folder"] = str(Path(outputs) / "datasets")
    config["dataset"]["source"]["splits"]["train"] = _UNSEEN
    config["loader"]["evaluation_patch"] = None
    data = build_data(config)
    if not isinstance(data, SurveyPairs):
        raise RunError(f"{run} was not trained on dataset=survey, whose skies have electrons.")
    data.prepare()
    table, lr = data.sets["test"].parameters, data.source.lr
    batch = data.evaluation("test", torch.device("cpu")).at(torch.arange(len(table)))
    rate = data.unit * lr.gain / data.source.lr_unit
    stars = table["star_flux"].to_numpy(float) > 0
    return [
        (Image(f"sky{i}", rate * one[0].double().numpy(), None, None, lr.pixel_scale, lr.time), bool(star))
        for i, (one, star) in enumerate(zip(batch["lr"], stars, strict=True))
    ]


def agreement(run: str | Path, files: Sequence[Path] = (), outputs: str | Path = "outputs") -> dict[str, Any]:
    """Return how a model's products agree with what they were made of.

    ``psnr`` against the truth as its test told it, of it and of interpolation, mean and standard deviation over the
    images. Of the test skies: the median and the 16th and 84th percentile of their reduced chi-squared, how many have
    one of 0.8 to 1.2, and the same of those without a star. Of each file: its chi-squared, and how far its darkest
    pixel lies below the sky, in the noise of the input.

    Args:
        run: that upscales.
        files: images of real skies.
        outputs: folder of sets.

    Raises:
        LensSRError: the run's skies or a file cannot be read.
    """
    seen = skies(run, outputs)
    made = upscale(run, [image for image, _ in seen])
    starless = [product for product, (_, star) in zip(made, seen, strict=True) if not star]
    scores = (read_json(find(run) / "metrics.json") or {})["scores"]
    psnr = {who: [scores[who]["truth/psnr"][part] for part in ("mean", "std")] for who in ("prediction", "bilinear")}
    found: dict[str, Any] = {"psnr": psnr, "skies": _of_skies(made), "files": {}}
    if starless:
        found["without_star"] = _of_skies(starless)
    for path in files:
        for product in upscale(run, read(path)):
            facts, area = product.facts, 1 if product.image.per_area else product.scale**2
            dark = (facts["sky"] - float(np.nanmin(product.sr)) * area) / facts["noise"]
            found["files"][product.image.name] = {"chi2": facts["chi2"], "darkest": dark}
    return found


def _of_skies(products: Iterable[Product]) -> dict[str, Any]:
    values = np.array([product.facts["chi2"] for product in products])
    low, middle, high = np.percentile(values, (16, 50, 84))
    fitting = int(((values >= FITTING[0]) & (values <= FITTING[1])).sum())
    return {"chi2": [middle, low, high], "fitting": fitting, "count": len(values)}
