"""Real images: pairs of one sky, or high-resolution ones alone that an instrument's PSF and noise degrade.

``<root>`` is a file or a folder of FITS, ``.npy`` or lenstronomy-style ``.h5`` files, each of one image or several.
Where it has folders ``hr`` and ``lr``, files of one name are pairs. Each image loses its sky and is multiplied so that
all have the noise of the typical one, as an image is when a network is applied to it. A part is kept for the test and a
part for validation, the same whatever the number of shots; of the others, ``shots`` are drawn for training.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lenssr.data.camera.degrade import bin_image, convolve, read_kernel
from lenssr.data.camera.noise import autocorrelation, shared, sky
from lenssr.data.files.images import Image, filled, read
from lenssr.data.sets.store import FORMAT, ImageSet, SetWriter, open_set
from lenssr.errors import ConfigError, DataError
from lenssr.system.files import read_json, whole_folder
from lenssr.system.locks import locked
from lenssr.system.progress import say

__all__ = ["RealSource"]

_SAME = 1.01  # times larger pixels are still of one size: a distorted WCS varies as much from image to image
_LAYOUT = 5  # of the folders in a set; another where their contents change
_KINDS = (".fits", ".fit", ".fts", ".fits.gz", ".fz", ".npy", ".h5", ".hdf5")


@dataclass(frozen=True)
class _Pair:
    """An HR image (N, N) with its noise, and an LR image (N / s, N / s).

    Attributes:
        name: of the image.
        file: that it is from.
        hr: flux per HR pixel, as the others.
        rms: standard deviation of its noise, (N, N).
        correlation: of its noise.
        pixel_scale: of HR pixels, arcsec.
    """

    name: str
    file: str
    hr: np.ndarray
    lr: np.ndarray
    rms: np.ndarray
    correlation: np.ndarray
    pixel_scale: float | None


class RealSource:
    """A set of real images, cut to one size about their middle.

    Args:
        name: of the set.
        root: file or folder.
        files: pattern of the files' names that are read.
        image_size: HR pixels along a side; smaller images are left out, and that is said.
        pixel_scale: arcsec of HR pixels; None for what the files say.
        scale: HR pixels per LR pixel along a side.
        psf: of images without a partner: what the LR instrument adds to the HR image's own PSF, as a file (an odd
            square of HR pixels) or the FWHM of a Gaussian in arcsec; None for nothing.
        shots: training images.
        draw: which of those there are: another number draws others. More shots of one draw hold the fewer.
        validation: fraction of the images that choose the checkpoint, one at least.
        test: fraction of the images that are tested on, one at least.
        folder: where converted sets are kept.

    Raises:
        ConfigError: root is not there, or a number is out of range.
    """

    noise_free = False
    classes = ("real",)

    def __init__(
        self,
        name: str,
        root: str,
        files: str,
        image_size: int,
        pixel_scale: float | None,
        scale: int,
        psf: str | float | None,
        shots: int,
        draw: int,
        validation: float,
        test: float,
        folder: str,
    ) -> None:
        self.root = Path(root).expanduser()
        if not self.root.exists():
            raise ConfigError(f"dataset.source.root={root} does not exist; give a file or folder of images.")
        if shots < 0 or not 0 < validation < 1 or not 0 < test < 1:
            raise ConfigError(
                f"dataset.shots={shots} must be 0 or more, and dataset.source.validation={validation} and test={test} "
                "between 0 and 1."
            )
        self.name, self.files, self.image_size, self.pixel_scale = name, files, image_size, pixel_scale
        self.scale, self.psf, self.shots, self.draw = scale, psf, shots, draw
        self.validation, self.test, self.folder = validation, test, Path(folder)

    @property
    def paired(self) -> bool:
        """Whether HR images have LR partners."""
        return (self.root / "hr").is_dir() and (self.root / "lr").is_dir()

    @property
    def path(self) -> Path:
        """Folder of the converted set; another where a file was changed, added or taken away."""
        listing = [[str(p.name), p.stat().st_size, p.stat().st_mtime_ns] for p in self._listed()]
        about = [self.files, self.image_size, self.pixel_scale, self.scale, self.psf, self.shots, self.draw]
        about += [self.validation, self.test]
        if isinstance(self.psf, str) and Path(self.psf).is_file():
            about += [Path(self.psf).stat().st_size, Path(self.psf).stat().st_mtime_ns]
        digest = hashlib.sha256(json.dumps([FORMAT, _LAYOUT, about, listing]).encode()).hexdigest()
        return self.folder / f"{self.name}-{digest[:8]}"

    def open(self, kind: str = "hr") -> dict[str, ImageSet]:
        """Return the splits of a kind of image, converting the files first if no earlier command did.

        ``hr``; ``lr``, flux per HR pixel, without the noise that those without partner lack; ``rms``, the standard
        deviation of the noise in ``hr``.
        """
        path = self.path
        if not path.exists():
            with locked(path, f"Waiting for another process that converts {self.root} ..."):
                if not path.exists():
                    self._convert(path)
        return open_set(path / kind)

    def noise(self) -> dict[str, Any]:
        """Return what was measured on all images but the tests'.

        ``hr`` and ``lr``, sigma of faint pixels in flux per HR pixel; ``correlation`` of the HR images' noise.
        """
        self.open()
        found: dict[str, Any] = (read_json(self.path / "hr" / "manifest.json") or {})["noise"]
        return found

    def kernel(self) -> np.ndarray | None:
        """Return what the LR instrument adds to the HR image's PSF, on HR pixels; None for pairs: nobody knows."""
        return None if self.paired else read_kernel(self.psf, self.pixel_scale)

    def _listed(self) -> list[Path]:
        if self.root.is_file():
            return [self.root]
        folders = [self.root / "hr", self.root / "lr"] if self.paired else [self.root]
        known = (p for f in folders for p in sorted(f.glob(self.files)) if p.name.lower().endswith(_KINDS))
        found = [p for p in known if not p.name.startswith(".")]
        if not found:
            raise DataError(f"{self.root} holds no FITS, .npy or .h5 file called {self.files} (dataset.source.files).")
        return found

    def _pairs(self) -> list[_Pair]:
        kernel = self.kernel()
        pairs, small = [], 0
        for path in self._listed():
            if self.paired and path.parent.name == "lr":
                continue
            partners = read(self.root / "lr" / path.name) if self.paired else None
            images = read(path)
            if partners is not None and len(partners) != len(images):
                raise DataError(f"{path} holds {len(images)} images and its partner in lr {len(partners)}.")
            for i, image in enumerate(images):
                whole = filled(image.data)
                lr = bin_image(convolve(whole, kernel), self.scale)
                if partners is not None:
                    lr = filled(partners[i].data)
                    if tuple(self.scale * n for n in lr.shape) != whole.shape:
                        raise DataError(
                            f"{path}: {whole.shape} HR and {lr.shape} LR pixels do not fit dataset.scale={self.scale}."
                        )
                if min(whole.shape) < self.image_size:
                    small += 1
                    continue
                pairs.append(self._cut(path.name, image, whole, lr))
        if small:
            say(f"{self.root}: {small} images of less than {self.image_size} px a side are left out")
        return pairs

    def _cut(self, file: str, image: Image, hr: np.ndarray, lr: np.ndarray) -> _Pair:
        low = self.image_size // self.scale
        row, column = ((n // self.scale - low) // 2 for n in hr.shape)
        top, left, size = self.scale * row, self.scale * column, self.image_size
        window = (slice(top, top + size), slice(left, left + size))
        level, noise = sky(image.data)
        rms = filled(image.noise(level, noise, shared=shared(image.data)))
        small = lr[row : row + low, column : column + low] / self.scale**2
        small = small - (sky(small)[0] if self.paired else level)
        pixel_scale = self.pixel_scale or image.pixel_scale
        correlation = autocorrelation(image.data)
        return _Pair(image.name, file, hr[window] - level, small, rms[window], correlation, pixel_scale)

    def _alike(self, pairs: list[_Pair], seen: list[int]) -> list[_Pair]:
        """Return the pairs multiplied so that the noise of faint pixels is what it is in the median of those seen."""
        noise = [sky(pair.lr)[1] if self.paired else float(np.quantile(pair.rms, 0.1)) for pair in pairs]
        gains = [float(np.median([noise[i] for i in seen])) / one for one in noise]
        return [
            replace(pair, hr=gain * pair.hr, lr=gain * pair.lr, rms=gain * pair.rms)
            for pair, gain in zip(pairs, gains, strict=True)
        ]

    def _split(self, files: list[str]) -> dict[str, list[int]]:
        """Return the images of each split: test and validation evenly over the files, the shots drawn from the rest.

        Images of one file, as the bands of one object, stay together where there are files enough.

        Args:
            files: of each image.
        """
        count = len(files)
        test, validation = max(1, round(self.test * count)), max(1, round(self.validation * count))
        pool = count - test - validation
        if pool < max(1, self.shots):
            raise ConfigError(
                f"dataset.shots={self.shots}, but of the {count} images of {self.root} with {self.image_size} px or "
                f"more a side {max(0, pool)} are left beside {test} for the test and {validation} for validation; give "
                "fewer shots, or more images."
            )
        order = np.argsort((np.arange(count) * 0.6180339887498949) % 1.0, kind="stable")  # evenly, whatever the counts
        tests, rest = _whole_files(order.tolist(), files, test)
        validations, rest = _whole_files(rest, files, validation)
        if len(rest) < max(1, self.shots):  # a few files of many images: then image by image
            parts = order.tolist()
            tests, validations, rest = parts[:test], parts[test : test + validation], parts[test + validation :]
        shuffled = np.random.default_rng(self.draw).permutation(np.asarray(rest))
        return {"train": shuffled[: self.shots].tolist(), "validation": sorted(validations), "test": sorted(tests)}

    def _convert(self, path: Path) -> None:
        pairs = self._pairs()
        splits = self._split([pair.file for pair in pairs])
        known = [p.pixel_scale for p in pairs if p.pixel_scale]
        if not known or max(known) > _SAME * min(known):
            told = f"of {min(known):.4g} to {max(known):.4g} arcsec" if known else "of a size that they do not tell"
            raise ConfigError(
                f"The files in {self.root} have pixels {told}; give images of one size, or "
                "dataset.source.pixel_scale=<arcsec of HR pixels>."
            )
        others = [i for i in range(len(pairs)) if i not in splits["test"]]  # looking at their noise costs no shot
        pairs = self._alike(pairs, others)
        seen = [pairs[i] for i in others]
        about: dict[str, Any] = {
            "noise_free": False,
            "pixel_scale": float(np.median(known)),
            "unit": float(np.median([np.quantile(pair.lr, 0.999) for pair in seen])),
            "units": {"images": "flux per HR pixel above the sky, times what makes the noise alike"},
            "config": {"root": str(self.root)},
            "noise": {
                "hr": float(np.median([np.quantile(pair.rms, 0.1) for pair in seen])),
                "lr": float(np.median([sky(pair.lr)[1] for pair in seen])),
                "correlation": np.mean([pair.correlation for pair in seen], axis=0).tolist(),
            },
        }
        with whole_folder(path) as folder:
            for kind in ("hr", "lr", "rms"):
                (folder / kind).mkdir()
                writer = SetWriter(folder / kind)
                for split, chosen in splits.items():
                    images = [getattr(pairs[i], kind).astype(np.float32) for i in chosen]
                    size = self.image_size // (self.scale if kind == "lr" else 1)
                    table = pd.DataFrame({"index": range(len(chosen)), "class": "real", "exposure_time": 1.0})
                    table["file"] = [pairs[i].name for i in chosen]
                    writer.write(split, (len(chosen), size, size), [image[None] for image in images], table)
                writer.finish(about)


def _whole_files(order: list[int], files: list[str], wanted: int) -> tuple[list[int], list[int]]:
    """Return the first images of an order, whole files of them, at least one and near a number; and the others."""
    taken: list[int] = []
    for image in order:
        group = [other for other in order if files[other] == files[image]]
        if image not in taken and (not taken or len(taken) + len(group) <= wanted):
            taken += group
    return taken, [image for image in order if image not in set(taken)]
