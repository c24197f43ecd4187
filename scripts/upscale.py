"""Upscale images: ``python scripts/upscale.py <run> image.fits -o sr.fits``; see lenssr.inference."""

from lenssr.commands.doors import upscale

if __name__ == "__main__":
    upscale()
