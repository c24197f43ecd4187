"""From a trained run to a scientist's image: files in, flux and its uncertainty out."""

from lenssr.inference.upscale import Product, upscale

__all__ = ["Product", "upscale"]
