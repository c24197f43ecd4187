"""From a trained run to a scientist's image: files in, flux and its uncertainty out."""

from lenssr.inference.result import Product
from lenssr.inference.upscale import upscale

__all__ = ["Product", "upscale"]
