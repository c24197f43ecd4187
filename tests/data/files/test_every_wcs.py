"""Every description of the sky that astropy reads: an upscaled file's pixels lie where the input's did.

Headers are drawn by hypothesis, written, read, carried through the writer and read again; astropy maps both files to
the sky.
"""

import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from drawn import PROJECTIONS, described
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lenssr.data.files.images import read
from lenssr.data.files.wcs import coordinates, flat, left_behind, rescaled
from lenssr.errors import DataError
from lenssr.inference.product import write_fits
from lenssr.inference.result import Product

SIZE = 24
PIXELS = np.random.default_rng(0).uniform(0.5, SIZE + 0.5, (100, 2))
IMAGE = np.random.default_rng(1).normal(0, 1, (SIZE, SIZE)).astype(np.float32)


def written(header, scale, data=IMAGE):
    """Return the headers of what the writer makes of an image under a header, and of that as it stood in the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.fits"
        fits.PrimaryHDU(data, header).writeto(path, output_verify="ignore")
        (image,) = read(path)
        given = fits.getheader(path)
        fine = np.kron(image.data, np.ones((scale, scale)))
        network = SimpleNamespace(name="none", hash="0")
        product = Product(image, scale, fine, fine, fine, image.data, "of nothing", network)
        write_fits(product, Path(folder) / "b.fits")
        with fits.open(Path(folder) / "b.fits") as hdus:
            return given, {hdu.name: hdu.header.copy() for hdu in hdus[1:]}, image


def vectors(wcs, pixels):
    """Return places as unit vectors where both axes are of the sky, else as they are."""
    world = wcs.all_pix2world(pixels, 1)
    if wcs.wcs.lng < 0:
        return world
    lon, lat = np.deg2rad(world[:, wcs.wcs.lng]), np.deg2rad(world[:, wcs.wcs.lat])
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], 1)


def same_places(old, new, scale):
    """Assert that pixels lie where they lay, to a thousandth of a new pixel, whose size is measured where they are."""
    here, there = vectors(old, PIXELS), vectors(new, (PIXELS - 0.5) * scale + 0.5)
    sides = [np.linalg.norm(vectors(old, PIXELS + step) - here, axis=1) / scale for step in ([0.01, 0], [0, 0.01])]
    side = 100 * np.nanmin([*sides, np.full(len(PIXELS), np.inf)], axis=0)
    assert (np.isnan(here) == np.isnan(there)).all()
    off = np.linalg.norm(here - there, axis=1) / side
    assert np.nanmax(off, initial=0.0) < 1e-3, off


def wcs_of(header, key):
    try:
        return WCS(header, key=key)
    except Exception:
        assume(False)  # wcslib finds no pole for these numbers: no description


def keys_of(header):
    return {" ", *(key[6:] for key in header if key.startswith("CTYPE1") and len(key) == 7)}


def examples(count):
    checks = list(HealthCheck)
    return settings(derandomize=True, max_examples=count, deadline=None, database=None, suppress_health_check=checks)


@pytest.mark.parametrize("kind", [kind for kind in PROJECTIONS if kind not in ("TPV", "SIP")])
@examples(8)
@given(data=st.data())
def test_every_projection(kind, data):
    everything_stays(data.draw(described(kind)), data.draw(st.sampled_from([2, 3, 4])))


@pytest.mark.parametrize("kind", ["TPV", "SIP"])
@examples(50)
@given(data=st.data())
def test_every_distortion(kind, data):
    everything_stays(data.draw(described(kind)), data.draw(st.sampled_from([2, 3, 4])))


def everything_stays(header, scale):
    wcs = {key: wcs_of(header, key) for key in keys_of(header)}
    assume(all(np.isfinite(one.all_pix2world(PIXELS, 1)).mean() > 0.2 for one in wcs.values()))
    given, products, _ = written(header, scale)
    for name in ("SCI", "ERR", "BILINEAR", "RESIDUAL"):
        step = 1 if name == "RESIDUAL" else scale
        assert keys_of(products[name]) == set(wcs)
        for key, one in wcs.items():
            same_places(one, WCS(products[name], key=key), step)
        way_back(given, products[name], step)
        physical(given, products[name], step)


def way_back(old, new, scale):
    """Assert that the polynomials from the sky to pixels, u + sum AP_pq u^p v^q, end at the same places."""
    u, v = (PIXELS - 12).T
    for name in ("AP", "BP"):
        terms = [(p, q) for p in range(5) for q in range(5) if f"{name}_{p}_{q}" in old]
        before = sum(old[f"{name}_{p}_{q}"] * u**p * v**q for p, q in terms)
        after = sum(new[f"{name}_{p}_{q}"] * (scale * u) ** p * (scale * v) ** q for p, q in terms)
        assert np.abs(after - scale * before).max() < 1e-9


def physical(old, new, scale):
    """Assert that IRAF's coordinates, image = LTM physical + LTV, are those of the same places."""
    assert ("LTV1" in old) == ("LTV1" in new)
    places = []
    for header, pixels in ((old, PIXELS), (new, (PIXELS - 0.5) * scale + 0.5)):
        matrix = [[header.get(f"LTM{i}_{j}", float(i == j)) for j in (1, 2)] for i in (1, 2)]
        shift = [header.get(f"LTV{i}", 0.0) for i in (1, 2)]
        places.append(np.linalg.solve(matrix, (pixels - shift).T))
    assert "LTV1" not in old or np.abs(places[0] - places[1]).max() < 1e-9


