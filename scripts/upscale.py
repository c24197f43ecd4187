"""Upscale images: ``python scripts/upscale.py <run> image.fits -o sr.fits``; see lenssr.inference."""

from lenssr.inference.main import main

if __name__ == "__main__":
    main()
