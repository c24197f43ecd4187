"""An upscaled image as FITS: its flux, its uncertainty, its place on the sky, and where it came from."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lenssr.data.files.units import rescale_pixels
from lenssr.data.files.wcs import coordinates, rescaled
from lenssr.inference.planes import forget, strips
from lenssr.inference.result import Product
from lenssr.system.files import whole_file
from lenssr.system.version import __version__

__all__ = ["write_fits"]

_BLOCK = 2880  # bytes, of which a FITS file has a whole number
_SAMPLE = 1_000_000  # pixels that decide how a plane is written
_KEYWORDS = {  # facts that go into the header
    "chi2": ("SRCHI2", "reduced chi-squared of the degraded image"),
    "flux_ratio": ("SRFLUX", "total flux over the input's"),
    "flux_before": ("SRFLUX0", "the same above the sky, of the network itself"),
    "flux_correction": ("SRFCORR", "rms of the flux that was added, in sigma"),
    "sky": ("SRSKY", "sky level of the input"),
    "noise": ("SRNOISE", "noise of an input pixel"),
    "gain": ("SRGAIN", "network unit per input unit"),
    "blur": ("SRBLUR", "best blur, sigma in input pixels"),
    "psf": ("SRPSF", "best FWHM of the input's PSF in its pixels"),
    "added_above_noise": ("SRADDED", "part of added power above the noise"),
}


def write_fits(product: Product, path: Path, key: str = "") -> None:
    """Write SCI, ERR, BILINEAR (the SR grid) and RESIDUAL (the input's grid), whole or not at all.

    Args:
        product: what is written; without an uncertainty there is no ERR, and SYMSPREAD where turns were asked for.
        path: of the file.
        key: of run, settings and input, by which a later command knows that this is done.
    """
    from astropy.io import fits

    network, own = product.network, product.image.header
    header = rescaled(own if own is not None else fits.Header(), product.scale)
    rescale_pixels(header, product.scale)
    for name, value in product.facts.items():
        if name in _KEYWORDS and np.isfinite(value):
            header[_KEYWORDS[name][0]] = (value, _KEYWORDS[name][1])
    if key:
        header["SRKEY"] = (key, "of run, settings and input")
    header["SRSCALE"] = (product.scale, "pixels per input pixel, along a side")
    for line in (
        f"lenssr {__version__}: {network.name}, run {network.hash}",
        *([f"ERR: {product.spread}"] if product.err is not None else []),
        *(f"note: {warning}" for warning in product.warnings),
    ):
        header.add_history(line)
    plain = {key: header[key] for key in ("BUNIT", "CHANNEL", "CHANVAL") if key in header}
    place = coordinates(header)
    beside, input_place = fits.Header({**plain, **place}), coordinates(own) if own is not None else {}
    planes = [("SCI", product.sr, header), *((name, plane, beside) for name, plane in _planes(product))]
    planes.append(("RESIDUAL", product.residual, fits.Header({**input_place, "BUNIT": "sigma"})))
    with whole_file(path) as temporary, warnings.catch_warnings(), temporary.open("wb") as file:
        warnings.simplefilter("ignore")
        file.write(fits.PrimaryHDU().header.tostring().encode("ascii"))
        for name, plane, described in planes:
            _write(file, name, plane, described)


def _write(file: BinaryIO, name: str, plane: np.ndarray, header: Any) -> None:
    """Write one extension, strip by strip."""
    from astropy.io import fits

    kind = _precision(plane)
    hdu = fits.ImageHDU(np.zeros((1, 1), kind), header, name=name)
    if name == "SCI":  # the others' cards are some of its
        hdu.verify("silentfix")
    hdu.header["NAXIS1"], hdu.header["NAXIS2"] = plane.shape[1], plane.shape[0]
    file.write(hdu.header.tostring().encode("ascii"))
    for rows in strips(plane.shape):
        file.write(plane[rows].astype(np.dtype(kind).newbyteorder(">")).tobytes())
        forget(plane)
    file.write(bytes(-plane.size * np.dtype(kind).itemsize % _BLOCK))


def _planes(product: Product) -> Iterator[tuple[str, np.ndarray]]:
    """Yield what lies on the SR grid beside SCI."""
    if product.err is not None:
        yield "ERR", product.err
    yield "BILINEAR", product.bilinear
    if product.symmetry is not None:
        yield "SYMSPREAD", product.symmetry


def _precision(values: np.ndarray) -> Any:
    """Return how pixels are written: float32, or float64 where a high sky would take its noise from float32."""
    if values.dtype == np.float32:
        return np.float32
    step = max(1, int((values.size / _SAMPLE) ** 0.5))
    some = values[::step, ::step]
    level, spread = float(np.nanmax(np.abs(some), initial=0.0)), float(np.nanstd(some))
    return np.float64 if level > 1e4 * spread > 0 else np.float32
