"""Overrides that are built, not typed: whatever a value holds, Hydra reads it back as it was."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from lenssr.errors import ConfigError

__all__ = ["assigned", "update", "value_of", "word"]

# what Hydra and YAML read as the string that it is, quoted or not
_PLAIN = re.compile(r"(?!(?:null|true|false|nan|inf|yes|no|on|off|y|n)$)[A-Za-z_/][\w/.:@-]*", re.ASCII | re.IGNORECASE)
_INTERPOLATION = re.compile(r"(\\*)\$\{")


def assigned(key: str, value: Any) -> str:
    """Return the override that gives a key a value.

    Args:
        key: dotted.
        value: None, a truth value, a number, a string, or lists and dicts of such; strings are taken literally.
    """
    return f"{key}={word(value)}"


def word(value: Any) -> str:
    """Return a value as Hydra reads it, see :func:`assigned`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and not math.isfinite(value):
        return {"inf": "inf", "-inf": "-inf"}.get(str(value), "nan")
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_key(str(key))}:{word(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(word, value)) + "]"
    return _quoted(str(value))


def _key(text: str) -> str:
    """Return a key of a dict, which Hydra does not read in quotes."""
    return re.sub(r"([\\()\[\]{}:=, \t])", r"\\\1", text)


def _quoted(text: str) -> str:
    from hydra.core.override_parser.types import Quote, QuotedString

    if _PLAIN.fullmatch(text):
        return text
    # doubled, the backslashes before a ${ stand for themselves, and the one more makes it a text
    literal = _INTERPOLATION.sub(lambda found: found[1] * 2 + r"\${", text)
    return QuotedString(text=literal, quote=Quote.single).with_quotes()


def value_of(words: Sequence[str], key: str) -> Any:
    """Return what the last override of a key gives it; None where there is none.

    Raises:
        ConfigError: it cannot be read.
    """
    found = [override.value() for override in _parsed(words) if override.key_or_group == key]
    return _plain(found[-1]) if found else None


def update(config: Any, words: Sequence[str]) -> None:
    """Give an OmegaConf node the values of overrides, read as Hydra reads them, in place.

    Raises:
        ConfigError: one cannot be read.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    for override in _parsed(words):
        try:
            OmegaConf.update(config, override.key_or_group, _plain(override.value()), merge=True, force_add=True)
        except OmegaConfBaseException as error:
            raise ConfigError(f"'{override.input_line}' cannot be used: {str(error).splitlines()[0]}") from error


def _parsed(words: Sequence[str]) -> Any:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_overrides(list(words))
    except HydraException as error:
        raise ConfigError(f"An override cannot be read: {str(error).splitlines()[0]}") from error


def _plain(value: Any) -> Any:
    """Return a parsed value without the parser's own classes."""
    if isinstance(value, dict):
        return {_plain(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return getattr(value, "text", value)
