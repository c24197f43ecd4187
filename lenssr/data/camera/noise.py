"""The noise of a real image: how strong, how it is correlated, and LR images whose noise their HR image does not share.

An LR image made of a noisy HR image holds the same noise, binned, so a network that learns one from the other learns to
keep noise. :class:`IndependentNoise` adds noise to the LR image and subtracts from the HR image what makes the two
uncorrelated, after Pang et al. 2021 (Recorrupted-to-Recorrupted, doi:10.1109/CVPR46437.2021.00208), here through blur
and binning and for the correlated noise of drizzled images. The mean of what is learnt is then the noise-free image.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lenssr.data.camera.observe import Address
from lenssr.data.camera.random import normal, philox
from lenssr.data.files.images import filled

__all__ = ["IndependentNoise", "autocorrelation", "shared", "sky"]

_CLIP = 3.0  # sigma of the clipping that finds the sky
_MEDIAN = 15  # px of the median filter that takes away what is smooth
_CERTAIN = 3.0  # standard errors above one, from which on neighbours share noise
_LIGHT = 0.1  # correlation of pixels two apart, beyond which light hides how noise is shared
_FAINT = 0.4  # of the pixels that clipping leaves: where a source fills the image, its faint end
_LEAST = 0.5  # added over shared power, at every frequency
_LR = 1  # stream of random numbers, as in lenssr.data.camera.observe


def sky(data: np.ndarray, rms: np.ndarray | None = None) -> tuple[float, float]:
    """Return the level of the sky and the noise on it, from its faint pixels, less a median over 15 px.

    Args:
        data: (H, W), NaN where nothing was measured.
        rms: the noise of its pixels where that is known, of which the faintest tenth counts.
    """
    level, rest, used = _faint(data)
    noise = float(rest[used].std()) or float(np.nanstd(data))
    return level, noise if rms is None else float(np.nanquantile(rms, 0.1))


def autocorrelation(data: np.ndarray, reach: int = 2) -> np.ndarray:
    """Return the correlation of an image's noise with itself, (2 reach + 1, 2 reach + 1), 1 in the middle.

    Args:
        data: (H, W), NaN where nothing was measured.
        reach: largest shift, px.
    """
    _, rest, used = _faint(data)
    return _correlation(rest, used, reach)


def shared(data: np.ndarray) -> float:
    """Return the variance of an image's noise before it was resampled over that after it, 1 where it was not.

    Drizzling shares the noise of a pixel out among its neighbours, so that each looks less noisy than it is: by the sum
    of the correlations of a pixel with itself and its eight neighbours (R squared of Fruchter & Hook 2002,
    astro-ph/9808087, section 7). Noise that is measured in the image has this in it, noise by counting photons has not.
    What pixels two apart have in common is taken for light, and off; kernels that reach further come out too small.

    Args:
        data: (H, W), NaN where nothing was measured.
    """
    _, rest, used = _faint(data)
    ring = _correlation(rest, used, 2)
    core = ring[1:-1, 1:-1].copy()
    ring[1:-1, 1:-1] = 0
    light = float(ring.sum()) / 16
    if light > _LIGHT:
        return 1.0
    found = float((core - light).sum()) / (1 - light)
    # of white noise: of the eight 4 independent numbers count twice, of the ring's sixteen 8 do, 9 / 16 of each, and
    # each has a variance of one over the pixels
    error = (4 * 2**2 + 8 * (2 * 9 / 16) ** 2) ** 0.5 / max(1, int(used.sum())) ** 0.5
    return found if found > 1 + _CERTAIN * error else 1.0


def _correlation(rest: np.ndarray, used: np.ndarray, reach: int) -> np.ndarray:
    found = np.zeros((2 * reach + 1, 2 * reach + 1))
    height, width = rest.shape
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            rows, columns = (slice(max(0, d), n + min(0, d)) for d, n in ((down, height), (right, width)))
            back, left = (slice(max(0, -d), n + min(0, -d)) for d, n in ((down, height), (right, width)))
            pairs = (used[rows, columns] & used[back, left]).sum()
            found[down + reach, right + reach] = (rest[rows, columns] * rest[back, left]).sum() / max(1, pairs)
    return found / found[reach, reach] if found[reach, reach] > 0 else np.pad([[1.0]], reach)


def _faint(data: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the level of the sky, the image less what is smooth in it (0 where it is not used), and what is used."""
    from astropy.stats import mad_std, sigma_clip
    from scipy.ndimage import median_filter

    known, data = np.isfinite(data), filled(data)
    clipped = sigma_clip(np.ma.array(data, mask=~known), sigma=_CLIP, cenfunc="median", stdfunc=mad_std)
    faint = ~np.ma.getmaskarray(clipped)
    smooth = median_filter(data, _MEDIAN)
    faint &= smooth <= np.quantile(smooth[faint], _FAINT)
    rough = np.ma.array(data - smooth, mask=~faint)
    used = ~np.ma.getmaskarray(sigma_clip(rough, sigma=_CLIP))
    rest = np.where(used, rough.data - rough.data[used].mean(), 0.0)
    return float(np.ma.median(clipped)), rest, used


