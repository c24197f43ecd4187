"""An observed image through a trained network, and back to flux.

The network saw flux in units of its training set, at one noise level. A foreign image is brought there by an affine
map, x = (d - sky) * gain: the sky is its clipped median, the gain makes its noise the one that the network was trained
on (or its peak, where training had many noise levels). The map is inverted afterwards. Smooth light is then taken from
the input, which measures it better than a network guesses it, so that flux is conserved.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lenssr.data.camera.noise import sky
from lenssr.data.files.images import Image, filled, from_array, read
from lenssr.data.files.wcs import left_behind
from lenssr.inference.network import Network, Seen
from lenssr.inference.result import Product
from lenssr.inference.scores import scores
from lenssr.inference.tiles import tiled
from lenssr.system.progress import track

__all__ = ["upscale"]

_FITTING = (0.8, 1.2)  # reduced chi-squared that needs no word
_WITHOUT = (
    "the run tells no uncertainty, so there is no ERR: train with model.predict_variance=true, or use a diffusion model"
)
_SMOOTH = 6.0  # input pixels, sigma of a Gaussian


def upscale(
    run: str | Path,
    inputs: str | Path | np.ndarray | Image | Sequence[str | Path | np.ndarray | Image],
    device: str = "auto",
    draws: int | None = None,
) -> list[Product]:
    """Apply a finished run to images of any size.

    Args:
        run: its folder, or an exported one.
        inputs: files (see :func:`lenssr.data.files.images.read`), arrays (H, W) of flux per pixel, or both.
        device: ``auto``, ``cpu`` or ``cuda``.
        draws: of a diffusion model; None for the run's own number.

    Raises:
        LensSRError: the run or an image cannot be used.
    """
    where = "cuda" if device == "auto" and torch.cuda.is_available() else "cpu" if device == "auto" else device
    network = Network(run, torch.device(where), draws)
    entries: Sequence[Any] = [inputs] if isinstance(inputs, str | Path | np.ndarray | Image) else inputs
    images = [image for entry in entries for image in _opened(entry)]
    products = []
    with track(f"upscaling with {network.name}", len(images), "images") as advance:
        for image in images:
            products.append(_upscaled(network, image))
            advance(1, image.name)
    return products


def _opened(entry: str | Path | np.ndarray | Image) -> list[Image]:
    if isinstance(entry, Image):
        return [entry]
    return from_array(entry) if isinstance(entry, np.ndarray) else read(entry)


def _upscaled(network: Network, image: Image) -> Product:
    scale, seen = network.scale, network.seen()
    masked = ~np.isfinite(image.data)
    level, noise = sky(image.data, image.rms)
    # float32 holds a noise of one on a sky of 1e8 only once that is taken off
    data = (filled(image.data) - level).astype(np.float32)
    pixels = torch.from_numpy(data)
    gain, why = _gain(data, noise, seen)
    x = torch.from_numpy(data * gain)[None, None]
    found, spread, scatter = tiled(network, x.clamp(min=0) if seen.clipped else x, scale)
    if seen.clipped:
        found = unclipped(found, seen.target_noise)
    surface, err, turned = found / gain, spread / gain, scatter / gain  # above the sky, as the data
    here = torch.from_numpy(~masked)
    given = surface[0, 0].numpy().astype(np.float64) + level
    surface += _missed(surface, scale, pixels, here)
    rms = torch.from_numpy(filled(image.noise(level, noise)).astype(np.float32))
    degraded, blur = _degraded(surface, scale, seen, pixels, rms, here)
    residual = ((degraded - pixels) / rms).numpy()
    bilinear = F.interpolate(pixels[None, None], scale_factor=scale, mode="bilinear")
    area = 1.0 if image.per_area else float(scale**2)
    hidden = np.kron(masked, np.ones((scale, scale), bool))
    planes = (surface, err, bilinear, turned)
    sky_too = (level, 0.0, level, 0.0)
    sr, spreads, plain, symmetry = (
        np.where(hidden, np.nan, (plane[0, 0].numpy().astype(np.float64) + added) / area)
        for plane, added in zip(planes, sky_too, strict=True)
    )
    residual[masked] = np.nan
    told = spreads if network.uncertain else None
    product = Product(image, scale, sr, told, plain, residual, network.spread, network)
    product.symmetry = None if network.posterior else symmetry
    product.facts = {"sky": level, "noise": noise, "gain": gain, **({"blur": blur} if blur else {})}
    product.facts |= scores(product, given, area, noise)
    product.warnings = [*image.notes, *_not_carried(image)]
    product.warnings += _unlike(image, noise * gain, data.max() * gain, seen, why)
    product.warnings += _misfit(product.facts["chi2"])
    if not network.uncertain:
        product.warnings.append(_WITHOUT)
    return product


def _not_carried(image: Image) -> list[str]:
    """Say which keywords of the header cannot follow to smaller pixels."""
    behind = left_behind(image.header) if image.header is not None else []
    words = ", ".join(behind[:6])
    return [f"its header's {words} refer to other pixels, or to what is not there, and were left out"] if behind else []


def unclipped(mean: Tensor, noise: float) -> Tensor:
    """Return the flux whose recording by a camera that clips negative counts has this mean.

    Inverts m = s phi(u / s) + u Phi(u / s), the mean of a rectified Gaussian of width s, by Newton's method; fluxes
    below -s, which a clipped image tells nothing of, become -s.
    """
    flux = mean.double()
    for _ in range(30):
        z = flux / noise
        below = torch.special.ndtr(z)
        told = noise * torch.exp(-0.5 * z * z) / (2 * torch.pi) ** 0.5 + flux * below
        flux = (flux - (told - mean) / below.clamp(min=1e-3)).clamp(min=-noise)
    return flux.float()


def _misfit(chi2: float) -> list[str]:
    """Say where a reduced chi-squared is far from one."""
    if chi2 < _FITTING[0]:
        return [f"chi-squared of {chi2:.2f}: the image keeps some of the input's noise; few-shot training helps"]
    if chi2 > _FITTING[1]:
        return [f"chi-squared of {chi2:.2f}: degraded, the image is not the input; see RESIDUAL"]
    return []


def _gain(data: np.ndarray, noise: float, seen: Seen) -> tuple[float, str]:
    """Return what brings an image, less its sky, to the network's units, and what it matches."""
    if seen.noise[0] == seen.noise[1]:
        return seen.noise[0] / noise, "noise"
    return seen.peak / max(float(np.quantile(data, 0.9995)), noise), "peak"


