"""Headers that hypothesis draws: every projection, every way to write its linear part, its distortions."""

import numpy as np
from astropy.io import fits
from hypothesis import assume
from hypothesis import strategies as st

ZENITHAL = {"TAN": [], "SIN": [], "ARC": [], "STG": [], "ZEA": [], "slant SIN": [(1, -0.2, 0.2), (2, -0.2, 0.2)]}
ZENITHAL |= {"ZPN": [(0, 0, 0), (1, 0.9, 1.1), (3, -0.2, 0.2)], "AIR": [(1, 20, 90)], "AZP": [(1, 0, 3), (2, -30, 30)]}
ZENITHAL |= {"SZP": [(1, 1, 3), (2, 0, 180), (3, 60, 90)], "TPV": [], "SIP": []}
CYLINDRICAL = {name: [] for name in ("CAR", "MER", "SFL", "PAR", "MOL", "AIT", "PCO", "TSC", "CSC", "QSC")}
CYLINDRICAL |= {"CYP": [(1, 0.5, 2), (2, 0.5, 2)], "CEA": [(1, 0.3, 1)], "HPX": [(1, 4, 4), (2, 3, 3)]}
CONIC = {name: [(1, 20, 70), (2, 0, 15)] for name in ("COP", "COE", "COD", "COO")} | {"BON": [(1, 20, 70)]}
PROJECTIONS = ZENITHAL | CYLINDRICAL | CONIC
FRAMES = [("RA", "DEC", {}), ("RA", "DEC", {"RADESYS": "ICRS"}), ("RA", "DEC", {"RADESYS": "FK5", "EQUINOX": 2000.0})]
FRAMES += [("RA", "DEC", {"RADESYS": "FK4", "EQUINOX": 1950.0}), ("GLON", "GLAT", {}), ("ELON", "ELAT", {})]
LINEAR = ["CDELT", "CROTA", "PC", "PC alone", "CD", "all", "CD and CDELT"]


def number(low, high):
    return st.floats(low, high, allow_subnormal=False) if low < high else st.just(float(low))


@st.composite
def linear(draw, step, alternate):
    """Draw CRPIX and the matrix, in one of the ways that headers have it."""
    kind = draw(st.sampled_from(LINEAR if not alternate else [name for name in LINEAR if name != "CROTA"]))
    made = {f"CRPIX{i}{alternate}": draw(number(-20, 60)) for i in (1, 2)}
    turn, skew, mirror = draw(number(-180, 180)), draw(number(0.8, 1.25)), draw(st.sampled_from([-1, 1]))
    cosine, sine = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    matrix = np.array([[mirror * cosine, -sine], [mirror * sine, skew * cosine]])
    assume(abs(np.linalg.det(matrix)) > 0.3)
    if kind in ("CDELT", "CROTA", "PC", "all", "CD and CDELT"):
        made |= {f"CDELT1{alternate}": mirror * step, f"CDELT2{alternate}": step * skew}
    if kind == "CROTA":
        made |= {"CROTA1": draw(number(-180, 180)), "CROTA2": turn}
    factors = {"PC": [("PC", 1)], "PC alone": [("PC", step)], "CD": [("CD", step)], "CD and CDELT": [("CD", step)]}
    factors["all"] = [("CD", step), ("PC", 1)]
    for name, factor in factors.get(kind, []):
        for i, j in ((1, 1), (1, 2), (2, 1), (2, 2)):
            made[f"{name}{i}_{j}{alternate}"] = float(matrix[i - 1, j - 1] * factor)
    return made


def tpv(draw):
    """Draw a polynomial of the plane in degrees, of terms up to the third order and the radial one."""
    made = {"PV1_1": 1.0, "PV2_1": 1.0}
    for axis in (1, 2):
        for term, size in ((0, 1e-4), (2, 0.01), (3, 0.01), (4, 0.1), (5, 0.1), (6, 0.1), (7, 1), (10, 1), (11, 1)):
            made[f"PV{axis}_{term}"] = draw(number(-size, size))
    return made


