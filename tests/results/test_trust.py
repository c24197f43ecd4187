"""What of a network's image may be trusted, asked of interpolation, of which all is known."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import TINY

from lenssr.config.compose import compose
from lenssr.errors import ConfigError
from lenssr.results.figures import trust as figures
from lenssr.results.scenes import Scenes
from lenssr.results.trust import clumps, maps, report
from lenssr.train import train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    words = ["model=bilinear", "physics=corrected", *TINY, f"paths.outputs={tmp_path_factory.mktemp('trust')}"]
    return train(compose(words)).folder


@pytest.fixture
def scenes(run):
    return Scenes(run)


def test_interpolation_returns_what_interpolation_does(scenes):
    """And a clump as wide as two pixels is returned nearly whole, a small one is not."""
    table = scenes.lenses(3)
    found = clumps.contrasts(scenes, table, scenes.light(table))
    assert len(found) == 3 * len(clumps.SIZES) * len(clumps.SIGNALS)
    assert found["returned"].to_numpy() == pytest.approx(found["bilinear"].to_numpy(), abs=1e-4)
    means = found[found["signal"] == max(clumps.SIGNALS)].groupby("size")["returned"].mean()
    assert means.is_monotonic_increasing and means.iloc[-1] > 0.85 and means.iloc[0] < 0.65


def test_a_clump_that_no_lens_magnifies_has_the_flux_of_its_profile(scenes):
    smooth = dict.fromkeys(("gamma1", "gamma2", "e1", "e2", "source_x", "source_y"), 0.0)
    table = scenes.lenses(2).assign(theta_E=1e-6, source_radius=0.05, **smooth)
    hr, lr, magnification = clumps._clumps(scenes, table, 1.0)
    assert lr is None and magnification == pytest.approx(1.0, abs=0.02)
    radius = 2 * scenes.pixel_scale
    # of a Gaussian that has half of its peak, the amplitude, at the half-light radius: 2 amplitude pi r^2 / ln 2
    assert hr.sum(axis=(1, 2)) == pytest.approx(2 * np.pi * radius**2 / np.log(2), rel=0.03)


def test_a_clumps_strength_is_its_signal_over_the_noise_of_the_sky(scenes):
    hr = np.zeros((1, 48, 48), np.float32)
    hr[0, 10:14, 20:24] = 3.0  # four LR pixels, of 3 for each HR pixel
    noise = scenes.data.unit * scenes.seen.noise[0]
    assert clumps._strength(scenes, hr, None, 15.0).item() == pytest.approx(15 * noise / 6)  # sqrt(4) * 3


@pytest.mark.parametrize(
    ("values", "size"),
    [
        ([0.1, 0.2, 0.4, 0.6, 0.9], 0.5 * 2**0.5),
        ([0.6] * 5, 0.1),
        ([0.1] * 5, None),
        ([0.6, 0.2, 0.6, 0.7, 0.9], 0.25 * 2**0.75),  # the last rise counts
    ],
    ids=["between", "all", "none", "not monotonic"],
)
def test_the_size_of_which_half_is_returned(values, size):
    table = pd.DataFrame({"signal": 5.0, "size": [0.1, 0.25, 0.5, 1.0, 2.0], "returned": values})
    assert clumps.smallest(table, "returned", 5.0) == (None if size is None else pytest.approx(size))


def test_empty_sky_is_interpolated_noise(scenes):
    """White noise that is interpolated with weights 3/4 and 1/4: its variance is 5/8 of itself along each axis."""
    found = maps.of_nothing(scenes, scenes.lenses(6), (48, 48))
    observation = scenes.config["dataset"]["observation"]
    ratio = observation["lr_background_rms"] / 4 / observation["hr_background_rms"]
    assert found["network"] == pytest.approx(found["bilinear"], abs=1e-4)
    assert found["bilinear"]["rms"] == pytest.approx(0.625 * ratio, rel=0.05)


def test_departures_are_where_the_other_image_is_nearer():
    truth = torch.zeros(1, 1, 1, 4)
    image, other = (torch.tensor(values).view(1, 1, 1, 4) for values in ([4.0, -4.0, 1.0, 1.0], [1.0, 1.0, -2.0, 2.0]))
    found = maps.departures(image, other, {"truth": truth, "variance": torch.full_like(truth, 4.0)})
    assert found["hallucination"].ravel().tolist() == [2, 0, 0, 0]
    assert found["omission"].ravel().tolist() == [0, 2, 0, 0]
    assert found["improvement"].ravel().tolist() == [-1.5, -1.5, 0.5, 0.5]


def test_a_bilinear_pixel_comes_from_four(scenes):
    found = maps.attribution(scenes, torch.rand(1, 1, 24, 24), (20, 31))
    wanted = np.zeros((24, 24))
    wanted[9:11, 15:17] = np.outer([1, 3], [3, 1]) / 16  # LR row 9.75, column 15.25
    assert found.weights == pytest.approx(wanted, abs=1e-6)
    assert found.half == pytest.approx(np.hypot(0.25, 0.25)) and found.most == pytest.approx(np.hypot(0.75, 0.25))


def test_the_page_and_its_picture(run, tmp_path, monkeypatch, capsys, whole_pictures):
    monkeypatch.setattr("sys.argv", ["trust", str(run), "--count", "3", "--to", str(tmp_path)])
    report.main()
    (page,) = tmp_path.glob("*.md")
    assert "What is made of nothing" in capsys.readouterr().out and f"{page.stem}.png" in page.read_text()
    known = json.loads((tmp_path / f"{page.stem}.json").read_text())
    assert known["flux"]["gone"] == pytest.approx(0.0, abs=1e-4) and known["lenses"] == 3
    assert (tmp_path / f"{page.stem}.png").stat().st_size > 10_000


def test_the_picture_says_how_far_the_weights_reach(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(figures, "_attribution", lambda axis, weights, at, most: seen.append(most))
    numbers = np.random.default_rng(0)
    names = ("network", "truth", "hallucination", "omission", "improvement")
    example = {"LR": numbers.random((8, 8)), **{name: numbers.random((16, 16)) for name in names}}
    table = pd.DataFrame({"signal": 5.0, "size": [0.1, 0.1, 1.0, 1.0], "returned": 0.5, "bilinear": 0.4})
    figures.picture(tmp_path / "picture.png", table, example, numbers.random((8, 8)), (7, 9), 7.5, 0.05)
    assert seen == [7.5]


def test_magnification_is_compared_between_lenses():
    """Large clumps return more and are magnified more, in every lens alike: that is no effect of the lens."""
    rows = [
        {"lens": k, "signal": signal, "size": size, "returned": size / 2, "bilinear": 0.1, "magnification": k + size}
        for k in range(4) for signal in clumps.SIGNALS for size in clumps.SIZES
    ]  # fmt: skip
    source = maps.Attribution((0, 0), np.ones((2, 2)), 1.0, 2.0)
    found = report.Trust("a run", pd.DataFrame(rows), {}, {}, {}, source, 0.05)
    known = report.summary(found)["returned_by_magnification"]
    assert known["below"] == pytest.approx(known["above"]) and known["p"] == pytest.approx(1.0)


def test_of_a_survey_the_lr_images_of_clumps_are_the_other_telescopes():
    scenes = Scenes("euclid_vis_x2")
    table = scenes.lenses(1)
    hr, lr, magnification = clumps._clumps(scenes, table, 1.0)
    assert hr.shape == (1, 128, 128) and lr.shape == (1, 64, 64)
    assert 4 * lr.sum() == pytest.approx(hr.sum(), rel=0.01) and magnification[0] > 1
    assert scenes.observe(table, *scenes.light(table))["lr"].shape == (1, 1, 64, 64)


def test_other_runs_are_refused(tmp_path):
    words = ["model=aae", "model.latent=8", *TINY, f"paths.outputs={tmp_path}"]
    with pytest.raises(ConfigError, match="super-resolution run on a simulated set"):
        report.trust(train(compose(words)).folder)