def _missed(surface: Tensor, scale: int, data: Tensor, here: Tensor) -> Tensor:
    """Return the smooth flux that an image lacks against the input, (1, 1, H, W).

    Over many pixels the input itself measures the flux better than any network guesses it: what is smoother than
    ``_SMOOTH`` pixels is taken from there, which adds a 21st of a pixel's noise, and the total is the input's.
    """
    from scipy.ndimage import gaussian_filter

    weight = here.double().numpy()
    lacking = np.where(weight > 0, (data - _binned(surface, scale)).double().numpy(), 0.0)
    smooth = gaussian_filter(lacking, _SMOOTH) / np.maximum(gaussian_filter(weight, _SMOOTH), 1e-6)
    fine = F.interpolate(torch.from_numpy(smooth)[None, None], scale_factor=scale, mode="bilinear").float()
    return fine + (torch.from_numpy(lacking) - _binned(fine, scale))[here].mean()


def _binned(surface: Tensor, scale: int) -> Tensor:
    return F.avg_pool2d(surface, scale)[0, 0]


def _degraded(
    surface: Tensor, scale: int, seen: Seen, data: Tensor, rms: Tensor, here: Tensor
) -> tuple[Tensor, float | None]:
    """Return what the camera would make of an image; a blur of unknown strength is the one that fits best."""
    if seen.kernel is not None:
        from lenssr.data.camera.degrade import convolve

        taken = convolve(surface[0, 0].double().numpy(), seen.kernel)
        return _binned(torch.from_numpy(taken).float()[None, None], scale), None
    if seen.blur is None:
        return _binned(surface, scale), None
    from lenssr.data.camera.degrade import blurred

    def trial(sigma: float) -> Tensor:
        width = torch.tensor([float(sigma) * scale])
        return _binned(blurred(surface[0], width, sigma * scale)[None], scale)

    def misfit(sigma: float) -> float:
        return float((((trial(sigma) - data) / rms).square())[here].mean())

    best = min(np.linspace(*seen.blur, 41), key=misfit)
    return trial(float(best)), float(best)


def _unlike(image: Image, noise: float, peak: float, seen: Seen, why: str) -> list[str]:
    """Say, with numbers, where an image is unlike what the network was trained on."""
    told: list[str] = []
    if image.pixel_scale is None:
        told.append(f"its pixel scale is not known; training images had LR pixels of {seen.pixel_scale:.4g} arcsec")
    elif not 0.8 < image.pixel_scale / seen.pixel_scale < 1.25:
        told.append(
            f"pixels of {image.pixel_scale:.4g} arcsec, in training {seen.pixel_scale:.4g}: arcs look of another size"
        )
    low, high = seen.noise
    if why == "peak" and not 0.8 * low < noise < 1.25 * high:
        told.append(
            f"noise of {noise / peak:.2g} of the peak, in training {low / seen.peak:.2g} to {high / seen.peak:.2g}"
        )
    if why == "noise" and not 0.2 < peak / seen.peak < 5:
        told.append(f"a peak of {peak / noise:.0f} times the noise, in training some {seen.peak / noise:.0f}")
    return told


def summary(product: Product) -> dict[str, Any]:
    """Return what a product is, as plain values for JSON."""
    network = product.network
    return {
        "image": product.image.name, "run": network.hash, "model": network.name, "scale": product.scale,
        "err": product.spread, "facts": product.facts, "warnings": product.warnings,
    }  # fmt: skip
