"""Where fits begin: the lens light from the middle of the image, mass and source from a library of arcs."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from lenssr.modelling.fit import fit
from lenssr.modelling.lens import DEFLECTOR, NAMES
from lenssr.modelling.view import View

__all__ = ["begin"]

_MIDDLE, _ARCS = 0.45, 0.3  # arcsec: within the one is lens light, beyond the other are arcs
_RINGS = ((0.05, 1), (0.2, 8), (0.4, 12), (0.6, 16))  # of source positions: Einstein radii, how many
_RADII = (0.1, 0.25)  # of sources, arcsec
_STEP = 1.1  # between Einstein radii
_APART = 0.3  # arcsec or Einstein radii that starts differ by
_AT = {name: i for i, name in enumerate(NAMES)}
_PLAIN = {
    "theta_E": 1.0, "slope": 2.0, "source_log_radius": math.log(0.2), "source_index": 1.0, "source_log_flux": -12.0,
    "deflector_log_radius": math.log(0.8), "deflector_index": 4.0,
}  # fmt: skip


def begin(view: View, images: Tensor, weights: Tensor, radii: tuple[float, float], count: int) -> Tensor:
    """Return the starts of each fit, (B, K, P), the likeliest first.

    Args:
        view: what the images are.
        images: flux per HR pixel, (B, pixels).
        weights: one over the standard deviation, likewise.
        radii: Einstein radii, arcsec, between which lenses are sought.
        count: K, starts of a fit.
    """
    radius = _radius(view)
    points = torch.zeros(len(images), len(NAMES))
    for name, value in _PLAIN.items():
        points[:, _AT[name]] = value
    points[:, _AT["deflector_log_flux"]] = (images * (radius < _MIDDLE)).sum(1).clamp(min=1e-3).log() + 0.7
    found = fit(view, images, weights * (radius < _MIDDLE), points, 10, DEFLECTOR, (2, 2)).points
    arcs = (images - view.deflector(found, 2)) * weights * (radius > _ARCS)
    library, drawn = _library(view, radii)
    weight = weights * (radius > _ARCS)
    along = (arcs * weight) @ drawn.T
    norm = weight.square() @ drawn.square().T
    gain = along.clamp(min=0).square() / norm.clamp(min=1e-12)
    starts = []
    for one in range(len(images)):
        chosen = _apart(library, gain[one].argsort(descending=True).tolist(), count)
        own = found[one].repeat(count, 1)
        own[:, : _AT["deflector_log_flux"]] = library[chosen, : _AT["deflector_log_flux"]]
        centre = found[one, [_AT["lens_x"], _AT["lens_y"]]]
        own[:, [_AT["lens_x"], _AT["lens_y"]]] = centre
        own[:, [_AT["source_x"], _AT["source_y"]]] += centre
        for part in ("e1", "e2"):
            own[:, _AT[part]] = 0.5 * found[one, _AT[f"deflector_{part}"]]
        flux = (along[one, chosen] / norm[one, chosen].clamp(min=1e-12)).clamp(min=1e-3)
        own[:, _AT["source_log_flux"]] = flux.log()
        starts.append(own)
    return torch.stack(starts)


def _radius(view: View) -> Tensor:
    """Return the distance of the image's pixels from its middle, arcsec (pixels,)."""
    bins = 1 if view.enlarge else view.bins
    count = view.size // bins
    axis = (torch.arange(count) - (count - 1) / 2) * view.pixel * bins
    return torch.hypot(axis.view(1, -1), axis.view(-1, 1)).flatten()


@lru_cache(maxsize=8)
def _library(view: View, radii: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Return lenses (L, P) without shear and ellipticity, and the images of their sources of flux one (L, pixels)."""
    points = []
    for k in range(1 + math.ceil(math.log(radii[1] / radii[0]) / math.log(_STEP))):
        theta = radii[0] * _STEP**k
        for offset, number in _RINGS:
            for turn in range(number):
                for radius in _RADII:
                    angle, point = 2 * math.pi * turn / number, torch.zeros(len(NAMES))
                    for name, value in _PLAIN.items():
                        point[_AT[name]] = value
                    point[_AT["theta_E"]], point[_AT["source_log_radius"]] = theta, math.log(radius)
                    point[_AT["source_x"]] = theta * offset * math.cos(angle)
                    point[_AT["source_y"]] = theta * offset * math.sin(angle)
                    point[_AT["source_log_flux"]] = 0.0
                    points.append(point)
    library = torch.stack(points)
    return library, view.source(library, 1)


def _apart(library: Tensor, order: list[int], count: int) -> list[int]:
    """Return the first entries of an order that differ from each other."""
    keys = library[:, [_AT["theta_E"], _AT["source_x"], _AT["source_y"]]]
    chosen = order[:1]
    for one in order[1:]:
        if len(chosen) == count:
            break
        if all(bool((keys[one] - keys[other]).norm() > _APART) for other in chosen):
            chosen.append(one)
    return (chosen * count)[:count]
