"""What several tests share: a configuration that trains in seconds, in a folder of its own."""

import os

# before torch is imported: tests run side by side, and sums over threads are not repeatable
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("WANDB_SILENT", "true")

import sys

import pytest
from tiny import REAL, TINY


@pytest.fixture
def outputs(tmp_path):
    """Return the override that sends everything to a temporary folder."""
    return f"paths.outputs={tmp_path / 'outputs'}"


@pytest.fixture(autouse=True, scope="session")
def sketches():
    """Draw pictures small, without axes or a search for the best layout, which take longer than a tiny training."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    whole = Figure.savefig

    def sketch(figure, path, **options):
        if not str(path).endswith(".png"):
            return whole(figure, path, **options)
        figure.set_layout_engine("none")
        figure.set_dpi(30)
        for axis in figure.axes:
            axis.set_axis_off()
        return FigureCanvasAgg(figure).print_png(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", sketch)
        yield whole


@pytest.fixture(scope="module")
def whole_pictures(sketches):
    """Draw pictures as a user has them, in the rest of a file of tests."""
    from matplotlib.figure import Figure

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", sketches)
        yield


@pytest.fixture
def tiny(outputs):
    """Return the overrides of a training that takes a second or two."""
    return [*TINY, outputs]


@pytest.fixture
def cli(monkeypatch, capfd):
    """Return a function that runs the command line in this process and gives (exit code, stdout, stderr)."""
    from lenssr import train

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
        with pytest.raises(SystemExit) as stop:
            train.main()
        out, err = capfd.readouterr()
        return stop.value.code, out, err

    return run


@pytest.fixture
def real():
    """Return the folder of real data."""
    if not REAL.is_dir():
        pytest.skip("no real lenses and galaxies: LENSSR_REAL_DATA names their folder")
    return REAL


def pytest_collection_finish(session):
    """Keep what was imported out of every later search for garbage."""
    import gc

    gc.collect()
    gc.freeze()
