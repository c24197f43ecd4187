"""From Hydra's words for a sweep to Optuna's, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lenssr.errors import ConfigError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override
    from optuna.distributions import BaseDistribution

__all__ = ["parse", "words"]


def parse(overrides: Sequence[str]) -> tuple[list[str], dict[str, BaseDistribution]]:
    """Return what is fixed, and what is searched, by key; of two overrides of one key the later counts.

    ``key=a,b,c`` is a choice, ``key=range(2, 9)`` whole numbers, ``key=interval(0, 1)`` real ones,
    ``key=tag(log, interval(1e-4, 1e-2))`` real ones by their logarithm, ``key=int(interval(8, 64))`` whole ones.

    Raises:
        ConfigError: nothing is searched, or a range is empty.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    fixed: dict[str, str] = {}
    searched: dict[str, BaseDistribution] = {}
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        key = override.get_key_element()
        fixed.pop(key, None)
        searched.pop(key, None)
        if override.is_sweep_override():
            searched[key] = _distribution(override)
        else:
            fixed[key] = f"{key}={override.get_value_element_as_str()}"
    if not searched:
        raise ConfigError("Nothing is searched: give a key several values, as optimizer.lr=interval(1e-4,1e-2).")
    return list(fixed.values()), searched


def _distribution(override: Override) -> BaseDistribution:
    from hydra.core.override_parser.types import IntervalSweep, RangeSweep
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    sweep: Any = override.value()
    try:
        if isinstance(sweep, IntervalSweep):
            low, high, log = sweep.start, sweep.end, "log" in sweep.tags
            if isinstance(low, int) and isinstance(high, int):
                return IntDistribution(low, high, log)
            return FloatDistribution(float(low or 0), float(high or 0), log)
        if isinstance(sweep, RangeSweep) and all(isinstance(n, int) for n in (sweep.start, sweep.stop, sweep.step)):
            numbers: list[Any] = list(override.sweep_iterator())
            return IntDistribution(min(numbers), max(numbers), step=abs(int(sweep.step)))
        return CategoricalDistribution([str(value) for value in override.sweep_string_iterator()])
    except ValueError as error:
        raise ConfigError(f"{override.input_line} is no range: {error}") from error


def words(params: Mapping[str, Any]) -> list[str]:
    """Return a trial's values as overrides; six digits tell two trials apart, and can be read."""
    return [f"{key}={value:.6g}" if isinstance(value, float) else f"{key}={value}" for key, value in params.items()]
