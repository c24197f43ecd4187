"""What kind of run a configuration is of, told without building anything."""

from __future__ import annotations

from typing import Any

__all__ = ["draws_posteriors"]


def draws_posteriors(config: dict[str, Any]) -> bool:
    """Whether the run's network draws from posteriors: its task then has a number of draws.

    Args:
        config: plain, of a run.
    """
    return "draws" in config["task"]
