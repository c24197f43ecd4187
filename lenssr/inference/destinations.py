"""Where products go: settled, and refused if need be, before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lenssr.data.files.fits import is_product
from lenssr.data.files.names import distinct, file_name
from lenssr.errors import ConfigError

__all__ = ["destinations"]


def destinations(names: Sequence[str], to: Path, inputs: Sequence[str], overwrite: bool) -> list[Path]:
    """Return the path of each product.

    Args:
        names: of the images.
        to: a ``.fits`` file, or a folder.
        inputs: files that are read, none of which may be written over.
        overwrite: replace files that are no products.

    Raises:
        ConfigError: several images for one file, a file that is an input, or one that this program did not write.
    """
    single = to.suffix.lower() == ".fits" and not to.is_dir()
    if to.is_file() and not single:
        raise ConfigError(f"-o {to} is a file that is no .fits; give a .fits file or a folder.")
    if single and len(names) > 1:
        raise ConfigError(f"{len(names)} images do not fit into {to}; give a folder with -o.")
    paths = [to] if single else [to / f"{name}_sr.fits" for name in distinct(map(file_name, names))]
    read = {Path(path).resolve() for path in inputs}
    for path in paths:
        if path.resolve() in read:
            raise ConfigError(f"{path} is an input; give another file, or a folder, with -o.")
        if path.is_file() and not overwrite and not _is_product(path):
            raise ConfigError(
                f"{path} is there and was not written by this program; give another place with -o (a folder, if a "
                "pattern as *.fits was meant for the inputs), or --overwrite."
            )
    return paths


def _is_product(path: Path) -> bool:
    """Whether a file is one of ours."""
    import warnings

    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with fits.open(path) as hdus:
                return is_product(hdus)
        except Exception:  # what cannot be read is another's
            return False
