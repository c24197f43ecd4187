"""The runs of a row for all its seeds: the configuration is composed for two of them, and the seed put in for others.

Composing takes a tenth of a second, and a table asks for it once for each training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lenssr.config.compose import compose, plain
from lenssr.config.schema import validate
from lenssr.config.words import assigned
from lenssr.runs.folder import Run
from lenssr.runs.stages import identify

__all__ = ["runs_of"]

_PROBES = (73_939_133, 27_644_437)  # seeds that no other number of a configuration is by chance


class _Unlike(Exception):
    """Configurations of two seeds differ in more than the seed."""


def runs_of(overrides: Sequence[str], seeds: Sequence[int]) -> Iterator[tuple[int, Run]]:
    """Yield the run of each seed, whose configuration is what ``seed=<seed>`` after the overrides gives.

    Raises:
        ConfigError: an override names nothing, or a value is out of range.
    """
    if len(seeds) <= len(_PROBES):
        yield from ((seed, _composed(overrides, seed)) for seed in seeds)
        return
    one, other = (_composed(overrides, seed) for seed in _PROBES)
    for seed in seeds:
        try:
            config, stages = _put(one.config, other.config, seed), _put(one.stages, other.stages, seed)
        except _Unlike:
            yield seed, _composed(overrides, seed)
            continue
        yield seed, Run(config, stages)


def _composed(overrides: Sequence[str], seed: int) -> Run:
    config = plain(compose((*overrides, assigned("seed", seed))))
    validate(config)
    return Run(config, identify(config))


def _put(one: Any, other: Any, seed: int) -> Any:
    """Return what two seeds' values are for another seed.

    Raises:
        _Unlike: they differ in something that is not the seed itself.
    """
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return {key: _put(value, other[key], seed) for key, value in one.items()}
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [_put(a, b, seed) for a, b in zip(one, other, strict=True)]
    if (type(one) is type(other) and one == other) or one is other:
        return one
    if (one, other) == _PROBES:
        return seed
    raise _Unlike