def sip(draw):
    """Draw the polynomials of SIP, of order two to four, with those of the way back or without."""
    order, made = draw(st.integers(2, 4)), {}
    for name in ("A", "B", "AP", "BP") if draw(st.booleans()) else ("A", "B"):
        made[f"{name}_ORDER"] = order
        for p in range(order + 1):
            for q in range(order + 1 - p):
                if p + q > 1 or "P" in name:
                    size = 0.1 * 60.0 ** -(p + q)
                    made[f"{name}_{p}_{q}"] = draw(number(-size, size))
    return made


@st.composite
def celestial(draw, kind, alternate=""):
    """Draw a description of the sky in one projection."""
    lon, lat, made = draw(st.sampled_from(FRAMES))
    code = {"slant SIN": "SIN", "SIP": "TAN"}.get(kind, kind)
    swapped = draw(st.booleans())
    first, second = (2, 1) if swapped else (1, 2)
    end = "-SIP" if kind == "SIP" else ""
    made = {f"{key}{alternate}": value for key, value in made.items()}
    made |= {
        f"CTYPE{first}{alternate}": f"{lon:-<4}-{code}{end}",
        f"CTYPE{second}{alternate}": f"{lat:-<4}-{code}{end}",
    }
    zero = kind in CYLINDRICAL
    made[f"CRVAL{first}{alternate}"] = draw(number(0, 359.9))
    made[f"CRVAL{second}{alternate}"] = draw(number(-60, 60))
    wide = kind not in ("TPV", "SIP")
    step = draw(st.sampled_from([1e-5, 3e-4, 0.02, 0.3] if wide else [1e-5, 3e-4]))
    unit = draw(st.sampled_from(["", "deg", "arcsec"]))
    if unit and not (unit == "arcsec" and kind == "TPV"):
        made |= {f"CUNIT{i}{alternate}": unit for i in (1, 2)}
        if unit == "arcsec":
            step *= 3600
            made |= {f"CRVAL{i}{alternate}": made[f"CRVAL{i}{alternate}"] * 3600 for i in (1, 2)}
    for term, low, high in PROJECTIONS[kind]:
        made[f"PV{second}_{term}{alternate}"] = draw(number(low, high))
    if draw(st.booleans()) and (kind in ZENITHAL or zero):
        made[f"LONPOLE{alternate}"] = draw(number(0, 359)) if kind in ZENITHAL else draw(st.sampled_from([0.0, 180.0]))
        made[f"LATPOLE{alternate}"] = draw(number(-90, 90))
    made |= tpv(draw) if kind == "TPV" else sip(draw) if kind == "SIP" else {}
    return made | draw(linear(step, alternate))


@st.composite
def described(draw, kind):
    """Draw a header: a description, perhaps another, and IRAF's physical coordinates."""
    header = fits.Header({"BUNIT": "electron/s"})
    made = draw(celestial(kind))
    other = draw(st.sampled_from(["", "A", "Z", "linear"]))
    if other in ("A", "Z"):
        made |= draw(
            celestial(draw(st.sampled_from([name for name in PROJECTIONS if name not in ("TPV", "SIP")])), other)
        )
    elif other:
        made |= {"CTYPE1P": "X", "CTYPE2P": "Y", "CRVAL1P": 7.0, "CRVAL2P": -3.0} | draw(linear(2.0, "P"))
    if draw(st.booleans()):
        made |= {"LTV1": draw(number(-90, 90)), "LTM1_1": draw(number(0.5, 2)), "LTM1_2": draw(number(-0.1, 0.1))}
        made |= {"LTV2": draw(number(-90, 90)), "LTM2_2": draw(number(0.5, 2))}
    for key in draw(st.permutations(list(made))) if draw(st.booleans()) else made:
        header[key] = made[key]
    return header
