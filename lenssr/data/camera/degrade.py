"""LR images by blur and noise of the HR scene, as the 2023 report degrades Model IV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lenssr.data.camera.detector import Detector, bin_sum
from lenssr.data.camera.observe import Address, Observed, Window
from lenssr.data.camera.random import normal, philox, uniform
from lenssr.errors import ConfigError, DataError
from lenssr.system.precision import exact

__all__ = ["BlurredExposure", "bin_image", "blurred", "convolve", "read_kernel"]

_HR, _LR, _STRENGTH = 0, 1, 2  # streams of random numbers; never renumber
_REACH = 3.0  # standard deviations to which a kernel extends


def blurred(images: Tensor, sigma: Tensor, longest: float, squared: bool = False) -> Tensor:
    """Convolve each image (B, H, W) with a Gaussian of its own, repeating the edge pixels.

    Args:
        images: to be blurred.
        sigma: standard deviations in pixels (B,); a kernel ends at round(3 sigma), as the published one.
        longest: the largest sigma that may come.
        squared: use the kernel's square, which is how the blur acts on the variance of white noise.
    """
    reach = round(_REACH * longest)
    offset = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    width = sigma.view(-1, 1)
    kernel = torch.exp(-0.5 * (offset / width).square()) * (offset.abs() <= (_REACH * width).round())
    kernel = kernel / kernel.sum(1, keepdim=True)
    kernel = kernel.square() if squared else kernel
    batch = images.unsqueeze(0)  # one channel an image: each has its own kernel
    for dim, pad in ((3, (reach, reach, 0, 0)), (2, (0, 0, reach, reach))):
        shape = (-1, 1, 1, len(offset)) if dim == 3 else (-1, 1, len(offset), 1)
        with exact():
            batch = F.conv2d(F.pad(batch, pad, mode="replicate"), kernel.view(shape), groups=len(images))
    return batch[0]


def bin_image(image: np.ndarray, scale: int) -> np.ndarray:
    """Sum blocks of scale x scale pixels of (H, W); what does not fill a block at the far edges is left out."""
    height, width = (n // scale * scale for n in image.shape)
    whole = np.ascontiguousarray(image[:height, :width])
    return bin_sum(torch.from_numpy(whole), scale).numpy()


def convolve(image: np.ndarray, kernel: np.ndarray | None) -> np.ndarray:
    """Convolve an image (H, W) with an odd kernel, repeating the edge pixels; None leaves it alone."""
    if kernel is None:
        return image
    from scipy.signal import fftconvolve

    reach = kernel.shape[0] // 2
    result: np.ndarray = fftconvolve(np.pad(image, reach, mode="edge"), kernel, mode="valid")
    return result


def read_kernel(
    psf: str | float | None, pixel_scale: float | None, where: str = "dataset.source.psf"
) -> np.ndarray | None:
    """Return a PSF with a sum of one, odd and square.

    Args:
        psf: a file (``kernel_point_source`` of lenstronomy's ``.h5``, ``.npy``, or FITS), the FWHM of a Gaussian in
            arcsec, or None for none.
        pixel_scale: arcsec; for a Gaussian alone.
        where: the setting's name, for messages.

    Raises:
        ConfigError: the file is not there, or the pixel scale is missing.
        DataError: the file holds no PSF.
    """
    if psf is None:
        return None
    if isinstance(psf, int | float):
        if not pixel_scale or psf <= 0:
            raise ConfigError(f"{where}={psf} is a FWHM in arcsec; it must be positive, and pixel_scale known.")
        sigma = psf / 2.3548200450309493 / pixel_scale
        offset = np.arange(-np.ceil(4 * sigma), np.ceil(4 * sigma) + 1)
        line = np.exp(-0.5 * (offset / sigma) ** 2)
        return np.outer(line, line) / line.sum() ** 2
    path = Path(psf).expanduser()
    if not path.is_file():
        raise ConfigError(f"{where}={psf} is no file.")
    kernel = _stored_kernel(path)
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or kernel.shape[0] % 2 == 0:
        raise DataError(f"{path} holds no PSF: an odd square was expected, not {kernel.shape}.")
    if not np.isfinite(kernel).all() or kernel.sum() <= 0:
        raise DataError(f"{path} holds no PSF: its pixels must be finite with a positive sum.")
    normalised: np.ndarray = kernel / kernel.sum()
    return normalised


def _stored_kernel(path: Path) -> np.ndarray:
    try:
        if path.suffix in (".h5", ".hdf5"):
            import h5py

            with h5py.File(path, "r") as file:
                return np.asarray(file["kernel_point_source"], np.float64)
        if path.suffix == ".npy":
            return np.load(path, allow_pickle=False).astype(np.float64)
        from astropy.io import fits

        return np.asarray(fits.getdata(path), np.float64)
    except Exception as error:  # the readers raise of every kind on damaged files
        raise DataError(f"{path} cannot be read as a PSF: {str(error).splitlines()[0]}") from error


class BlurredExposure:
    """HR: the scene with the camera's noise. LR: the scene blurred, binned and noisy, by strengths of its own.

    The LR noise is a fraction of the scene's peak, which is what the report's strengths on images between 0 and 1 are.

    Args:
        scale: HR pixels per LR pixel along a side; 1 changes no size.
        blur: least and largest sigma of the blur, HR pixels; uniform in between.
        noise: least and largest sigma of the LR noise, fraction of the peak; uniform in between.
        hr_background_rms: sigma of the HR background, flux per pixel and unit time.
        detector: of the HR camera, see :class:`lenssr.data.camera.detector.Detector`.
        clip: as the published preparation: the noise is added to an image between -1 and 1, which is then cut to
            [0, 1], so that all below half the peak is lost.
        seed: of the noise of validation and test, and of fixed training noise.

    Raises:
        ConfigError: a range is empty or negative.
    """

    needs_truth = True

    def __init__(
        self,
        scale: int,
        blur: list[float],
        noise: list[float],
        hr_background_rms: float,
        detector: dict[str, Any],
        clip: bool,
        seed: int,
    ) -> None:
        for name, (low, high) in {"blur": blur, "noise": noise}.items():
            if not 0 < low <= high:
                raise ConfigError(f"dataset.observation.{name}={[low, high]} must be positive and in order.")
        self.scale, self.seed, self.blur, self.noise, self.clip = scale, seed, blur, noise, clip
        self.hr = Detector(background_rms=hr_background_rms, **detector)
        self.config = {"blur": blur, "noise": noise, "hr": hr_background_rms, "detector": detector}
        self.config |= {"clip": clip, "seed": seed}

    def strengths(self, address: Address) -> tuple[Tensor, Tensor]:
        """Return the blur's sigma in HR pixels and the noise's as a fraction of the peak, (B,) each."""
        epoch = address.epoch.flatten() if isinstance(address.epoch, Tensor) else address.epoch
        first, second, *_ = philox((0, address.index, epoch, _STRENGTH), address.key)
        (low, high), (least, most) = self.blur, self.noise
        return low + (high - low) * uniform(first), least + (most - least) * uniform(second)

    def expect_lr(
        self, images: Tensor, scene: Tensor, time: Tensor, address: Address, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor] | None:
        """Return what the LR image of ``images`` (B, H, W) would be on average, and the variance of its pixels.

        Args:
            images: a guess at the noise-free flux.
            scene: the flux that was observed, whose peak the noise is a fraction of.
            time: exposure times (B,); of no influence here.
            address: of the samples.
            noise: variance of white noise that ``images`` hold; None for none.

        Returns:
            None where the LR image was cut, so that its noise is no longer Gaussian.
        """
        if self.clip:
            return None
        sigma, strength = self.strengths(address)
        mean = bin_sum(blurred(images, sigma, self.blur[1]), self.scale) / self.scale**2
        variance = (strength.view(-1, 1, 1) * scene.amax(dim=(-2, -1), keepdim=True)).square()
        if noise is not None:
            spread = blurred(noise, sigma, self.blur[1], squared=True)
            variance = variance + bin_sum(spread, self.scale) / self.scale**4
        return mean, variance

    def __call__(self, images: Tensor, time: Tensor, unit: float, window: Window, address: Address) -> Observed:
        """Observe noise-free flux (B, size, size), exposed for ``time`` (B,).

        Raises:
            ConfigError: the window is not the whole image, whose blur a patch cannot know.
        """
        if window.size != window.image_size:
            raise ConfigError(
                f"loader.patch={window.size} cuts images that are blurred as a whole; use loader.patch="
                f"{window.image_size}."
            )
        where = (address.index.view(-1, 1, 1), address.epoch)
        hr = self.hr.expose(images, time.view(-1, 1, 1), (window.pixels(), *where, _HR), address.key)
        truth, variance = self.hr.moments(images, time.view(-1, 1, 1))
        sigma, strength = self.strengths(address)
        top = images.amax(dim=(-2, -1), keepdim=True)
        mean = bin_sum(blurred(images, sigma, self.blur[1]), self.scale) / self.scale**2
        word, *_ = philox((window.pixels(self.scale), *where, _LR), address.key)
        noise = strength.view(-1, 1, 1) * top * normal(word)
        lr = ((2 * mean + noise) / top - 1).clamp(0, 1) * top if self.clip else mean + noise
        return Observed(lr, hr, truth, variance, images)
