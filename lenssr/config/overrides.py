"""Command-line overrides that name nothing: find the nearest name and say it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from lenssr.config.groups import CONFIGS, hydra_context, own_configs, searchpath
from lenssr.config.synonyms import ADVICE, KEYS, known_as
from lenssr.errors import did_you_mean

__all__ = ["check", "explain", "groups", "unknown_setting"]


@cache
def groups() -> dict[str, list[str]]:
    """Config groups and their options, from the files."""
    found: dict[str, list[str]] = {}
    for folder in (CONFIGS, *own_configs()):
        for path in sorted(folder.rglob("*.yaml")):
            group = path.parent.relative_to(folder).as_posix()
            if group != ".":
                found.setdefault(group, []).append(path.stem)
    return found


def _keys(config: DictConfig, prefix: str = "") -> Iterator[str]:
    for key in map(str, config):
        yield f"{prefix}{key}"
        if not OmegaConf.is_interpolation(config, key) and not OmegaConf.is_missing(config, key):
            value = config[key]
            if isinstance(value, DictConfig):
                yield from _keys(value, f"{prefix}{key}.")


def check(overrides: Sequence[str]) -> str | None:
    """Return what is wrong with the first override that names nothing, or None.

    Sweeps (``model=rdn,rcan``) are checked choice by choice. Keys that one model or loss has and
    another lacks are looked up in the configuration that the other overrides choose.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_overrides([o for o in overrides if not o.startswith("-")])
    except HydraException as error:
        return f"An override cannot be read: {str(error).splitlines()[0]}"
    known_groups = groups()
    for override in parsed:
        name = override.key_or_group
        if name == "hydra/launcher" and get_close_matches(str(override.value()), known_groups[name]):
            known = [*known_groups[name], "basic"]
            if override.value() not in known:  # of another package, unless it looks like a slip
                return f"There is no hydra/launcher '{override.value()}'. {did_you_mean(str(override.value()), known)}"
        if name.startswith("hydra.launcher.") and not override.is_add():
            launcher = next((str(o.value()) for o in parsed if o.key_or_group == "hydra/launcher"), "")
            problem = unknown_setting(launcher, name.removeprefix("hydra.launcher."))
            if problem:
                return problem
        if override.is_delete() or override.is_add() or name.startswith("hydra"):
            continue
        if name in known_groups:
            for value in override.sweep_iterator() if override.is_sweep_override() else [override.value()]:
                options = known_groups[name]
                for choice in value if isinstance(value, list) else [value]:
                    if choice is not None and Path(str(choice)).stem not in options:
                        return f"There is no {name} '{choice}'. {known_as(name, str(choice), options)}"
        elif "." not in name:
            known = [*known_groups, *_top_level_keys()]
            if name not in known:
                return f"There is no config key or group '{name}'. {_meant(name, known)}"
    return None


def _meant(name: str, known: list[str]) -> str:
    """Return what to say of a key that there is not: what has its meaning, or the nearest name."""
    word = name.casefold().replace("-", "_")
    if word in ADVICE:
        return ADVICE[word]
    return f"Did you mean '{KEYS[word]}'?" if word in KEYS else did_you_mean(name, known)


def unknown_setting(launcher: str, key: str) -> str | None:
    """Return what is wrong where one of the project's launchers has no such setting; of another, none are known."""
    path = CONFIGS / "hydra" / "launcher" / f"{launcher}.yaml"
    known = [str(setting) for setting in OmegaConf.load(path)] if path.is_file() else []
    if not known or key.split(".")[0] in known:
        return None
    return f"hydra/launcher={launcher} has no setting '{key}'. {did_you_mean(key, known)}"


@cache
def _top_level_keys() -> list[str]:
    files = [CONFIGS / "train.yaml", *sorted((CONFIGS / "experiment").glob("*.yaml"))]  # experiments add their own
    keys = [str(key) for file in files for key in OmegaConf.load(file) if key not in ("defaults", "hydra")]
    return list(dict.fromkeys(keys))


def explain(error: BaseException, overrides: Sequence[str]) -> str:
    """Turn Hydra's refusal to compose into one sentence with the nearest valid name."""
    import hydra

    problem = check(overrides)
    if problem:
        return problem
    choices = [o for o in overrides if o.split("=")[0].lstrip("+~") in groups()]
    try:
        with hydra_context(CONFIGS):
            keys = list(_keys(hydra.compose("train", overrides=[*searchpath(), *choices])))
    except Exception:
        return " ".join(str(error).split())
    for override in overrides:
        name = override.split("=")[0]
        if "." in name and name[0] not in "+~" and not name.startswith("hydra.") and name not in keys:
            parent, _, last = name.rpartition(".")
            siblings = [key.rpartition(".")[2] for key in keys if key.rpartition(".")[0] == parent]
            if siblings:
                return f"{parent} has no setting '{last}'. {did_you_mean(last, siblings)}"
            return f"There is no setting '{name}'. {did_you_mean(name, keys)}"
    return " ".join(str(error).split())
