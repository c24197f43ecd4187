"""Noise-free images against lenstronomy, live where it is installed and as kept in ``golden/`` everywhere."""

import numpy as np
import pytest
import torch
from data.sky.golden import make_lenstronomy as golden
from helpers import CLASSES, EXPOSURE, physics

from lenssr.data.sets.simulated import as_tensors, simulate
from lenssr.data.sky.lensing import Instrument, render
from lenssr.data.sky.parameters import sample

KEPT = np.load(golden.PATH)
CASES = sorted({name.split("/")[0] for name in KEPT.files})
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-9}


def instrument(size, supersampling=1):
    return Instrument(size, golden.PIXEL_SCALE, golden.FWHM, golden.TRUNCATION, supersampling)


def ours(scalars, subhaloes, size, supersampling, dtype):
    parameters = {name: torch.tensor([value], dtype=dtype) for name, value in zip(golden.SCALARS, scalars, strict=True)}
    for name, values in zip(("subhalo_x", "subhalo_y", "subhalo_theta_E"), subhaloes, strict=True):
        parameters[name] = torch.tensor(values, dtype=dtype).unsqueeze(0)
    return render(parameters, instrument(size, supersampling))[0].double().numpy()


def assert_near(image, reference, tolerance):
    assert image.shape == reference.shape and reference.max() > 0
    assert np.abs(image - reference).max() / reference.max() < tolerance


@pytest.mark.parametrize("case", CASES)
def test_golden_images(case):
    size, supersampling = map(int, KEPT[f"{case}/grid"])
    image = ours(KEPT[f"{case}/scalars"], KEPT[f"{case}/subhaloes"], size, supersampling, torch.float32)
    assert_near(image, KEPT[f"{case}/image"], 2e-5)


def test_golden_images_cover_what_they_should():
    grids = {case: tuple(map(int, KEPT[f"{case}/grid"])) for case in CASES}
    assert set(grids.values()) == {(150, 1), (64, 1), (75, 1), (64, 4), (75, 4)}
    assert len(CASES) == 15


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "size"), [("deeplense", 150), ("deeplense", 64), ("deeplense", 75), ("corrected", 64), ("corrected", 75)]
)
def test_lenstronomy(name, size, dtype):
    pytest.importorskip("lenstronomy")
    config = physics(name)
    if name == "corrected":  # its truncated haloes are compared in test_haloes.py
        config["cdm"] = physics("deeplense")["cdm"] | {"radius": {"disc": [0.25, 2.0]}}
    rows = sample(config, EXPOSURE, CLASSES, 5, "test", 6)  # two images of every class
    camera = instrument(size, config["supersampling"])
    for index, row in rows.iterrows():
        image = render(as_tensors(rows.iloc[[index]], dtype=dtype), camera)[0].double().numpy()
        subhaloes = np.stack([row["subhalo_x"], row["subhalo_y"], row["subhalo_theta_E"]])
        assert_near(image, golden.image(row[golden.SCALARS], subhaloes, size, camera.supersampling), TOLERANCE[dtype])


def test_a_source_without_a_lens_has_the_flux_of_a_sersic_profile():
    """An unlensed exponential disc holds 2 pi n R^2 I e^b b^(-2n) Gamma(2n)."""
    from scipy.special import gamma, gammaincinv

    scalars = dict.fromkeys(golden.SCALARS, 0.0)
    scalars |= {"theta_E": 1e-9, "source_radius": 0.25, "source_index": 1.0, "source_amplitude": 20.0, "source_e1": 0.2}
    image = ours(list(scalars.values()), np.zeros((3, 0)), 150, 4, torch.float64)
    b = gammaincinv(2, 0.5)
    total = 2 * np.pi * 0.25**2 * 20 * np.exp(b) * b**-2 * gamma(2)
    assert image.sum() == pytest.approx(total, rel=3e-3)  # lenstronomy's b is 1.9992 - 0.3271, a fit


def test_the_ring_of_a_centred_isothermal_lens():
    """A point-like source behind a singular isothermal sphere becomes a ring of the Einstein radius."""
    scalars = dict.fromkeys(golden.SCALARS, 0.0)
    scalars |= {"theta_E": 1.2, "source_radius": 0.02, "source_index": 1.0, "source_amplitude": 20.0}
    image = ours(list(scalars.values()), np.zeros((3, 0)), 81, 4, torch.float64)
    axis = (np.arange(81) - 40) * 0.05
    radius = np.hypot(axis[:, None], axis)
    assert (image * radius).sum() / image.sum() == pytest.approx(1.2, abs=0.01)


@pytest.mark.parametrize("name", ["deeplense", "corrected"])
def test_images_do_not_depend_on_the_chunk(name):
    config = physics(name)
    table = sample(config, EXPOSURE, CLASSES, 0, "train", 11)
    camera = instrument(48, config["supersampling"])
    whole = np.concatenate(list(simulate(table, camera, chunk=11)))
    assert whole.dtype == np.float32 and whole.shape == (11, 48, 48)
    for chunk in (1, 2, 3):
        parts = np.concatenate(list(simulate(table, camera, chunk=chunk)))
        assert np.abs(parts - whole).max() / whole.max() < 1e-6


@pytest.mark.parametrize("size", [48, 49])
def test_padding_with_empty_masses_changes_nothing(size):
    rows = sample(physics("deeplense"), EXPOSURE, CLASSES, 0, "train", 3)
    together = render(as_tensors(rows), instrument(size))  # no_sub padded to the vortex's 100
    for i in range(3):
        alone = render(as_tensors(rows.iloc[[i]]), instrument(size))
        np.testing.assert_allclose(together[i], alone[0], atol=1e-6 * float(alone.max()))


def test_a_mass_may_lie_on_a_ray():
    image = ours(KEPT["deeplense-75-no_sub/scalars"], np.array([[0.0], [0.0], [0.1]]), 75, 1, torch.float32)
    assert np.isfinite(image).all()
