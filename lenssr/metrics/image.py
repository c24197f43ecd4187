"""MSE, PSNR and SSIM of single images, as scikit-image defines them, for batches on any device.

The MSE is torchmetrics'. Its SSIM takes the population's covariance and pads the border, where scikit-image's and
the 2023 report's takes the sample's and leaves the border out, so SSIM is written here.

Every function takes float tensors (B, H, W), reckons in float64 and returns one number an image (B,).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional import mean_squared_error

__all__ = ["mse", "psnr", "ssim"]


def mse(image: Tensor, target: Tensor) -> Tensor:
    """Mean squared error over the pixels."""
    a, b = (x.double().flatten(1).T for x in (image, target))
    return mean_squared_error(a, b, num_outputs=a.shape[1]).view(-1)


def psnr(image: Tensor, target: Tensor, data_range: float = 1.0) -> Tensor:
    """Peak signal-to-noise ratio in dB: 10 log10(data_range^2 / MSE); infinite for equal images."""
    return 10 * (data_range**2 / mse(image, target)).log10()  # torchmetrics' takes ln 10 in float32: 4e-7 dB off


def ssim(image: Tensor, target: Tensor, data_range: float | Tensor = 1.0, window: int = 7) -> Tensor:
    """Structural similarity (Wang et al. 2004, doi:10.1109/TIP.2003.819861).

    Uniform window, sample covariance, K1 = 0.01, K2 = 0.03, averaged where the window lies inside the image:
    scikit-image's default with the data range given (one number, or one an image as (B, 1, 1, 1)).

    Raises:
        ValueError: the image is smaller than the window.
    """
    if min(image.shape[-2:]) < window:
        raise ValueError(f"SSIM needs images of at least {window} px; these have {tuple(image.shape[-2:])}")
    x, y = image.double().unsqueeze(1), target.double().unsqueeze(1)
    count = window * window

    def mean(z: Tensor) -> Tensor:
        return F.avg_pool2d(z, window, stride=1)

    mx, my = mean(x), mean(y)
    to_sample = count / (count - 1)
    vx = to_sample * (mean(x * x) - mx * mx)
    vy = to_sample * (mean(y * y) - my * my)
    cov = to_sample * (mean(x * y) - mx * my)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    value = (2 * mx * my + c1) * (2 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return value.mean(dim=(-3, -2, -1))
