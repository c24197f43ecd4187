"""An upscaled image as FITS: its flux, its uncertainty, its place on the sky, and where it came from."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lenssr.data.files.units import rescale_pixels
from lenssr.data.files.wcs import coordinates, rescaled
from lenssr.inference.result import Product
from lenssr.system.files import whole_file
from lenssr.system.version import __version__

__all__ = ["write_fits"]

_KEYWORDS = {  # facts that go into the header
    "chi2": ("SRCHI2", "reduced chi-squared of the degraded image"),
    "flux_ratio": ("SRFLUX", "total flux over the input's"),
    "flux_before": ("SRFLUX0", "the same above the sky, of the network itself"),
    "flux_correction": ("SRFCORR", "rms of the flux that was added, in sigma"),
    "sky": ("SRSKY", "sky level of the input"),
    "noise": ("SRNOISE", "noise of an input pixel"),
    "gain": ("SRGAIN", "network unit per input unit"),
    "blur": ("SRBLUR", "best blur, sigma in input pixels"),
    "added_above_noise": ("SRADDED", "part of added power above the noise"),
}


def write_fits(product: Product, path: Path, symmetry: bool = False) -> None:
    """Write SCI, ERR, BILINEAR (the SR grid) and RESIDUAL (the input's grid), whole or not at all.

    Args:
        product: what is written; without an uncertainty there is no ERR.
        path: of the file.
        symmetry: also write SYMSPREAD, the spread over the eight turns and mirrors of the input.
    """
    from astropy.io import fits

    network, own = product.network, product.image.header
    header = rescaled(own if own is not None else fits.Header(), product.scale)
    rescale_pixels(header, product.scale)
    for name, value in product.facts.items():
        if name in _KEYWORDS and np.isfinite(value):
            header[_KEYWORDS[name][0]] = (value, _KEYWORDS[name][1])
    header["SRSCALE"] = (product.scale, "pixels per input pixel, along a side")
    for line in (
        f"lenssr {__version__}: {network.name}, run {network.hash}",
        *([f"ERR: {product.spread}"] if product.err is not None else []),
        *(f"note: {warning}" for warning in product.warnings),
    ):
        header.add_history(line)
    plain = {key: header[key] for key in ("BUNIT", "CHANNEL", "CHANVAL") if key in header}
    place = coordinates(header)
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(_plane(product.sr), header, name="SCI")]
    hdus += [
        fits.ImageHDU(_plane(plane), fits.Header({**plain, **place}), name=name)
        for name, plane in _planes(product, symmetry)
    ]
    input_place = coordinates(own) if own is not None else {}
    hdus.append(
        fits.ImageHDU(_plane(product.residual), fits.Header({**input_place, "BUNIT": "sigma"}), name="RESIDUAL")
    )
    with whole_file(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList(hdus).writeto(temporary, output_verify="silentfix")


def _planes(product: Product, symmetry: bool) -> Iterator[tuple[str, np.ndarray]]:
    """Yield what lies on the SR grid beside SCI."""
    if product.err is not None:
        yield "ERR", product.err
    yield "BILINEAR", product.bilinear
    if symmetry and product.symmetry is not None:
        yield "SYMSPREAD", product.symmetry


def _plane(values: np.ndarray) -> np.ndarray:
    """Return pixels as they are written: float32, or float64 where a high sky would take its noise from float32."""
    level = float(np.nanmax(np.abs(values), initial=0.0))
    spread = float(np.nanstd(values))
    return np.ascontiguousarray(values, dtype=np.float64 if level > 1e4 * spread > 0 else np.float32)
