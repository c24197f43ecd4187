"""The ring's size: of scenes rendered larger, and of noise alone."""

import pytest
import torch
from helpers import CLASSES, EXPOSURE, physics

from lenssr.data.sets.simulated import as_tensors
from lenssr.data.sky.lensing import Instrument, render
from lenssr.data.sky.parameters import sample
from lenssr.metrics.ring import ring_radius, ring_stretch

PIXEL, FWHM = 0.05, 0.087
LENGTHS = ("theta_E", "lens_x", "lens_y", "source_x", "source_y", "source_radius", "subhalo_x", "subhalo_y")


def scene(stretch=1.0):
    """Render four lenses of each class with every length stretched, the PSF's too."""
    parameters = as_tensors(sample(physics("deeplense"), EXPOSURE, CLASSES, 0, "test", 12), dtype=torch.float64)
    for name in (*LENGTHS, "subhalo_theta_E"):
        parameters[name] = parameters[name] * stretch
    return render(parameters, Instrument(150, PIXEL, FWHM * stretch))


TRUTH = scene()


def test_the_radius_of_a_gaussian_ring():
    """A ring r0 +- s of brightness exp(-(r - r0)^2 / 2 s^2) has mean radius r0 + s^2 / r0 for s << r0."""
    axis = (torch.arange(150) - 74.5) * 0.05
    radius = torch.hypot(axis.view(-1, 1), axis.view(1, -1))
    r0, s = 1.3, 0.15
    image = torch.exp(-0.5 * ((radius - r0) / s) ** 2).unsqueeze(0)
    assert float(ring_radius(image, 0.05)) == pytest.approx(r0 + s**2 / r0, abs=2e-4)
    assert float(ring_radius(torch.rot90(image * 7, 1, (1, 2)), 0.05)) == pytest.approx(float(ring_radius(image, 0.05)))


@pytest.mark.parametrize("stretch", [0.99, 1.01, 1.02])
def test_a_larger_scene_is_found_as_much_larger(stretch):
    found, _ = ring_stretch(scene(stretch), TRUTH, torch.full_like(TRUTH, 1e-4))
    assert found.tolist() == pytest.approx([stretch - 1] * len(TRUTH), rel=0.03)


@pytest.mark.parametrize("rms", [0.01, 0.06])  # the HR image's, and that of bilinear interpolation's error
def test_noise_moves_the_ring_by_its_standard_error(rms):
    generator = torch.Generator().manual_seed(0)
    noise = rms * torch.randn((20, *TRUTH.shape), generator=generator, dtype=torch.float64)
    pulls = []
    for drawn in noise:
        found, error = ring_stretch(TRUTH + drawn, TRUTH, torch.full_like(TRUTH, rms**2))
        pulls.append(found / error)
    assert float(torch.stack(pulls).square().mean().sqrt()) == pytest.approx(1.0, abs=0.12)
    # thousandths of an arcsecond, where a mean radius weighted with brightness is moved by a third of one
    assert float((error * ring_radius(TRUTH, PIXEL)).max()) < 0.012


def test_shift_brightness_and_level_are_no_stretch():
    other = 1.3 * torch.roll(TRUTH, 1, dims=2) + 0.05
    found, _ = ring_stretch(other, TRUTH, torch.full_like(TRUTH, 1e-4))
    assert found.abs().max() < 2e-3


def test_an_image_without_a_ring_has_no_number():
    flat = torch.ones(1, 40, 40)
    assert ring_stretch(flat, flat, flat)[0].isnan().all()
