"""Pairs of DeepLense's entry tests, in twins of both published layouts."""

import math

import numpy as np
import pytest
import torch
from made import entry_pairs
from scipy.stats import binom
from skimage.metrics import peak_signal_noise_ratio
from tiny import TINY, TINY_RDN

from lenssr.config.compose import compose, plain
from lenssr.data.sets.deeplense import split_of
from lenssr.errors import ConfigError, DataError
from lenssr.metrics.evaluation import bilinear
from lenssr.metrics.protocols import scores
from lenssr.runs.build import build_data

CPU = torch.device("cpu")


def data(root, outputs, *more):
    words = ["model=rdn", *TINY_RDN, *TINY, "loss=mse", "dataset=deeplense_pairs", f"dataset.source.root={root}"]
    words += ["dataset.source.validation=0.2", "dataset.source.test=0.3"]
    return build_data(plain(compose([*words, "loader.evaluation_batch_size=3", outputs, *more])))


@pytest.mark.parametrize("names", [("HR_{}.npy", "LR_{}.npy"), ("sample{}.npy", "sample{}.npy")])
def test_partners_are_found_by_number_and_images_stay_as_they_are(tmp_path, outputs, names):
    entry_pairs(tmp_path / "d", names=names)
    made, seen = data(tmp_path / "d", outputs), []
    assert made.unit == 1
    for split in ("train", "validation", "test"):
        numbers = made.sets[split].parameters["number"].to_numpy()
        for batch in made.evaluation(split, CPU):
            for row, hr, lr in zip(batch["index"].tolist(), batch["hr"], batch["lr"], strict=True):
                number = numbers[row]
                for kind, name, image in zip(("HR", "LR"), names, (hr, lr), strict=True):
                    file = np.load(tmp_path / "d" / kind / name.format(number))
                    assert np.array_equal(image.numpy(), file.astype(np.float32))
                seen.append(number)
    assert sorted(seen) == [*range(1, 41)]


def test_scores_are_those_of_a_data_range_of_one(tmp_path, outputs):
    """As the published attempts compute them: scikit-image's PSNR, told that values span 0 to 1."""
    entry_pairs(tmp_path / "d")
    for batch in data(tmp_path / "d", outputs).evaluation("test", CPU):
        image = bilinear(batch)
        found = scores(image[:, 0], batch["hr"][:, 0], None, ("psnr",))["report/psnr"]
        for one, hr, ours in zip(image[:, 0].numpy(), batch["hr"][:, 0].numpy(), found, strict=True):
            assert float(ours) == pytest.approx(peak_signal_noise_ratio(hr, one, data_range=1), abs=1e-3)


def test_the_split_is_fixed_by_a_pairs_number(tmp_path, outputs):
    """Half of the files gives each its place in the whole; the counts are those of a fair draw."""
    splits = [split_of(number, 0.05, 0.1) for number in range(10_000)]
    for split, part in (("test", 0.1), ("validation", 0.05), ("train", 0.85)):
        assert 1e-3 < binom.cdf(splits.count(split), 10_000, part) < 0.999
    assert [n for n in range(1, 41) if split_of(n, 0.05, 0.1) == "test"] == TESTED
    few, all_of_them = tmp_path / "few", tmp_path / "all"
    entry_pairs(few, range(1, 41, 2))
    entry_pairs(all_of_them)
    for split in ("train", "validation", "test"):
        one, other = (set(data(root, outputs).sets[split].parameters["number"]) for root in (few, all_of_them))
        assert one == {number for number in other if number % 2}


TESTED = [9, 39]  # for ever: a published score is of these


def test_the_ceiling_is_told_by_the_noise_of_the_hr_images(tmp_path, outputs):
    entry_pairs(tmp_path / "d", noise=0.02)
    facts, spans = data(tmp_path / "d", outputs).facts(), []
    for number in range(1, 41):  # a file is (ring + noise) / span: its span is told by the ring's own, 1.6 less what
        rng = np.load(tmp_path / "d" / "HR" / f"HR_{number}.npy")[0]
        corner = rng[:8, :8]  # far from the ring, where nothing but noise is
        spans.append(corner.std())
    assert facts["hr_noise"] == pytest.approx(np.median(spans), rel=0.1)
    assert facts["estimated_ceiling"] == pytest.approx(-20 * math.log10(np.median(spans)), abs=1)


def broken(root, what):
    entry_pairs(root)
    hr, lr = root / "HR", root / "LR"
    if what == "alone":
        (lr / "LR_7.npy").unlink()
    if what == "twice":
        np.save(hr / "copy_7.npy", np.load(hr / "HR_7.npy"))
    if what == "range":
        np.save(lr / "LR_7.npy", 255 * np.load(lr / "LR_7.npy"))
    if what == "size":
        np.save(lr / "LR_7.npy", np.load(hr / "HR_7.npy"))
    if what == "nan":
        np.save(hr / "HR_7.npy", np.full((1, 48, 48), np.nan))
    if what == "unnumbered":
        (hr / "HR_7.npy").rename(hr / "seven.npy")
    if what == "folder":
        lr.rename(root / "low")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("alone", r"1 files of .* have no partner: HR/HR_7\.npy"),
        ("twice", "have one number"),
        ("range", r"LR_7\.npy: values from 0 to 255, where 0 to 1 was expected \(dataset\.source\.value_range\)"),
        ("size", r"LR_7\.npy: shape \(1, 48, 48\), where 24 x 24 px was expected"),
        ("nan", r"HR_7\.npy: holds NaN"),
        ("unnumbered", "no number in its name"),
        ("folder", "no folder LR; give the one in which HR and LR lie"),
    ],
)
def test_what_is_no_pair_is_said(tmp_path, outputs, what, said):
    broken(tmp_path / "d", what)
    with pytest.raises((DataError, ConfigError), match=said):
        _ = data(tmp_path / "d", outputs).sets


@pytest.mark.parametrize("what", ["alone", "range", "size", "nan"])
def test_what_is_no_pair_is_left_out_where_that_is_asked(tmp_path, outputs, capsys, what):
    broken(tmp_path / "d", what)
    made = data(tmp_path / "d", outputs, "dataset.source.unreadable=skip")
    numbers = [n for images in made.sets.values() for n in images.parameters["number"]]
    assert sorted(numbers) == [n for n in range(1, 41) if n != 7]
    assert "left out" in capsys.readouterr().err


@pytest.mark.parametrize("unreadable", ["stop", "skip"])
def test_where_no_pair_fits_the_setting_is_named_once(tmp_path, outputs, unreadable):
    entry_pairs(tmp_path / "d")
    with pytest.raises(DataError, match=r"(?s)No pair of .*the first: HR/HR_1\.npy.*\(dataset\.image_size\)") as caught:
        _ = data(tmp_path / "d", outputs, "dataset.image_size=64", f"dataset.source.unreadable={unreadable}").sets
    assert str(caught.value).count("HR_") == 1
