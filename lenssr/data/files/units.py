"""Is a value a property of a place, or the sum over a pixel, of which smaller pixels hold less? The unit says."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["intensive", "rescale_pixels", "unit_note"]

# spellings that astropy does not read, before it tries
_SPELLINGS = [
    (r"\s*\bper\b\s*", "/"),
    (r"\b(sq|square)[.\s]*(arcsec|arcmin|as|deg)[a-z]*", r"\2**2"),
    (r"electrons?|e-|\bel?\b(?=$|[/ *.])", "electron"),
    (r"\bphotons?\b", "photon"),
    (r"\b(counts?|cts?)\b", "count"),
    (r"\bdn\b|\badus?\b", "adu"),
    (r"\bnano-?maggies?\b|\bnmgy\b|\bnanomaggy\b|\bnmaggy\b", "nJy"),
    (r"\bmaggies?\b|\bmaggy\b", "Jy"),
    (r"\bjansky?s?\b", "Jy"),
    (r"\b(seconds?|secs?)\b", "s"),
    (r"\b(arcseconds?|arcsecs?|asec|as)(?=\b|[\^*-]|\d)", "arcsec"),
    (r"\b(pixels?|pix|px|spaxels?)\b", "pix"),
    (r"\bbeams?\b", "beam"),
    (r"\b(steradians?|ster|str)\b", "sr"),
    (r"\bdeg(rees?|s)?(?![A-Za-z])", "deg"),
    (r"\barcmin(utes?|s)?(?![A-Za-z])", "arcmin"),
    (r"\bkelvins?\b", "K"),
    (r"\b([mun]?K)_?(cmb|rj|b)\b", r"\1"),  # of which kind of temperature is no matter,
    (r"\bergs?\b", "erg"),
    (r"\bang(strom)?s?\b", "Angstrom"),
]
_ANY_CASE = {"jy": "Jy", "mjy": "MJy", "ujy": "uJy", "njy": "nJy", "kjy": "kJy"}
_EXACT = {  # of words in capitals
    **_ANY_CASE,
    "k": "K",
    "mk": "mK",
    "w": "W",
    "hz": "Hz",
    "s": "s",
    "cm": "cm",
    "m": "m",
    "um": "um",
    "nm": "nm",
    "sr": "sr",
    "km": "km",
    "mag": "mag",
    "a": "Angstrom",
}
_AREAS = ("PIXAR_SR", "PIXAR_A2", "PIXAREA", "PIX_AREA")
_LENGTHS = (
    "PIXSCALE", "PIXSCAL1", "PIXSCAL2", "PXSCAL1", "PXSCAL2", "PXSCALE", "SECPIX", "SECPIX1", "SECPIX2", "PIXSCL",
    "PSCALE", "IDCSCALE", "D001SCAL", "PIXELSCL",
)  # fmt: skip
_STATISTICS = re.compile(
    r"^(DATAMAX|DATAMIN|DATAMEAN|DATAMED|DATASTD|DATAMODE|GOODMIN|GOODMAX|GOODMEAN|CHECKSUM|DATASUM|ZHECKSUM|ZDATASUM|"
    r"BLANK|ZBLANK|BSCALE|BZERO|NGOODPIX|SOFTBIAS)$"
)
_LOGARITHMIC = "its values are logarithmic and cannot be added; they are interpolated as they are"
_MAGNITUDES = re.compile(r"mag(?!g)")


def intensive(text: Any) -> bool:
    """Whether values of a unit are of a place (surface brightness, per beam, temperature, magnitudes, velocity).

    Those keep their value in smaller pixels; others are sums over a pixel and are divided among them.
    """
    parsed = _parsed(text)
    if parsed is None:
        return _by_words(str(text or ""))
    from astropy import units

    if isinstance(parsed, units.function.FunctionUnitBase) or parsed in (units.mag, units.dex, units.dB):
        return True
    powers: dict[str, float] = {}
    for base, power in zip(parsed.bases, parsed.powers, strict=True):
        if base.physical_type == "angle":
            powers["angle"] = powers.get("angle", 0) + float(power)
        elif base.physical_type == "solid angle":
            powers["angle"] = powers.get("angle", 0) + 2 * float(power)
        elif base.physical_type in ("temperature", "frequency"):
            powers[str(base.physical_type)] = float(power)
        else:
            powers[base.name] = powers.get(base.name, 0) + float(power)
    if powers.get("mag") or powers.get("temperature", 0) > 0 or _over_an_area(powers, str(text)):
        return True
    if powers == {"frequency": 1}:  # told in Hz; what is told in 1/s is a rate of counts
        return True
    if any(powers.get(name, 0) <= -2 for name in ("pc", "kpc", "Mpc")):  # a density on the sky
        return True
    return parsed.physical_type in ("speed", "velocity", "angle", "length", "column density", "surface mass density")


def _over_an_area(powers: dict[str, float], text: str) -> bool:
    """Whether a unit is over a solid angle or a beam.

    After a stroke astropy divides by all that follows, so that of Jy/s sr-1 it makes Jy sr / s; who writes a negative
    power means it.
    """
    over, beams = powers.get("angle", 0), powers.get("beam", 0)
    return over <= -2 or beams < 0 or ((over >= 2 or beams > 0) and bool(re.search(r"[a-z][\^*(]*-\d", text.lower())))


def unit_note(text: Any) -> list[str]:
    """Return what is to be said of a unit."""
    word = str(text or "").strip()
    if not word or word.lower().startswith("flux"):  # of whatever unit: a flux
        return []
    parsed = _parsed(word)
    if parsed is None:
        taken = "a brightness" if _by_words(word) else "a flux per pixel"
        said = [f"its unit '{word}' is not understood; it is taken for {taken}"]
        return [_LOGARITHMIC] if _MAGNITUDES.search(word.lower()) else said
    from astropy import units

    logarithmic = isinstance(parsed, units.function.FunctionUnitBase) or "mag" in parsed.to_string()
    return [_LOGARITHMIC] if logarithmic else []


def rescale_pixels(header: Any, scale: int) -> None:
    """Bring what a header says of its pixels' size to smaller ones, and remove statistics of the old, in place."""
    for key in list(header):
        if _STATISTICS.match(key):
            del header[key]
        elif key in (*_AREAS, *_LENGTHS):
            header[key] = _divided(header[key], scale**2 if key in _AREAS else scale)


