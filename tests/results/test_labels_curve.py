"""A score over the number of training images: every run, every mean, and what bounds them."""

from types import SimpleNamespace

import numpy as np
from matplotlib import pyplot

from lenssr.results.figures import labels_curve as drawn
from lenssr.results.tables.table import Column, Row, Table


def row(label, line, at, values):
    key = "log10_axion_mass/mse"
    results = [SimpleNamespace(metrics={"scores": {"prediction": {key: {"mean": value}}}}) for value in values]
    return Row(label, label, {}, results=results, curve={"line": line, "at": at})


def test_points_means_and_limits_are_drawn(tmp_path, monkeypatch):
    column = Column("log10_axion_mass/mse", "log10 axion mass", "MSE / dex²", 4, "low")
    rows = [row("b", "HR", 1000, [0.2, 0.24]), row("a", "HR", 100, [0.4]), row("limit", "HR", None, [0.06])]
    rows.append(row("c", "LR", 100, [0.5]))
    seen = []
    monkeypatch.setattr(drawn, "save", lambda figure, path: seen.append(figure) or path)
    drawn.labels_curve(Table("curve", "", "", "a", [column], rows), tmp_path / "curve.png")
    (axis,) = seen[0].axes
    means = [line for line in axis.lines if line.get_linestyle() == "-"]
    assert [list(line.get_xdata()) for line in means] == [[100, 1000], [100]]
    assert np.allclose(means[0].get_ydata(), [0.4, 0.22])
    (limit,) = [line for line in axis.lines if line.get_linestyle() == "--"]
    assert limit.get_ydata()[0] == 0.06 and limit.get_color() == means[0].get_color()
    dots = sorted(float(y) for line in axis.lines if line.get_marker() == "." for y in line.get_ydata())
    assert dots == [0.2, 0.24, 0.4, 0.5]
    pyplot.close(seen[0])