def plain(**more):
    made = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0, "CRPIX1": 9.0, "CRPIX2": 14.5}
    return fits.Header(made | {"CD1_1": -3e-5, "CD1_2": 1e-6, "CD2_1": 2e-6, "CD2_2": 3e-5} | more)


MATRIX = ("CD1_1", "CD1_2", "CD2_1", "CD2_2")


@pytest.mark.parametrize("steps", [{}, {"CDELT1": -3e-5, "CDELT2": 3e-5}])
def test_an_iraf_polynomial(steps):
    """IRAF cuts its strings every 68 characters, here within a number, since wcslib reads no piece that ends blank."""
    header = plain(CTYPE1="RA---TNX", CTYPE2="DEC--TNX", WAT0_001="system=image")
    for axis, (kind, name) in enumerate((("ra", "lng"), ("dec", "lat")), 1):
        text = (
            f'wtype=tnx axtype={kind} {name}cor = "3. 3. 3. 2. -0.02 0.02 -0.02 0.02 0.0001 0.02 0.3 0.01 -0.03 0.2 "'
        )
        header[f"WAT{axis}_001"], header[f"WAT{axis}_002"] = text[:68], text[68:]
    for key in MATRIX if steps else ():
        del header[key]
    header.update(steps)
    assert np.abs(WCS(header).wcs_pix2world(PIXELS, 1) - WCS(plain()).wcs_pix2world(PIXELS, 1)).max() > 5e-5
    _, products, _ = written(header, 2)
    for name in ("SCI", "ERR", "BILINEAR", "RESIDUAL"):
        same_places(WCS(header), WCS(products[name]), 1 if name == "RESIDUAL" else 2)


def test_a_piece_of_an_iraf_string_keeps_the_blank_that_ends_it():
    """It stands between two numbers, the second of which begins the next piece."""
    header = plain(WAT1_001='wtype=tnx axtype=ra lngcor = "3. 3. 3. 2. ', WAT1_002='-0.02 0.02"')
    _, products, _ = written(header, 2)
    for name in ("SCI", "ERR", "BILINEAR", "RESIDUAL"):
        assert "2. '" in products[name].cards["WAT1_001"].image


