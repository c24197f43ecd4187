"""Files that tests make to have something to read."""

import itertools

import numpy as np
from astropy.io import fits


def write_cutouts(root, size=48, count=10):
    """Write rings and discs, 1000 bright on a noise of 20, in a folder a class, FITS and .npy in turn."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    radius = np.hypot(x, y) / size
    for name, light in (
        ("lenses", np.exp(-0.5 * ((radius - 0.28) / 0.07) ** 2)),
        ("nonlenses", np.exp(-radius / 0.14)),
    ):
        (root / name).mkdir(parents=True)
        for i in range(count):
            image = (1e3 * light + rng.normal(0, 20, radius.shape)).astype(np.float32)
            if i % 2:
                fits.PrimaryHDU(image).writeto(root / name / f"{i:02d}.fits")
            else:
                np.save(root / name / f"{i:02d}.npy", image)


def write_files(root):
    """Write a handful of images in DeepLense's layout."""
    rng = np.random.default_rng(0)
    for split, name in itertools.product(("train", "test"), ("no_sub", "vortex", "cdm")):
        folder = root / split / name
        folder.mkdir(parents=True)
        for i in range(3 if split == "train" else 1):
            image = rng.poisson(5, (48, 48))
            if name == "vortex":
                both = np.empty(2, dtype=object)
                both[:] = [image, 1e-23]
                image = both
            np.save(folder / f"{i}.npy", image, allow_pickle=True)


def galaxies(folder, count=10, size=40):
    """Write round galaxies of different widths, one a file, the first two in one."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] - size / 2
    images = [np.exp(-np.hypot(x, y) / (3 + k)) + 0.01 * rng.normal(size=(size, size)) for k in range(count)]
    pair = [fits.PrimaryHDU(), *(fits.ImageHDU(image.astype(np.float32)) for image in images[:2])]
    fits.HDUList(pair).writeto(folder / "a.fits")
    for k, image in enumerate(images[2:]):
        np.save(folder / f"b{k}.npy", image)
    return images


def lens(height=41, width=36, seed=0, noise=0.02):
    """Return a ring over a noisy sky, with a level of its own."""
    y, x = np.mgrid[:height, :width]
    radius = np.hypot(y - height / 2, x - width / 2)
    generator = np.random.default_rng(seed)
    image = 0.3 + np.exp(-0.5 * ((radius - 9) / 2) ** 2) + noise * generator.standard_normal((height, width))
    return image.astype(np.float32)


def header(kind):
    """Return a celestial header of 0.1 arcsec pixels, turned and a little skewed."""
    made = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.1, "CRVAL2": 2.2})
    made.update({"CRPIX1": 17.3, "CRPIX2": 22.9, "CUNIT1": "deg", "CUNIT2": "deg", "BUNIT": "electron/s"})
    made.update({"EXPTIME": 2260.0, "TELESCOP": "Euclid"})
    step, angle = 0.1 / 3600, np.deg2rad(31)
    turn = np.array([[-np.cos(angle), np.sin(angle)], [np.sin(angle), 1.02 * np.cos(angle)]])
    for i in (1, 2):
        made[f"CDELT{i}"] = step
        for j in (1, 2):
            made[f"PC{i}_{j}"] = turn[i - 1, j - 1]
    if kind in ("CD", "SIP"):
        for i in (1, 2):
            del made[f"CDELT{i}"]
            for j in (1, 2):
                del made[f"PC{i}_{j}"]
                made[f"CD{i}_{j}"] = step * turn[i - 1, j - 1]
    if kind == "SIP":
        made["CTYPE1"], made["CTYPE2"] = "RA---TAN-SIP", "DEC--TAN-SIP"
        made.update({"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 2e-4, "B_1_1": -1e-4, "A_0_2": 5e-5})
    if kind == "CDELT":
        for i in (1, 2):
            for j in (1, 2):
                del made[f"PC{i}_{j}"]
    return made


def entry_pairs(root, numbers=range(1, 41), size=48, names=("HR_{}.npy", "LR_{}.npy"), noise=0.02):
    """Write pairs in the layout of DeepLense's entry tests: rings, (1, H, W), each brought to 0 to 1."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] / size - 0.5
    for number in numbers:
        angle = np.arctan2(y, x) + rng.uniform(0, 6)
        ring = np.exp(-((np.hypot(x - rng.normal(0, 0.03), y) - 0.25) ** 2) / 0.002) * (1 + 0.6 * np.cos(angle))
        binned = ring.reshape(size // 2, 2, size // 2, 2).mean((1, 3))
        for kind, name, image in zip(("HR", "LR"), names, (ring, binned), strict=True):
            image = image + noise * rng.normal(size=image.shape)
            (root / kind).mkdir(parents=True, exist_ok=True)
            np.save(root / kind / name.format(number), (image - image.min())[None] / np.ptp(image))
