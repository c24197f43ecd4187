"""What is wrong with a command line as it was typed, before anything is composed."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from lenssr.config.groups import OWN, config_file, own_configs
from lenssr.config.overrides import check, groups
from lenssr.config.synonyms import KEYS
from lenssr.errors import ConfigError

__all__ = ["adopt", "named_sweep", "slip", "sweep_name"]

_HYDRA = (
    *("--hydra-help", "--cfg", "--resolve", "--package", "--run", "--multirun", "--shell-completion", "--info"),
    *("--config-path", "--config-name", "--config-dir", "--experimental-rerun", "--help", "--version"),
)
_VALUED = (
    *("--config-path", "--config-name", "--config-dir", "--cfg", "--package", "--info", "--shell-completion"),
    *("-cp", "-cn", "-cd", "-c", "-p", "-i", "-sc"),
)
_MULTIRUN = {"-m", "--multirun"}
_ONE = ("model", "loss", "dataset", "scale", "physics", "optimizer", "trainer")  # of which a run has one option
_PLACES = ("hydra", "paths.", "logger", "traceback", "verify")  # of no influence on what a sweep is of
_LONGEST = 128
_SWEEPS = ("sweep", "hparams")


def adopt(words: Sequence[str]) -> list[str]:
    """Return a command line with one's own configs, and let the processes that it starts know of them.

    Raises:
        ConfigError: there is no such folder.
    """
    place = next((i for i, word in enumerate(words) if word.partition("=")[0] in ("--config-dir", "-cd")), None)
    if place is None:
        return [*words, *(f"--config-dir={folder}" for folder in own_configs())]
    named = words[place].partition("=")[2] or "".join(words[place + 1 : place + 2])
    folder = Path(named).expanduser().resolve()
    if not named or not folder.is_dir():
        raise ConfigError(f"--config-dir {named}: there is no such folder; it is laid out as configs/ is.")
    os.environ[OWN] = str(folder)
    groups.cache_clear()
    return list(words)


def sweep_name(words: Sequence[str]) -> str | None:
    """Return a name for the runs of ``-m``: what varies first, then what they share; None where nothing varies.

    W&B takes 128 letters; the end of a longer name is the hash of the rest.
    """
    if not _MULTIRUN & set(words):
        return None
    kept = [w for w in words if "=" in w and w.lstrip("+")[:1].isalpha() and not w.startswith(_PLACES)]
    parsed = [one for one in map(_parsed, kept) if one is not None]
    varied = [word for word, one in parsed if one.is_sweep_override()]
    if not varied:
        return None
    name = " ".join([*varied, *(word for word, _ in parsed if word not in varied)])
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 9]}-{digest}"


@contextmanager
def named_sweep(words: Sequence[str], variable: str) -> Iterator[None]:
    """Let the jobs of a command line, in this process or another, know their sweep's name by a variable."""
    name, before = sweep_name(words), os.environ.get(variable)
    if name:
        os.environ[variable] = name
    try:
        yield
    finally:
        if name:
            del os.environ[variable]
            os.environ |= {} if before is None else {variable: before}


def slip(words: Sequence[str]) -> str | None:
    """Return what is wrong with the words after ``python train.py``, in one sentence; None where nothing is seen.

    Settings with dashes or blanks, a bare option, names that there are not, several values without ``-m``, and a sweep,
    a search or a launcher without it.
    """
    settings = [word for word in words if ("=" in word or word[:1] in "~+") and not word.startswith("-")]
    return _shape(words) or check(settings) or _several(words)


def _shape(words: Sequence[str]) -> str | None:
    """Return what is wrong where a word is no setting."""
    for place, word in enumerate(words):
        after = words[place + 1] if place + 1 < len(words) else ""
        before = words[place - 1] if place else ""
        if before in _VALUED:
            continue
        name = word.partition("=")[0]
        if word.startswith("--") and not any(flag.startswith(name) for flag in _HYDRA):
            value = word.partition("=")[2] or (
                "<value>" if after.startswith("-") or "=" in after else after or "<value>"
            )
            key = name.lstrip("-").replace("-", "_")
            return f"'{word}': settings are written without dashes: {KEYS.get(key, key)}={value}"
        if word in ("=", "+=") or (word.endswith("=") and after and "=" not in after) or (word[0] == "=" and before):
            parts = [before] * (word[0] == "=") + [word] + [after] * word.endswith("=")
            return f"'{' '.join(parts)}': a setting is written without blanks: {''.join(parts)}"
        if "=" not in word and word[:1] not in "-~+" and after[:1] != "=":
            owner = next((group for group in (*_ONE, *groups()) if word in groups()[group] and "/" not in group), None)
            if owner:
                return f"'{word}' alone is no setting: {owner}={word}"
            return f"'{word}' is no setting; they are written key=value, as model=rdn."
    return None


def _several(words: Sequence[str]) -> str | None:
    """Return what is wrong where several runs are asked for without ``-m``: one run would begin, here."""
    if _MULTIRUN & set(words):
        return None
    settings = [word for word in words if "=" in word and not word.startswith("-")]
    named = [w for w in settings if w.lstrip("+").startswith(("hydra/launcher=", "hydra.launcher.", "hydra.sweeper."))]
    if named:
        return f"'{named[0]}' is for a sweep or a search: add -m."
    parsed = [one for one in map(_parsed, settings) if one is not None]
    for word, one in parsed:
        if one.is_sweep_override():
            return f"'{word}' names several runs: add -m. python train.py -m {shlex.join(words)}"
        value = None if one.is_delete() else one.value()
        if one.key_or_group in _ONE and isinstance(value, list) and len(value) > 1:
            again = f"{one.key_or_group}={','.join(map(str, value))}"
            line = " ".join(again if other == word else shlex.quote(other) for other in words)
            return f"'{word}' names several runs: python train.py -m {line}"
    given = {one.key_or_group for _, one in parsed}
    for word, one in parsed:
        if one.key_or_group in _SWEEPS and not one.is_delete() and not _params(word) <= given:
            left = ", ".join(sorted(_params(word) - given))
            return f"'{word}' stands for several runs: add -m; one of them has its {left} given."
    return None


def _parsed(word: str) -> tuple[str, Any] | None:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return word, OverridesParser.create().parse_override(word)
    except HydraException:  # said elsewhere
        return None


def _params(word: str) -> set[str]:
    """Return what a sweep or a search varies."""
    group, _, name = word.lstrip("+").partition("=")
    path = config_file(group, name)
    found = OmegaConf.select(OmegaConf.load(path), "hydra.sweeper.params") if path else None
    return {str(key) for key in found or {}}
