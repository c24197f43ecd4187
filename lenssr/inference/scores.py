"""How far to trust an image whose truth nobody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lenssr.inference.planes import forget, strips

if TYPE_CHECKING:
    from lenssr.inference.result import Product

__all__ = ["scores"]

_APERTURES = (0.25, 0.5, 1.0)  # radius over half the shorter side
_BRIGHT = 3.0  # sigma above the sky, where structure is looked for
_REAL = 3.0  # sigma of the input's noise that added structure must exceed


def scores(product: Product, given: np.ndarray, area: float, noise: float) -> dict[str, float]:
    """Return scores without truth.

    ``chi2``: reduced chi-squared of the degraded image about the input. ``flux_ratio``: total flux out over in, 1 by
    construction, and ``flux_ratio_25``, ``_50``, ``_100`` in circles about the centre with that percentage of half the
    shorter side. ``flux_before``, ``flux_before_25``, ...: flux above the sky of the network's own image over the
    input's, before what it lacked was added; NaN where the input has no flux above the noise. ``flux_correction``: rms
    of what was added, in units of the input's noise.
    ``added_above_noise``: of the power that the image has over bilinear interpolation at bright pixels, the part in
    pixels where the difference exceeds three times the input's noise.

    Args:
        product: scores excepted.
        given: the network's image before its flux was corrected, above the sky, in the input's pixels (h, w) and unit.
        area: input values over values of ``product.sr``, where the two are constant images of one flux.
        noise: of an input pixel.
    """
    data, sky = product.image.data, product.facts["sky"]
    known = np.isfinite(data)
    height, width = data.shape
    blocks, power, above = _by_strips(product, area, noise)
    y, x = np.ogrid[:height, :width]
    radius = np.hypot(y - np.float32((height - 1) / 2), x - np.float32((width - 1) / 2))
    found = {"chi2": float(np.nanmean(np.square(product.residual), dtype=np.float64))}
    for name, part in (("", np.inf), *((f"_{100 * part:.0f}", part) for part in _APERTURES)):
        inside = known & (radius <= part * min(height, width) / 2)
        count = int(inside.sum())
        into, out, own = (np.sum(plane, where=inside, dtype=np.float64) for plane in (data, blocks, given))
        found[f"flux_ratio{name}"] = float((out + count * sky) / into) if into else float("nan")
        flux = into - count * sky
        found[f"flux_before{name}"] = float(own / flux) if flux > 5 * noise * count**0.5 else float("nan")
    blocks -= given
    np.square(blocks, out=blocks)
    found["flux_correction"] = float(np.sqrt(np.mean(blocks, where=known, dtype=np.float64)) / noise)
    found["added_above_noise"] = above / power if power else 0.0
    return found


def _by_strips(product: Product, area: float, noise: float) -> tuple[np.ndarray, float, float]:
    """Return the image above the sky in the input's pixels and unit, float32, and powers of bright pixels.

    Over bilinear interpolation: of all, and of those where it is real, more than ``_REAL`` times the noise.
    """
    scale, (height, width) = product.scale, product.image.data.shape
    blocks, power, above = np.empty((height, width), np.float32), 0.0, 0.0
    for rows in strips((height, width), scale):
        fine = slice(scale * rows.start, scale * rows.stop)
        sr, bilinear = product.sr[fine].astype(np.float64), product.bilinear[fine].astype(np.float64)
        means = sr.reshape(-1, scale, width, scale).mean(axis=(1, 3)) * area - product.facts["sky"]
        blocks[rows] = np.nan_to_num(means)
        with np.errstate(invalid="ignore"):
            bright = bilinear * area - product.facts["sky"] > _BRIGHT * noise
        added = np.square((sr - bilinear)[bright] * area)
        added = added[np.isfinite(added)]
        power, above = power + float(added.sum()), above + float(added[added > (_REAL * noise) ** 2].sum())
        forget(product.sr, product.bilinear)
    return blocks, power, above
