"""A picture of upscaled images: input, image, bilinear, uncertainty and residual, a line each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lenssr.inference.result import Product
from lenssr.results.figures.canvas import pyplot, save

__all__ = ["write_picture"]


def write_picture(products: Sequence[Product], path: Path) -> Path:
    """Draw products on one stretch a line: asinh, linear below the input's noise, in the input's unit and pixels."""
    lines = [_panels(product) for product in products]
    count = len(lines[0])  # one network tells an uncertainty of all images, or of none
    shape = {"figsize": (3.5 * count, 3.6 * len(products)), "layout": "constrained", "squeeze": False}
    figure, axes = pyplot().subplots(len(products), count, **shape)
    for line, product, panels in zip(axes, products, lines, strict=True):
        for axis, (title, image, norm, colours) in zip(line, panels, strict=True):
            scale = product.image.pixel_scale
            half = [(scale or 1.0) * length / 2 for length in reversed(product.image.data.shape)]
            extent = (-half[0], half[0], -half[1], half[1])
            drawn = axis.imshow(image, norm=norm, cmap=colours, origin="lower", extent=extent)
            axis.set_title(title, fontsize=10)
            axis.tick_params(labelsize=7)
            axis.set_facecolor("0.5")
            bar = figure.colorbar(drawn, ax=axis, shrink=0.85)
            bar.ax.tick_params(labelsize=7)
            if colours != "RdBu_r":  # the asinh's own ticks collide about 0
                bar.set_ticks(_ticks(float(norm.linear_width), float(norm.vmax)))
                bar.ax.yaxis.set_major_formatter("{x:g}")
        unit = "arcsec" if product.image.pixel_scale else "input pixels"
        line[0].set_ylabel(f"{product.image.name}\n{unit}", fontsize=9)
    figure.supxlabel("flux per input pixel, asinh", fontsize=9)
    return save(figure, path, dpi=90)


def _ticks(linear: float, top: float) -> list[float]:
    values = [digit * 10.0**k for k in range(-12, 13) for digit in (1, 3)]
    return [0.0, *(value for value in values if 2 * linear < value < top)]


def _panels(product: Product) -> list[tuple[str, np.ndarray, Any, str]]:
    from matplotlib.colors import AsinhNorm, Normalize

    area = 1.0 if product.image.per_area else float(product.scale**2)
    sky, noise = product.facts["sky"], product.facts["noise"]
    top = float(np.nanquantile(product.image.data, 0.999)) - sky
    brightness = AsinhNorm(linear_width=noise, vmin=-noise, vmax=top)
    panels: list[tuple[str, np.ndarray, Any, str]] = [
        ("input, less its sky", product.image.data - sky, brightness, "inferno"),
        (f"{product.network.name}, ×{product.scale}", product.sr * area - sky, brightness, "inferno"),
        ("bilinear", product.bilinear * area - sky, brightness, "inferno"),
        (f"residual / noise, χ² {product.facts['chi2']:.2f}", product.residual, Normalize(-4, 4), "RdBu_r"),
    ]
    if product.err is not None:
        err = product.err * area
        norm = AsinhNorm(linear_width=float(np.nanmedian(err)), vmin=0, vmax=float(np.nanquantile(err, 0.999)))
        panels.insert(3, ("standard deviation (ERR, asinh)", err, norm, "viridis"))
    return panels
