"""Real galaxies as sources: catalogues and folders."""

import numpy as np
import pytest
from astropy.io import fits

from lenssr.data.sky.galaxies import galaxies
from lenssr.data.sky.stamps import SIDE
from lenssr.errors import ConfigError, DataError


def blob(height, width, x, y):
    """Return a galaxy of 3 px at (x, y) px from the middle, on a sky of 5."""
    j, i = np.mgrid[:height, :width]
    at = np.square(i - (width - 1) / 2 - x) + np.square(j - (height - 1) / 2 - y)
    return (5 + 100 * np.exp(-0.5 * at / 9)).astype(np.float32)


def write_catalogue(root, sizes):
    """Write a RealGalaxy catalogue and its images, galaxies 4 px right of and 2 px above the middle."""
    hdus = [fits.PrimaryHDU(), *(fits.ImageHDU(blob(h, w, 4, 2)) for h, w in sizes)]
    fits.HDUList(hdus).writeto(root / "images.fits")
    columns = [
        fits.Column("GAL_FILENAME", "20A", array=["images.fits"] * len(sizes)),
        fits.Column("GAL_HDU", "J", array=np.arange(1, 1 + len(sizes))),
    ]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(root / "catalogue.fits")


def test_a_catalogues_galaxies_keep_their_place_and_lose_their_sky(tmp_path):
    write_catalogue(tmp_path, [(60, 60), (80, 64), (64, 90)])
    found = galaxies("catalogue", 0.64, 1, 0, str(tmp_path / "catalogue.fits"))
    assert found.stamps.shape == (3, SIDE, SIDE) and found.stamps.sum((1, 2)) == pytest.approx(1, abs=1e-5)
    axis = np.arange(SIDE) - (SIDE - 1) / 2
    for stamp, side in zip(found.stamps, (60, 64, 64), strict=True):
        assert (stamp * axis).sum() == pytest.approx(4 * SIDE / side, abs=0.3)
        assert (stamp * axis[:, None]).sum() == pytest.approx(2 * SIDE / side, abs=0.3)
        assert stamp[:8].max() < 1e-3 * stamp.max()
    with pytest.raises(DataError, match=r"holds 3 galaxies.*count=1"):
        galaxies("catalogue", 0.64, 2, 0, str(tmp_path / "catalogue.fits"))
    with pytest.raises(DataError, match="RealGalaxy"):
        galaxies("catalogue", 0.64, 1, 0, str(tmp_path / "images.fits"))


def test_a_folder_of_stamps(tmp_path):
    np.save(tmp_path / "b.npy", blob(40, 40, 0, 0))
    fits.PrimaryHDU(blob(50, 40, 0, 0)).writeto(tmp_path / "a.fits")
    np.save(tmp_path / "c.npy", blob(30, 30, 0, 0))
    assert galaxies("folder", 0.64, 1, 0, str(tmp_path)).stamps.shape == (3, SIDE, SIDE)
    (tmp_path / "a.fits").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"a\.fits"):
        galaxies("folder", 0.64, 1, 0, str(tmp_path))
    for kind in ("folder", "catalogue"):
        with pytest.raises(ConfigError, match="is not there"):
            galaxies(kind, 0.64, 1, 0, str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="Did you mean 'folder'"):
        galaxies("foldr", 0.64, 1, 0)


def test_cosmos_galaxies_become_lensed_images(real, tmp_path):
    from lenssr.config.compose import compose, plain
    from lenssr.runs.build import build_data

    catalogue = real / "real_galaxies" / "real_galaxy_catalog_23.5.fits"
    overrides = ["dataset=model4", "scale.dataset={train: 3, validation: 3, test: 3}", f"paths.outputs={tmp_path}"]
    kind = [f"dataset.source.galaxies.{key}" for key in ("kind=catalogue", f"path={catalogue}", "count=3", "width=1.5")]
    sets = build_data(plain(compose([*overrides, *kind]))).sets
    images = sets["test"].images
    assert np.isfinite(images).all() and (images.max((1, 2)) > 20 * np.median(images, axis=(1, 2))).all()
