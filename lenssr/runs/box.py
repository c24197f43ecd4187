"""The models in the box: trained ones that come with the package, by their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lenssr.config.kinds import draws_posteriors
from lenssr.system.files import read_json

__all__ = ["BOX", "boxed", "listing"]

BOX = Path(__file__).resolve().parents[1] / "box"


def boxed(place: Path = BOX) -> dict[str, Path]:
    """Return the folders of the models in the box, by name."""
    return {path.parent.name: path.parent for path in sorted(place.glob("*/config.json"))}


def listing(place: Path = BOX) -> str:
    """Return what there is in the box and what each was trained for, a paragraph a model."""
    found = [_told(name, folder) for name, folder in boxed(place).items()]
    return "\n\n".join(found) or "There is no model in the box."


def _told(name: str, folder: Path) -> str:
    config: dict[str, Any] = (read_json(folder / "config.json") or {}).get("config", {})
    metrics = read_json(folder / "metrics.json") or {}
    data, model = config["dataset"], config["model"]["name"]
    lr, hr, scale = data["lr"], data["hr"], data["scale"]
    kind = "draws from the posterior" if draws_posteriors(config) else "one image and its uncertainty"
    return (
        f"{name}\n"
        f"    what {hr['name']} would see where {lr['name']} looked; {kind}\n"
        f"    {_camera(lr)}, to {lr['pixel_scale'] / scale:g} arcsec; trained on {data['source']['splits']['train']} "
        f"simulated lenses, {model} with {metrics.get('parameters', 0):,} parameters"
    )


def _camera(node: dict[str, Any]) -> str:
    width = node["psf"].get("fwhm", "a kernel")
    if isinstance(width, dict):
        ((_, span),) = width.items()
        width = f"{span[0]:g} to {span[1]:g}"
    return f"pixels of {node['pixel_scale']:g} arcsec, a PSF of {width} arcsec"
