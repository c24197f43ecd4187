"""Cutouts in, a ranked table out: the run's own scores, whatever unit and sky the files have; what is bad is named."""

import sys

import numpy as np
import pandas as pd
import pytest
import torch
from astropy.io import fits
from helpers import exit_code
from made import header, write_cutouts
from tiny import TINY_FINDER

from lenssr.config.compose import compose
from lenssr.data.files.images import from_array
from lenssr.errors import RunError
from lenssr.inference.find import main, ranked
from lenssr.inference.finder import Finder
from lenssr.runs.build import build_data
from lenssr.runs.load import read_config
from lenssr.train import train

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Return a run that learnt from super-resolved images, of the model in the box."""
    words = ["sweep=lens_finding", "seed=0", *TINY_FINDER, "dataset.inputs=super_resolved"]
    return train(compose([*words, f"paths.outputs={tmp_path_factory.mktemp('finder')}"]))


@pytest.fixture(scope="module")
def folder_run(tmp_path_factory):
    """Return a run on single images, FITS and .npy, in a folder a class, and where they lie."""
    root = tmp_path_factory.mktemp("cutouts")
    write_cutouts(root, 21, 20)
    words = ["model=lens_finder", "dataset=folder", f"dataset.source.root={root}", "dataset.scale=1"]
    more = ["dataset.image_size=21", "trainer.max_steps=40", f"paths.outputs={tmp_path_factory.mktemp('out')}"]
    return train(
        compose([*words, *TINY_FINDER, *more, "scale.finding.images={train: 99, validation: 9, test: 99}"])
    ), root


def arguments(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["lenssr-find", *map(str, words)])
    return exit_code(main)


def test_a_file_gets_the_score_that_the_run_gave_its_image(found):
    """LR images of the test set, straight to the network; and through files of another unit and sky."""
    data, finder = build_data(read_config(found.folder)), Finder(found.folder, CPU)
    lr = torch.cat([batch["lr"] for batch in data.pairs("test", CPU)]) * (data.sets["train"].unit / data.unit)
    frame = pd.read_parquet(found.folder / "per_image.parquet")
    wanted = frame["prediction/logit/value"].to_numpy()
    assert finder(lr).numpy() == pytest.approx(wanted, abs=1e-5)
    arrays = [image.double().numpy() for image in lr[:, 0]]
    for factor, sky in ((1.0, 0.0), (3e4, 0.0), (50.0, 8e5)):
        given = [finder.prepare(image) for array in arrays for image in from_array(array * factor + sky)]
        for one, array in zip(given, arrays, strict=True):  # the noise that an image shows is not quite the set's
            slope = np.polyfit(array.ravel(), one.data.ravel().astype(float), 1)[0]
            assert 0.5 < slope < 2
            assert any("sky" in word for word in one.warnings) is (sky > 0)


def test_single_images_in_folders_are_learnt_and_scored_as_they_are(folder_run):
    run, root = folder_run
    assert run.metrics["images"] == 8  # every fifth of twenty a class
    frame = pd.read_parquet(run.folder / "per_image.parquet")
    assert set(frame["class"]) == {"lens", "nonlens"} and run.metrics["files"]["as_told"]
    assert {name[-4:] for name in frame["file"]} == {".npy", "fits"}
    assert run.metrics["scores"]["prediction"]["finding/auroc"]["mean"] > 0.9
    from lenssr.data.files.images import read

    table, failures = ranked(Finder(run.folder, CPU), [root / name for name in frame["file"]], read)
    assert not failures and list(table["rank"]) == list(range(1, 9))
    scored = table.set_index("file")["logit"].loc[[str(root / name) for name in frame["file"]]]
    assert scored.to_numpy() == pytest.approx(frame["prediction/logit/value"].to_numpy(), abs=1e-4)


def test_a_command_ranks_files_and_names_the_broken_one(found, tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(1)
    image = (100 + rng.normal(0, 1, (60, 70)) + 9 * (np.hypot(*(np.mgrid[:60, :70] - 30)) < 3)).astype(np.float32)
    np.save(tmp_path / "a.npy", image)
    planes = [fits.PrimaryHDU(), *(fits.ImageHDU(plane, header("CD"), name="SCI") for plane in (image, image.T[:60]))]
    planes[2].ver = 2
    fits.HDUList(planes).writeto(tmp_path / "b.fits")
    (tmp_path / "c.fits").write_bytes(b"SIMPLE")
    files = [tmp_path / name for name in ("a.npy", "b.fits", "c.fits")]
    assert arguments(monkeypatch, found.folder, *files, "-o", tmp_path / "scores.parquet") == 2
    said = capsys.readouterr().err
    assert "left out" in said and "c.fits" in said and "1 of 3 files" in said
    table = pd.read_parquet(tmp_path / "scores.parquet")
    assert list(table["rank"]) == [1, 2, 3] and (np.diff(table["score"]) <= 0).all()
    assert sorted(table["hdu"]) == ["", "SCI_1", "SCI_2"] and table["score"].between(0, 1).all()
    one = table.set_index("hdu").loc["SCI_1"]
    assert one["ra"] == pytest.approx(150.1, abs=0.01) and one["dec"] == pytest.approx(2.2, abs=0.01)
    assert "a sky of" in one["warnings"] and "a peak of" in one["warnings"]
    assert "pixel scale is not known" in table.set_index("hdu").loc[""]["warnings"]
    assert not list(tmp_path.glob("*partial*"))
    assert arguments(monkeypatch, found.folder, files[0], "-o", tmp_path / "scores.csv") == 0
    assert pd.read_csv(tmp_path / "scores.csv")["score"][0] == pytest.approx(table.set_index("hdu").loc[""]["score"])
    assert arguments(monkeypatch, found.folder, files[2], "-o", tmp_path / "none.csv") == 2
    assert not (tmp_path / "none.csv").exists()
    assert arguments(monkeypatch, found.folder, files[0], "-o", tmp_path / "scores.txt") == 2
    assert "neither .parquet nor .csv" in capsys.readouterr().err


def test_a_run_that_finds_nothing_is_refused():
    with pytest.raises(RunError, match=r"model=unet_sky, which finds no lenses; .*model=lens_finder"):
        Finder("euclid_vis_x2", CPU)