def plate():
    made = {"PLTRAH": 10, "PLTRAM": 20, "PLTRAS": 3.0, "PLTDECSN": "+", "PLTDECD": 20, "PLTDECM": 3, "PLTDECS": 1.0}
    made |= {"XPIXELSZ": 25.28, "YPIXELSZ": 25.28, "CNPIX1": 7000, "CNPIX2": 7100, "PLTSCALE": 67.2}
    made |= {f"PPO{i}": 177500.0 if i in (3, 6) else 0.0 for i in range(1, 7)}
    for axis in "XY":
        made |= {f"AMD{axis}{i}": value for i, value in enumerate([67.2, 0.03, 1.0, 1e-4, 2e-4, 1e-4, 1e-4], 1)}
        made |= {f"AMD{axis}{i}": 1e-6 if i in (8, 13) else 0.0 for i in range(8, 21)}
    return made


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_plate_of_the_digitized_sky_survey(scale):
    """The solution counts pixels of the plate, of which CNPIX says where the image begins."""
    header = fits.Header(plate())
    _, products, _ = written(header, scale)
    for name in ("SCI", "ERR", "BILINEAR", "RESIDUAL"):
        same_places(WCS(header), WCS(products[name]), 1 if name == "RESIDUAL" else scale)


@pytest.mark.parametrize("key", ["PLTRAH", "PLTDECD", "XPIXELSZ", "CNPIX2", "PPO3", "AMDX1", "AMDY2", "AMDY9"])
@pytest.mark.parametrize("kind", ["alone", "a word", "a word among numbers", "missing"])
def test_a_part_of_a_plate_solution_leaves_the_other_description(key, kind):
    """With a part of one wcslib refuses a header or ends the program, as it does with a word for a number."""
    part = {"alone": {key: plate()[key]}, "a word": {key: "here"}, "a word among numbers": plate() | {key: "here"}}
    part["missing"] = {name: value for name, value in plate().items() if name != key}
    _, products, image = written(plain(**part[kind]), 2)
    matrix = [[plain()[f"CD{i}_{j}"] for j in (1, 2)] for i in (1, 2)]
    assert image.pixel_scale == pytest.approx(3600 * abs(np.linalg.det(matrix)) ** 0.5)
    assert key in left_behind(image.header) or kind == "missing"
    for name in ("SCI", "ERR", "BILINEAR", "RESIDUAL"):
        same_places(WCS(plain()), WCS(products[name]), 1 if name == "RESIDUAL" else 2)


@pytest.mark.parametrize(
    ("lost", "kept"),
    [
        ({"CPDIS1": "Lookup", "DP1.EXTVER": 1.0, "CPERR1": 0.1}, True),
        ({"CTYPE1A": "X", "CTYPE2A": "Y", "CPDIS1A": "Lookup", "CQDIS2A": "Lookup", "DVERR1A": 0.1}, True),
        ({"D2IMDIS1": "Lookup", "D2IM1.EXTVER": 1.0, "AXISCORR": 1, "NPOLFILE": "a.fits"}, True),
        ({"CTYPE1": "RA---TAB", "CTYPE2": "DEC--TAB", "PS1_0": "TABLE"}, False),
        ({"CTYPE1": "WAVE", "CTYPE3": "RA---TAN"}, False),  # a spectrum along a slit
    ],
)
def test_what_points_elsewhere_is_left_out_and_said(lost, kept):
    header = plain()
    for key, value in lost.items():
        header[key] = value
    found = flat(header)
    words = left_behind(found)
    assert words and all("CTYPE" in key or any(key in word for word in words) for key in lost)
    for new in (rescaled(found, 2), fits.Header(coordinates(found))):
        assert not set(words) & set(new) and (("CRPIX1" in new) == kept)
        if kept:
            scale = 2 if new["CRPIX1"] != 9 else 1
            same_places(WCS(plain()), WCS(new), scale)


@pytest.mark.parametrize("key", ["CRPIX1", "CD1_1", "CDELT2A", "A_2_0", "LTV1", "LTM2_2", "LONPOLE"])
def test_a_place_that_is_a_word_is_refused_with_its_keyword(key):
    with pytest.raises(DataError, match=f"{key}='here' in the header is not a number"):
        written(plain(**{key: "here"}), 2)
