"""Every spelling of a unit: what is of a place keeps its value in smaller pixels, what is summed is divided among them.

Units are put together by hypothesis from what observatories write. What they mean is known from the parts, and from the
dimensions that astropy finds where it reads the text.
"""

import re
import warnings

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lenssr.data.files.image import Image
from lenssr.data.files.units import intensive, rescale_pixels, unit_note

profile = settings(
    derandomize=True, max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
FLUXES = ["Jy", "mJy", "uJy", "nJy", "MJy", "kJy", "erg/s/cm2", "erg/s/cm^2/A", "erg s-1 cm-2", "erg / (s cm2)", "W/m2"]
FLUXES += ["W/m^2", "W m-2", "W.m-2.um-1", "electron", "electrons", "e-", "e", "el", "ct", "counts", "count", "adu"]
FLUXES += ["DN", "nmgy", "nanomaggies", "nanomaggy", "maggies", "maggy", "photon", "photons", "ph"]
RATES = ["", "/s", " / s", " s-1", " s^-1", "/sec", "/second", "/pixel", "/pix", "/pix/s"]
AREAS = ["sr", "arcsec2", "arcsec^2", "arcsec**2", "asec2", "as^2", "arcmin2", "deg2", "deg^2", "deg**2", "beam"]
AREAS += ["steradian", "ster", "Beam", "sq arcsec"]
OVER = {"sr": ["sr-1", "sr^-1", "sr**-1", "sr**(-1)"], "arcsec": ["arcsec-2", "arcsec^-2", "arcsec**-2", "arcsec^(-2)"]}
OVER |= {"deg": ["deg-2", "deg^-2", "deg**-2"], "beam": ["beam-1", "beam^-1", "beam**-1"]}
FACTORS = ["", "10^-17 ", "1e-17 ", "1E-20*", "10**-15 ", "0.01 "]
PLACES = ["K", "mK", "uK", "K km/s", "K km s-1", "K_CMB", "kelvin", "mag", "MAG", "mag/arcsec2", "mag arcsec-2"]
PLACES += [
    "mag/arcsec^2",
    "ABmag",
    "mag(AB)",
    "magnitude",
    "km/s",
    "km s-1",
    "KM/S",
    "m/s",
    "M/S",
    "m s^-1",
    "W/m^2-sr",
]
PLACES += ["W/m2/sr", "MJy/sr", "Jy/beam.km/s", "Jy/beam km/s", "Msun/pc2", "cm-2", "Angstrom", "Hz", "deg"]
QUOTES = ["{}", " {} ", "'{}'", "[{}]", "({})"]


def same(text):
    return text


@st.composite
def summed(draw):
    """Draw a unit of what a pixel holds."""
    return draw(st.sampled_from(FACTORS)) + draw(st.sampled_from(FLUXES)) + draw(st.sampled_from(RATES))


@st.composite
def per_area(draw):
    """Draw a unit of what a pixel holds, over an area of the sky."""
    flux, kind = draw(summed()), draw(st.sampled_from(["/", " / ", "(", "power"]))
    if kind == "power":
        return f"{flux} {draw(st.sampled_from(draw(st.sampled_from(list(OVER.values())))))}"
    area = draw(st.sampled_from(AREAS))
    base = draw(st.sampled_from(FLUXES))
    return f"{base}/(s {area})" if kind == "(" and "/" not in base else f"{flux}{kind.strip('(') or '/'}{area}"


capitals = st.sampled_from([same, same, same, str.upper])
quoted = st.sampled_from(QUOTES)


def solid_angles(text):
    """Return the power of the solid angle that astropy finds in a text, None where it does not read it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            unit = units.Unit(text)
        except ValueError:
            return None
    powers = dict(zip([base.name for base in unit.decompose().bases], unit.decompose().powers, strict=True))
    return powers.get("rad", 0) / 2 + powers.get("beam", 0)


def shared(text, scale=3):
    """Return the factor that an image's values are divided by, as the program takes it."""
    image = Image("a", np.ones((2, 2)), header=fits.Header({"BUNIT": text}))
    return 1 if image.per_area else scale**2


@profile
@given(summed(), capitals, quoted)
def test_sums_over_a_pixel_are_divided_among_smaller_ones(text, spelt, quote):
    assert solid_angles(text) in (None, 0)
    text = quote.format(spelt(text))
    assert shared(text) == 9, text
    assert not unit_note(text), text


@profile
@given(per_area(), capitals, quoted)
def test_what_is_over_an_area_keeps_its_value(text, spelt, quote):
    # astropy takes as for attoseconds, and after a stroke divides by all that follows, negative powers too
    assert (solid_angles(text) or -1) < 0 or re.search(r"\bas\b|/.*-", text)
    text = quote.format(spelt(text))
    assert shared(text) == 1, text
    assert not unit_note(text), text


@pytest.mark.parametrize("quote", QUOTES)
@pytest.mark.parametrize("text", PLACES)
def test_temperatures_magnitudes_speeds_and_densities_keep_their_value(text, quote):
    logarithmic = "mag" in text.lower()
    assert shared(quote.format(text)) == 1
    assert ["logarithmic" in note for note in unit_note(quote.format(text))] == [True] * logarithmic


@profile
@given(st.sampled_from(["foo", "flurb", "zorks", "§", "???", "none"]), st.sampled_from(["", "/s", " s-1"]))
def test_what_cannot_be_read_is_said_and_divided(word, rate):
    (note,) = unit_note(word + rate)
    assert not intensive(word + rate) and "is not understood" in note and "a flux per pixel" in note


@profile
@given(st.text(max_size=12))
def test_no_text_is_too_odd(text):
    """Whatever a header says, the values have one meaning, and one that is not read is said."""
    assert intensive(text) in (True, False) and len(unit_note(text)) <= 1


@profile
@given(
    st.sampled_from(["PIXAR_SR", "PIXAR_A2", "PIXSCALE", "PIXSCAL1", "SECPIX", "SECPIX2", "PIXELSCL"]),
    st.floats(1e-14, 1e3),
    st.sampled_from([float, "{:.8g}".format, "{:.8g} arcsec".format]),
    st.sampled_from([2, 3, 4]),
)
def test_what_a_header_says_of_its_pixels_follows_them(key, value, spelt, scale):
    header = fits.Header({key: spelt(value), "EXPTIME": 900.0, "DATAMAX": 3.0})
    rescale_pixels(header, scale)
    told = float(str(header[key]).split()[0])
    assert told * scale ** (2 if "AR_" in key else 1) == pytest.approx(value, rel=1e-7)
    assert header["EXPTIME"] == 900.0 and "DATAMAX" not in header
