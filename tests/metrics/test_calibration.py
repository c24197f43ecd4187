"""Coverage by brightness finds what pooled coverage hides; whole images against their draws."""

import numpy as np
import pytest
import torch

from lenssr.metrics.calibration import (
    Calibration,
    brightness,
    central,
    gaussian_place,
    joint_scores,
    summary,
    uniformity,
)  # fmt: skip
from lenssr.metrics.ensemble import ranks

DRAWS, IMAGES, SIZE = 16, 24, 40


@pytest.fixture(scope="module")
def lenses():
    """Return a batch of ring-like scenes of which 12 % of the pixels are arcs, and the width of their posteriors."""
    axis = torch.arange(SIZE) - (SIZE - 1) / 2
    radius = torch.hypot(axis.view(-1, 1), axis.view(1, -1))
    flux = torch.exp(-0.5 * ((radius - 10) / 1.0) ** 2).expand(IMAGES, 1, SIZE, SIZE).clone()
    return {"flux": flux, "variance": torch.full_like(flux, 0.05**2), "index": torch.arange(IMAGES)}


def drawn(lenses, width, generator):
    """Return draws and targets of one law, whose draws are as much narrower as ``width`` says, by pixel."""
    mean = lenses["flux"] + torch.randn(lenses["flux"].shape, generator=generator)
    draws = mean + width * torch.randn(IMAGES, DRAWS, SIZE, SIZE, generator=generator)
    target = mean + torch.randn(mean.shape, generator=generator)
    return draws, {**lenses, "target": target, "lr": target}


def calibrated(draws, batch):
    found, target = Calibration(DRAWS + 1), batch["target"][:, 0]
    found.update(ranks(draws, target), draws.var(1) * (1 + 1 / DRAWS), draws.mean(1) - target, batch)
    return found.compute().set_index("brightness")


def test_honest_draws_cover_what_they_should_in_every_bin(lenses):
    draws, batch = drawn(lenses, torch.ones(1), torch.Generator().manual_seed(0))
    found = calibrated(draws, batch)
    for level in (50, 68, 95):
        miss = (found[f"coverage{level}"] - level / 100).abs()
        assert (miss < 4 * found[f"coverage{level}_error"] + 0.004).all(), found
    assert found["spread_skill"].to_numpy() == pytest.approx(1.0, abs=0.06)
    assert found.loc["all", "pixels"] == IMAGES * SIZE**2 == found["pixels"][:-1].sum()


def test_arcs_half_as_wide_as_they_should_be_are_found(lenses):
    """Pooled, 47/65/92 % look nearly right; on the arcs it is half of that."""
    generator = torch.Generator().manual_seed(1)
    bright = (brightness({**lenses, "target": lenses["flux"]}) >= 2).unsqueeze(1)
    assert float(bright.float().mean()) == pytest.approx(0.12, abs=0.06)
    draws, batch = drawn(lenses, torch.where(bright, 0.5, 1.0), generator)
    found = calibrated(draws, batch)
    assert found.loc["all", "coverage68"] > 0.63
    assert found.loc["arc", "coverage68"] < 0.45 and found.loc["arc", "spread_skill"] == pytest.approx(0.5, abs=0.05)
    assert summary(found.reset_index())["ensemble/worst_coverage"] > 0.2


@pytest.mark.parametrize("count", [5, 17, 20])
@pytest.mark.parametrize("level", [0.5, 0.68, 0.95])
def test_central_places_hold_their_level_exactly(count, level):
    weights = central(count, level)
    assert weights.sum() / count == pytest.approx(level)
    assert weights == pytest.approx(weights[::-1]) and weights.max() <= 1 + 1e-12


def test_a_skewed_but_perfect_posterior_is_honest_by_its_quantiles(lenses):
    """Student's t takes 50/68/95 % intervals of draws from an exponential for other ones."""
    generator = torch.Generator().manual_seed(2)
    both = torch.empty(IMAGES, DRAWS + 1, SIZE, SIZE).exponential_(generator=generator)
    found = calibrated(both[:, 1:], {**lenses, "target": both[:, :1], "lr": both[:, :1]})
    for level in (50, 68, 95):
        assert found.loc["all", f"coverage{level}"] == pytest.approx(level / 100, abs=0.01)


def test_a_gaussians_places_are_its_probability_integral():
    generator = torch.Generator().manual_seed(3)
    z = torch.randn(200_000, generator=generator)
    place = gaussian_place(torch.zeros(1), torch.ones(1), z, 20)
    assert torch.bincount(place, minlength=20).float().numpy() / 10_000 == pytest.approx(np.ones(20), abs=0.05)


def test_whole_images_fall_evenly_among_honest_draws_alone():
    """Draws that share an error no pixel tells: each pixel may be right, the total flux is not."""
    generator = torch.Generator().manual_seed(4)
    found = {}
    for common, name in ((0.0, "honest"), (1.0, "blind")):
        draws = torch.randn(300, DRAWS, 12, 12, generator=generator)
        target = torch.randn(300, 1, 12, 12, generator=generator)
        target = (target + common * torch.randn(300, 1, 1, 1, generator=generator)) / (1 + common**2) ** 0.5
        batch = {"target": target, "lr": torch.rand(300, 1, 12, 12, generator=generator), "index": torch.arange(300)}
        found[name] = {key: uniformity(score(draws, batch).numpy()) for key, score in joint_scores().items()}
    assert min(found["honest"].values()) > 0.01
    assert found["blind"]["ensemble/rank_flux"] < 1e-6 and found["blind"]["ensemble/tarp"] < 1e-3
