"""Scores of images, one idea per file."""

from lenssr.metrics.image import mse, psnr, ssim
from lenssr.metrics.protocols import scores

__all__ = ["mse", "psnr", "scores", "ssim"]
