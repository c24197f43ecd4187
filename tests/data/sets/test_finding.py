"""Lenses and impostors: alike in brightness, the lenses those of the survey, the impostors as bright as they say."""

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

from lenssr.config.compose import compose, plain
from lenssr.data.sets.simulated import as_tensors
from lenssr.data.sky.impostors import KINDS, sky
from lenssr.errors import ConfigError
from lenssr.runs.build import build_data

STAMPS = "dataset.source.galaxies={kind: stand_in, width: 0.64, count: 4, seed: 0}"
ALL = f"dataset.source.impostors.kinds=[{','.join(KINDS)}]"


def source(tmp_path, *more, count=8):
    words = ["sweep=lens_finding", f"paths.outputs={tmp_path}", "dataset.image_size=48", "seed=0"]
    words += [f"scale.finding.images={{train: {count}, validation: 2, test: {count}}}"]
    return build_data(plain(compose([*words, *more]))).source


def magnitudes(table, zero_point):
    """Return the magnitude of all light of each row: the galaxy and its feature or arcs."""
    arcs = np.where(table["kind"] == "lens", table["arcs_magnitude"], table["feature_magnitude"])
    return zero_point - 2.5 * np.log10(table["deflector_flux"] + 10 ** (-0.4 * (arcs - zero_point))), arcs


def test_the_two_classes_are_alike_in_magnitude_light_noise_and_field(tmp_path):
    made = source(tmp_path)
    table = made.table("train", 400)
    lens = (table["class"] == "lens").to_numpy()
    assert lens.sum() == 200 and set(table["kind"][~lens]) == {"companion", "spiral", "ring", "merger"}
    assert set(table["kind"][lens]) == {"lens"} and list(made.classes) == ["nonlens", "lens"]
    total, arcs = magnitudes(table, made.hr.zero_point)
    alike = {"total": total, "feature": arcs} | {
        name: table[name].to_numpy()
        for name in ("deflector_magnitude", "deflector_radius", "lr_psf_fwhm", "hr_background_rms", "star_flux",
                     "neighbour_flux", "deflector_e1", "z_lens")
    }  # fmt: skip
    for name, values in alike.items():
        assert np.isfinite(values).all(), name
        assert ks_2samp(values[lens], values[~lens]).pvalue > 0.01, name
    # and the test sees a difference of half a magnitude where there is one
    assert ks_2samp(total[lens], total[~lens] + 0.5).pvalue < 0.01


def test_a_lens_is_the_surveys_own_of_the_same_address(tmp_path):
    finding = source(tmp_path)
    more = ["model=rdn", "dataset=survey", f"paths.outputs={tmp_path}", "dataset.image_size=48", "loader.patch=32"]
    more += ["task.data.classes=[no_sub]", "dataset.source.seed=1", "physics.supersampling=2"]
    more += ["physics.lens.theta_E=[0.5,1.6]", "physics.source.magnitude={uniform: [21.5, 24.0]}"]
    survey = build_data(plain(compose(more))).source
    mine, theirs = finding.table("test", 4), survey.table("test", 4)
    for one, other in zip(finding.render(mine), survey.render(theirs), strict=True):
        for image, wanted in zip(one, other, strict=True):  # HR, LR
            assert np.allclose(image[1::2], wanted[1::2], rtol=1e-5)  # a lens of another batch has another series
            assert not np.allclose(image[::2], wanted[::2], rtol=1e-3)
    same = [name for name in theirs if name not in ("class", "subhalo_x", "subhalo_y", "subhalo_theta_E")]
    assert mine.loc[1::2, same].equals(theirs.loc[1::2, same].reset_index(drop=True).set_index(mine.index[1::2]))


def test_a_feature_has_its_flux_and_lies_where_arcs_lie(tmp_path):
    """Summed over a wide grid, the galaxy and its neighbour put out."""
    made = source(tmp_path, ALL, STAMPS)
    table = made.table("train", 20)
    table = table[table["class"] == "nonlens"].reset_index(drop=True)
    assert sorted(table["kind"].unique()) == sorted(KINDS)
    radius = table["feature_radius"].to_numpy()
    table[["deflector_amplitude", "neighbour_amplitude"]] = 0.0
    axis = torch.arange(-8, 8, 0.02)
    light = sky(as_tensors(table), axis, 1, made._stamps).double()
    flux = light.sum((1, 2)).numpy() * 0.02**2
    wanted = 10 ** (-0.4 * (table["feature_magnitude"].to_numpy() - made.hr.zero_point))
    assert flux == pytest.approx(wanted, rel=0.01)
    r = torch.hypot(axis.view(1, -1), axis.view(-1, 1))
    mean = ((light * r).sum((1, 2)) / light.sum((1, 2))).numpy()
    rings = (table["kind"] == "ring").to_numpy()
    assert (np.abs(mean / radius - 1)[rings] < 0.35).all()


def test_the_arcs_flux_is_that_of_the_rendered_image(tmp_path):
    made = source(tmp_path, "dataset.image_size=160", "physics.neighbour.probability=0", "physics.star.probability=0")
    table = made.table("train", 8)
    dark = table.assign(deflector_amplitude=1e-12)
    hr = np.concatenate([one for one, _ in made.render(dark)])
    arcs = np.where(table["kind"] == "lens", table["arcs_magnitude"], table["feature_magnitude"])
    assert hr.sum((1, 2)) == pytest.approx(10 ** (-0.4 * (arcs - made.hr.zero_point)), rel=0.04)


def test_what_makes_no_set_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"kinds has 'stamp'.*galaxies"):
        source(tmp_path, ALL)
    with pytest.raises(ConfigError, match=r"no 'rings'.*'ring'"):
        source(tmp_path, "dataset.source.impostors.kinds=[rings]").table("train", 2)
    with pytest.raises(ConfigError, match="two, impostors and lenses"):
        source(tmp_path, "task.data.classes=[no_sub]")
