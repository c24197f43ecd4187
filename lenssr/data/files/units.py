"""Is a value a property of a place, or the sum over a pixel, of which smaller pixels hold less? The unit says."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["intensive", "rescale_pixels", "unit_note"]

# spellings that astropy does not read, before it tries
_SPELLINGS = [
    (r"electrons?|e-|\be\b(?=$|[/ *.])", "electron"),
    (r"\b(counts?|cts)\b", "count"),
    (r"\bdn\b|\badus?\b", "adu"),
    (r"\bnano-?maggies\b|\bnmgy\b|\bnanomaggy\b|\bnmaggy\b", "nJy"),
    (r"\bmaggies\b|\bmaggy\b", "Jy"),
    (r"\b(seconds?|secs?)\b", "s"),
    (r"\b(arcseconds?|arcsecs?|asec|as)(?=\b|[\^*-]|\d)", "arcsec"),
    (r"\bpixels?\b|\bpix\b|\bpx\b", "pix"),
    (r"\bbeams?\b", "beam"),
    (r"\bsteradians?\b|\bster\b", "sr"),
    (r"\bdegrees?\b", "deg"),
    (r"\bkelvins?\b", "K"),
    (r"\bergs?\b", "erg"),
    (r"\bang(strom)?s?\b", "Angstrom"),
]
_EXACT = {
    "jy": "Jy",
    "mjy": "MJy",
    "ujy": "uJy",
    "njy": "nJy",
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
    "PSCALE", "IDCSCALE", "D001SCAL",
)  # fmt: skip
_STATISTICS = re.compile(
    r"^(DATAMAX|DATAMIN|DATAMEAN|DATAMED|DATASTD|DATAMODE|GOODMIN|GOODMAX|GOODMEAN|CHECKSUM|DATASUM|ZHECKSUM|ZDATASUM|"
    r"BLANK|ZBLANK|BSCALE|BZERO|NGOODPIX|SOFTBIAS)$"
)


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
    unit = parsed
    powers: dict[str, float] = {}
    for base, power in zip(unit.bases, unit.powers, strict=True):
        if base.physical_type == "angle":
            powers["angle"] = powers.get("angle", 0) + float(power)
        elif base.physical_type == "solid angle":
            powers["angle"] = powers.get("angle", 0) + 2 * float(power)
        else:
            powers[base.name] = powers.get(base.name, 0) + float(power)
    if powers.get("mag") or powers.get("beam", 0) < 0 or powers.get("angle", 0) <= -2:
        return True
    return unit.physical_type in ("temperature", "speed", "velocity", "angle", "frequency", "length")


def unit_note(text: Any) -> list[str]:
    """Return what is to be said of a unit."""
    word = str(text or "").strip()
    if not word:
        return []
    parsed = _parsed(word)
    if parsed is None:
        taken = "a brightness" if _by_words(word) else "a flux per pixel"
        return [f"its unit '{word}' is not understood; it is taken for {taken}"]
    from astropy import units

    logarithmic = isinstance(parsed, units.function.FunctionUnitBase) or "mag" in parsed.to_string()
    return ["its values are logarithmic and cannot be added; they are interpolated as they are"] if logarithmic else []


def rescale_pixels(header: Any, scale: int) -> None:
    """Bring what a header says of its pixels' size to smaller ones, and remove statistics of the old, in place."""
    for key in list(header):
        if _STATISTICS.match(key):
            del header[key]
        elif key in (*_AREAS, *_LENGTHS) and isinstance(header[key], int | float):
            header[key] = float(header[key]) / (scale**2 if key in _AREAS else scale)


def _by_words(text: str) -> bool:
    word = text.lower().replace(" ", "")
    per_area = r"(/|per)(sr|arcsec|deg2|beam|ster|as2|sq)|(sr|arcsec\D{0,3}|beam)\^?\**-"
    return bool(re.search(f"{per_area}|mag|^km/s|^k$", word))


def _parsed(text: Any) -> Any:
    """Return astropy's unit of a text, or None."""
    from astropy import units

    word = str(text or "").strip().strip("'\"[]()").strip()
    if not word:
        return units.dimensionless_unscaled
    for attempt in _attempts(word):
        try:
            return units.Unit(attempt)
        except (ValueError, TypeError, AttributeError, RecursionError, ZeroDivisionError, OverflowError):
            continue
    return None


def _attempts(word: str) -> list[str]:
    """Return spellings to try: as it is, and with usual misspellings mended."""
    number = r"^[+-]?\d[\d.]*([eE][+-]?\d+)?\s*(\*\*-?\d+)?[\s*]*(?=[A-Za-z])"  # a factor changes no kind
    mended = re.sub(number, "", word) or word
    for pattern, right in _SPELLINGS:
        mended = re.sub(pattern, right, mended, flags=re.I)
    mended = re.sub(r"\b[A-Za-z]+\b", lambda m: _EXACT.get(m[0].lower(), m[0]) if m[0].isupper() else m[0], mended)
    mended = mended.replace("^", "**").replace("/A/", "/Angstrom/")
    chain = re.sub(r"(?<=\w)-(?=[A-Za-z])", " ", mended)
    over, _, under = chain.partition("/")
    powers = re.sub(r"(?<=[A-Za-z])(?=-?\d)", "**", chain)
    found = [word, mended, chain, powers]
    if under:  # W/m^2-sr: all that follows the stroke divides
        divided = re.sub(r"(?<=[A-Za-z])(?=\d)", "**", re.sub(r"[\s*./]+(?=[A-Za-z])", " ", under))
        found.append(f"{over.strip() or '1'} / ({divided})")
    return found
