"""An upscaled image as FITS: its flux, its uncertainty, its place on the sky, and where it came from."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from lenssr import __version__
from lenssr.files import whole_file
from lenssr.inference.upscale import Product

__all__ = ["rescaled", "write_fits"]

_SIP = re.compile(r"^(A|B|AP|BP)_(\d)_(\d)$")
_KEYWORDS = {  # facts that go into the header
    "chi2": ("SRCHI2", "reduced chi-squared of the degraded image"),
    "flux_ratio": ("SRFLUX", "total flux over the input's"),
    "sky": ("SRSKY", "sky level of the input"),
    "noise": ("SRNOISE", "noise of an input pixel"),
    "gain": ("SRGAIN", "network unit per input unit"),
    "blur": ("SRBLUR", "best blur, sigma in input pixels"),
    "added_above_noise": ("SRADDED", "part of added power above the noise"),
}


def rescaled(header: Any, scale: int) -> Any:
    """Return a FITS header for pixels ``scale`` times smaller along a side: every sky position stays where it was.

    A pixel's centre p lies at (p - 0.5) scale + 0.5 of the new grid (FITS counts from 1, pixel edges are at 0.5); the
    SIP coefficient A_pq of a distortion in pixels becomes A_pq scale^(1 - p - q).
    """
    new = header.copy(strip=True)
    for axis in (1, 2):
        if f"CRPIX{axis}" in new:
            new[f"CRPIX{axis}"] = (float(new[f"CRPIX{axis}"]) - 0.5) * scale + 0.5
    matrix = [f"CD{i}_{j}" for i in (1, 2) for j in (1, 2) if f"CD{i}_{j}" in new]
    if matrix:
        for key in matrix:
            new[key] = float(new[key]) / scale
    elif any(key in new for key in ("CRPIX1", "CTYPE1", "CDELT1")):
        for axis in (1, 2):
            new[f"CDELT{axis}"] = float(new.get(f"CDELT{axis}", 1.0)) / scale
    for key in list(new):
        found = _SIP.match(key)
        if found:
            new[key] = float(new[key]) * scale ** (1 - int(found[2]) - int(found[3]))
    return new


def write_fits(product: Product, path: Path) -> None:
    """Write SCI, ERR, BILINEAR (the SR grid) and RESIDUAL (the input's grid), whole or not at all."""
    from astropy.io import fits

    network, own = product.network, product.image.header
    header = rescaled(own if own is not None else fits.Header(), product.scale)
    for name, value in product.facts.items():
        if name in _KEYWORDS and np.isfinite(value):
            header[_KEYWORDS[name][0]] = (value, _KEYWORDS[name][1])
    header["SRSCALE"] = (product.scale, "pixels per input pixel, along a side")
    for line in (
        f"lenssr {__version__}: {network.name}, run {network.hash}",
        f"ERR: {product.spread}",
        *(f"unlike the training images: {warning}" for warning in product.warnings),
    ):
        header.add_history(line)
    plain = {key: header[key] for key in ("BUNIT",) if key in header}
    coordinates = _coordinates(header)
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(_plane(product.sr), header, name="SCI")]
    hdus += [
        fits.ImageHDU(_plane(plane), fits.Header({**plain, **coordinates}), name=name)
        for name, plane in (("ERR", product.err), ("BILINEAR", product.bilinear))
    ]
    input_place = _coordinates(own) if own is not None else {}
    hdus.append(
        fits.ImageHDU(_plane(product.residual), fits.Header({**input_place, "BUNIT": "sigma"}), name="RESIDUAL")
    )
    with whole_file(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList(hdus).writeto(temporary, output_verify="silentfix")


def _plane(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=np.float32)


def _coordinates(header: Any) -> dict[str, Any]:
    """Return the keywords of the first two axes' coordinates."""
    place = re.compile(
        r"^(CTYPE|CUNIT|CRPIX|CRVAL|CDELT)[12]$|^(CD|PC)[12]_[12]$|^(CROTA2|RADESYS|EQUINOX|LONPOLE|LATPOLE)$"
        r"|^(A|B|AP|BP)_(ORDER|\d_\d)$"
    )
    return {key: header[key] for key in header if place.match(key)}