class IndependentNoise:
    """Noise for LR images, and what to subtract from the HR images that they are made of.

    With HR noise of covariance S, an LR image D (x + n) + e and the HR image x + n - S D' R^-1 e, where R is the
    covariance of e, have uncorrelated noise. S is a correlation times slowly varying variances; D blurs and takes means
    of scale x scale pixels.

    Args:
        correlation: of the HR noise, odd and square.
        kernel: the blur, odd and square, of HR pixels; None for none.
        scale: HR pixels per LR pixel along a side.
        size: HR pixels along a side of an image.
        wanted: variance of an LR pixel over that of an HR pixel, white; None: as noisy as the HR image, and correlated
            as it is from pixel to pixel, which is what an HR image looks like to the network that enlarges it.
    """

    def __init__(
        self, correlation: np.ndarray, kernel: np.ndarray | None, scale: int, size: int, wanted: float | None
    ) -> None:
        self.scale, self.size = scale, size
        blur = _spectrum(np.full((scale, scale), scale**-2.0), size, centred=False)
        if kernel is not None:
            blur = blur * _spectrum(_fitting(kernel, size), size)
        power = _spectrum(correlation, size).real.clamp(min=0)
        shared = torch.fft.ifft2(power * blur.abs().square()).real[::scale, ::scale]
        shared_power = torch.fft.fft2(shared).real.clamp(min=0)
        low = size // scale
        total = _spectrum(correlation, low).real if wanted is None else torch.full((low, low), wanted).double()
        added = torch.maximum(total - shared_power, _LEAST * shared_power).clamp(min=1e-6)
        self.shared = float(shared[0, 0]) ** 0.5
        self.total = float((added + shared_power).mean()) ** 0.5
        self._filters = added.sqrt(), power * blur.conj()

    def draw(self, rms: Tensor, address: Address) -> tuple[Tensor, Tensor]:
        """Return what to add to LR images (B, size / scale, size / scale) and to subtract from HR (B, size, size).

        Args:
            rms: of the HR images' pixels, (B, size, size).
            address: of the samples.
        """
        low = self.size // self.scale
        pixels = torch.arange(low * low, device=rms.device).view(1, low, low)
        word, *_ = philox((pixels, address.index.view(-1, 1, 1), address.epoch, _LR), address.key)
        white = torch.fft.fft2(normal(word).double())
        if self._filters[0].device != rms.device:
            self._filters = self._filters[0].to(rms.device), self._filters[1].to(rms.device)
        root, back = self._filters
        add = torch.fft.ifft2(white * root).real
        tall = torch.zeros(len(rms), self.size, self.size, dtype=torch.float64, device=rms.device)
        tall[:, :: self.scale, :: self.scale] = torch.fft.ifft2(white / root).real
        subtract = torch.fft.ifft2(torch.fft.fft2(tall) * back).real
        variance = torch.nn.functional.avg_pool2d(rms.square().unsqueeze(1), self.scale)[:, 0]
        return add.float() * variance.sqrt(), subtract.float() * rms


def _spectrum(kernel: np.ndarray, size: int, centred: bool = True) -> Tensor:
    """Return the transform of a kernel on a grid without edges, its middle (or its first pixel, reversed) at 0.

    Uncentred, it is that of the mean over the pixels from a pixel on, as binning takes it.
    """
    grid = torch.zeros(size, size, dtype=torch.float64)
    middle = kernel.shape[0] // 2 if centred else 0
    for (row, column), value in np.ndenumerate(kernel):
        at = (row - middle, column - middle) if centred else (-row, -column)
        grid[at[0] % size, at[1] % size] += value
    return torch.fft.fft2(grid)


def _fitting(kernel: np.ndarray, size: int) -> np.ndarray:
    """Return the middle of a kernel that is wider than an image."""
    cut = max(0, (kernel.shape[0] - (size - 1) // 2 * 2 - 1) // 2)
    return kernel[cut : kernel.shape[0] - cut, cut : kernel.shape[1] - cut]