def _divided(value: Any, factor: int) -> Any:
    """Return a number divided, also where it is told as text, with its unit or without; other values as they are."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) / factor
    number = re.match(r"\s*([+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)", value) if isinstance(value, str) else None
    return f"{float(number[1]) / factor:.10g}{value[number.end() :]}" if number else value


def _by_words(text: str) -> bool:
    word = text.lower().replace(" ", "")
    per_area = r"(/|per)(sr|arcsec|deg2|beam|ster|as2|sq)|(sr|arcsec\D{0,3}|beam)\^?\**-"
    return bool(re.search(f"{per_area}|{_MAGNITUDES.pattern}|^km/s|^k$", word))


def _parsed(text: Any) -> Any:
    """Return astropy's unit of a text, or None."""
    from astropy import units

    word = re.sub(r"^\(((?:[^()]|\([^()]*\))*)\)$", r"\1", str(text or "").strip().strip("'\"[]").strip()).strip()
    if not word:
        return units.dimensionless_unscaled
    for attempt in _attempts(word):
        try:
            return units.Unit(attempt)
        except (ValueError, TypeError, AttributeError, RecursionError, ZeroDivisionError, OverflowError):
            continue
    return None


def _cased(word: re.Match[str]) -> str:
    """Return a unit's name as it is written, of one in capitals, or of a Jansky anyhow."""
    if word[0] in ("mJy", "MJy"):
        return word[0]
    return (_EXACT if word[0].isupper() else _ANY_CASE).get(word[0].lower(), word[0])


def _attempts(word: str) -> list[str]:
    """Return spellings to try: as it is, and with usual misspellings mended."""
    number = r"^[+-]?\d[\d.]*([eE][+-]?\d+)?\s*(\*\*-?\d+)?[\s*]*(?=[A-Za-z])"  # a factor changes no kind
    mended = re.sub(number, "", word) or word
    for pattern, right in _SPELLINGS:
        mended = re.sub(pattern, right, mended, flags=re.I)
    mended = re.sub(r"(?<![A-Za-z])[A-Za-z]+(?![A-Za-z_])", _cased, mended)
    mended = mended.replace("^", "**").replace("/A/", "/Angstrom/")
    chain = re.sub(r"(?<=\w)-(?=[A-Za-z])", " ", mended)
    over, _, under = chain.partition("/")
    powers = re.sub(r"(?<=[A-Za-z])(?=-?\d)", "**", chain)
    found = [word] if not re.search(r"\bas\b", word) else []  # nobody means attoseconds
    found += [mended, chain, powers]
    if under:  # W/m^2-sr: all that follows the stroke divides
        divided = re.sub(r"(?<=[A-Za-z])(?=\d)", "**", re.sub(r"[\s*./]+(?=[A-Za-z])", " ", under))
        found.append(f"{over.strip() or '1'} / ({divided})")
    return found
