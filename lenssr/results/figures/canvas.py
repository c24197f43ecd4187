"""What every picture shares: pyplot, how a figure is saved, the stretch of brightness, marks on axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lenssr.system.files import whole_file

__all__ = ["colour", "mark", "mark_decades", "pyplot", "save", "stretch"]


def pyplot() -> Any:
    """Return matplotlib's pyplot, drawing to files."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def save(figure: Any, path: Path, dpi: int = 150) -> Path:
    """Write a figure whole, close it and return its path."""
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=dpi, bbox_inches="tight")
    pyplot().close(figure)
    return path


def stretch(hr: np.ndarray, reference: np.ndarray) -> Any:
    """Return the asinh stretch of a sample: from 0 to the peak of ``hr``, linear below its noise."""
    from matplotlib.colors import AsinhNorm

    peak = float(hr.max())
    return AsinhNorm(linear_width=max(float(np.std(hr - reference)), 1e-3 * peak), vmin=0, vmax=peak)


def mark_decades(axis: Any) -> None:
    """Give a logarithmic matplotlib axis (``axes.xaxis``) labels at 1, 2 and 5, which do not collide."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FormatStrFormatter("%g"))
    axis.set_minor_formatter(NullFormatter())


def mark(bar: Any, peak: float) -> None:
    """Give a colour bar of :func:`stretch` ticks that do not collide; counts keep matplotlib's."""
    ticks = [t for t in (0, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3) if t <= peak]
    if len(ticks) > 2 and peak < 10:
        bar.set_ticks(ticks, labels=[f"{t:g}" for t in ticks])


def colour(i: int) -> Any:
    """Return one of twenty colours."""
    return pyplot().get_cmap("tab20")((2 * i + i // 10) % 20)
