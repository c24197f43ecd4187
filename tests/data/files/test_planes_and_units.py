"""Which plane is what, what a unit means for smaller pixels, where an image lies, and names that name no path."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from lenssr.data.files.images import from_array, read
from lenssr.data.files.names import distinct, file_name
from lenssr.data.files.units import intensive
from lenssr.data.files.wcs import rescaled
from lenssr.errors import ConfigError, DataError
from lenssr.inference.destinations import Folder


def noise(seed=0, size=32):
    return np.random.default_rng(seed).normal(0, 1, (size, size))


def file(path, *planes):
    """Write extensions (name, version, pixels) and return the path."""
    hdus = [fits.ImageHDU(pixels.astype(np.float32), name=name, ver=version) for name, version, pixels in planes]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    return path


def test_each_band_and_each_chip_has_its_own_noise(tmp_path):
    one, ten = np.ones((32, 32)), np.full((32, 32), 10.0)
    bands = file(tmp_path / "a.fits", ("G", 1, noise()), ("ERR", 1, one), ("R", 1, noise(1)), ("ERR", 2, ten))
    assert [float(image.rms.mean()) for image in read(bands)] == [1, 10]
    chips = file(tmp_path / "b.fits", ("SCI", 1, noise()), ("ERR", 1, one), ("SCI", 2, noise(1)), ("ERR", 2, ten))
    found = read(chips)
    assert [float(image.rms.mean()) for image in found] == [1, 10] and found[0].name != found[1].name


@pytest.mark.parametrize(("name", "told"), [("VARIANCE", 4.0), ("IVAR", 0.25), ("RMS", 2.0), ("VIS_RMS", 2.0)])
def test_noise_of_every_kind_becomes_a_standard_deviation(tmp_path, name, told):
    image = "VIS_FLUX" if "_" in name else "SCI"
    path = file(tmp_path / "a.fits", (image, 1, noise()), (name, 1, np.full((32, 32), told)), ("PSF", 1, noise(2, 16)))
    (found,) = read(path)
    assert found.rms == pytest.approx(2.0) and any("not used" in note and "PSF" in note for note in found.notes)


def test_an_odd_plane_leaves_the_others(tmp_path):
    cube = np.stack([np.zeros((32, 32)), noise(), noise(1)])
    fits.PrimaryHDU(cube).writeto(tmp_path / "a.fits")
    found = read(tmp_path / "a.fits")
    assert [image.name for image in found] == ["a_1", "a_2"] and "a_0" in " ".join(found[0].notes)


def test_a_constant_border_is_not_sky(tmp_path):
    image = np.zeros((64, 64))
    image[16:48, 16:48] = noise()
    (found,) = from_array(image)
    assert np.isnan(found.data).sum() == 64**2 - 32**2


def test_a_file_that_is_cut_short_says_by_how_much(tmp_path):
    fits.PrimaryHDU(noise()).writeto(tmp_path / "a.fits")
    (tmp_path / "a.fits").write_bytes((tmp_path / "a.fits").read_bytes()[:5640])
    with pytest.raises(DataError, match=r"cut short: 5640 of 11520 bytes"):
        read(tmp_path / "a.fits")


@pytest.mark.parametrize(
    "array", [np.zeros((0, 20)), np.ones((20, 20)), np.full((20, 20), np.nan), np.ones(20), np.ones((20, 20), complex)]
)
def test_arrays_are_refused_in_sentences(array):
    with pytest.raises(DataError):
        from_array(array)


@pytest.mark.parametrize(
    "unit",
    [
        "MJy/sr",
        "MJy sr-1",
        "W/m^2-sr",
        "erg/s/cm2/arcsec2",
        "mag/arcsec^2",
        "JY/BEAM",
        "K",
        "km/s",
        "mag",
        "nJy/arcsec2",
    ],
)
def test_values_of_a_place_keep_their_value(unit):
    assert intensive(unit)


@pytest.mark.parametrize(
    "unit", ["ELECTRONS/S", "electron s-1", "e/s", "counts", "ADU", "nanomaggy", "Jy", "Jy/pixel", ""]
)
def test_sums_over_a_pixel_are_shared(unit):
    assert not intensive(unit)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("kind", ["TAN", "SIN", "ZEA", "AIT", "CAR", "ARC"])
@pytest.mark.parametrize("alternate", ["", "A"])
def test_every_description_of_the_sky_follows(kind, alternate, scale):
    header = fits.Header({f"CRPIX1{alternate}": 17.3, f"CRPIX2{alternate}": 22.9})
    header.update({f"CTYPE1{alternate}": f"RA---{kind}", f"CTYPE2{alternate}": f"DEC--{kind}"})
    header.update({f"CRVAL1{alternate}": 20.0, f"CRVAL2{alternate}": 5.0})
    step = {"CD1_1": -3e-5, "CD1_2": 1e-6, "CD2_1": 1e-6, "CD2_2": 3e-5}
    header.update({f"{key}{alternate}": value for key, value in step.items()})
    pixels = np.random.default_rng(0).uniform(1, 40, (100, 2))
    sky = WCS(header, key=alternate or " ").wcs_pix2world(pixels, 1)
    back = WCS(rescaled(header, scale), key=alternate or " ").wcs_world2pix(sky, 1)
    assert np.abs(back - ((pixels - 0.5) * scale + 0.5)).max() < 1e-3


@pytest.mark.parametrize("text", ["X/../../escaped", "..", ".hidden", "a\x00b\n", "a\\b", "x" * 300, "F814W/DRZ", " "])
def test_names_name_no_path(text, tmp_path):
    name = file_name(text)
    assert (tmp_path / name).resolve().parent == tmp_path and 0 < len(name) <= 120 and not name.startswith(".")


def test_names_differ_where_capitals_do_not_count():
    assert len({name.lower() for name in distinct(["SCI", "sci", "Sci", "SCI_2"])}) == 4


def test_nothing_is_written_over_an_input_or_anothers_file(tmp_path):
    fits.PrimaryHDU(noise()).writeto(tmp_path / "a.fits")
    for inputs in ([str(tmp_path / "a.fits")], ["b.fits"]):
        with pytest.raises(ConfigError, match=r"with -o|input"):
            Folder(tmp_path / "a.fits").check([Path(name) for name in inputs])
    Folder(tmp_path / "a.fits", overwrite=True).check([Path("b.fits")])
    (tmp_path / "b_sr.fits").write_bytes(b"another's")
    with pytest.raises(ConfigError, match="not written by this program"):
        Folder(tmp_path).check([Path("b.fits")])


def test_a_product_among_the_inputs_is_left_out_of_them_and_what_it_was_made_of_goes_on(tmp_path):
    fits.PrimaryHDU(noise()).writeto(tmp_path / "a.fits")
    fits.PrimaryHDU(noise(), fits.Header({"SRSCALE": 2})).writeto(tmp_path / "a_sr.fits")
    both = [tmp_path / "a.fits", tmp_path / "a_sr.fits"]  # as *.fits names them
    Folder(tmp_path).check(both)
    with pytest.raises(ConfigError, match="is an input"):
        Folder(tmp_path / "a_sr.fits").check(both[1:])
    fits.PrimaryHDU(noise()).writeto(tmp_path / "a_sr.fits", overwrite=True)
    with pytest.raises(ConfigError, match="is an input"):
        Folder(tmp_path).check(both)


def test_a_noise_map_without_a_value_costs_no_pixel(tmp_path):
    for i, value in enumerate((0.0, -1.0, np.nan)):
        path = file(tmp_path / f"{i}.fits", ("SCI", 1, noise()), ("ERR", 1, np.full((32, 32), value)))
        (found,) = read(path)
        assert np.isfinite(found.data).all() and found.rms is None and "its noise map ERR" in " ".join(found.notes)


def test_planes_of_one_name_are_told_apart(tmp_path):
    one = np.ones((32, 32))
    (found,) = read(file(tmp_path / "a.fits", ("SCI", 1, noise()), ("ERR", 1, one), ("ERR", 2, one), ("PSF", 1, one)))
    assert "not used, of this file: ERR,2, PSF" in found.notes


def test_a_compressed_file_is_known_by_what_it_holds(tmp_path):
    fits.PrimaryHDU(noise()).writeto(tmp_path / "a.fits.gz")
    (tmp_path / "a.fits.gz").rename(tmp_path / "b.fits")
    assert np.array_equal(read(tmp_path / "b.fits")[0].data, noise())


@pytest.mark.parametrize("sides", [(3, 3, 3, 3), (2, 0, 0, 0), (0, 0, 4, 1)])
def test_a_thin_frame_of_one_value_is_not_sky(sides):
    top, bottom, left, right = sides
    image = noise(size=40)
    here = np.zeros(image.shape, bool)
    here[top : 40 - bottom, left : 40 - right] = True
    image[~here] = 7.0
    image[20, 20] = 7.0  # measured, by chance
    (found,) = from_array(image)
    assert np.array_equal(np.isfinite(found.data), here)


def test_one_line_of_one_value_may_be_chance():
    image = noise()
    image[0] = 0
    assert np.isfinite(from_array(image)[0].data).all()
