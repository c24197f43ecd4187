"""Sets in shards: the same bytes however they are made, stopped anywhere, extended, and opened without being read."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from helpers import CLASSES, EXPOSURE, physics
from made import galaxies, write_files
from tiny import ROOT

from lenssr.commands.check import check
from lenssr.config.compose import compose, plain
from lenssr.data.build import build_set
from lenssr.data.sets import folder as files
from lenssr.data.sets import simulated
from lenssr.data.sets.simulated import SimulatedSource, simulate
from lenssr.data.sky.parameters import sample
from lenssr.errors import DataError

SPLITS = {"train": 40, "validation": 2, "test": 3}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Blocks of twelve images and shards of one block."""
    monkeypatch.setattr(simulated, "_RAYS", {"cpu": 4 * 16**2, "cuda": 4 * 16**2})
    monkeypatch.setattr(simulated, "_SHARD", 12)


def source(folder, splits=SPLITS, name="deeplense"):
    return SimulatedSource(
        name="small",
        image_size=16,
        pixel_scale=0.2,
        psf_fwhm=0.3,
        psf_truncation=4.0,
        exposure_time=EXPOSURE,
        classes=CLASSES,
        splits=splits,
        seed=0,
        physics={**physics(name), "supersampling": 1},
        folder=str(folder),
    )


def at_once(made, split, count):
    """Return images and parameters of a split as one pass over the whole table gives them."""
    table = sample(made.physics, made.exposure_time, made.classes, made.seed, split, count)
    return np.concatenate(list(simulate(table, made.instrument))), table


def test_shards_are_what_one_pass_makes(tmp_path):
    made = source(tmp_path)
    sets = made.open()
    for split, count in SPLITS.items():
        images, table = at_once(made, split, count)
        np.testing.assert_array_equal(sets[split].images, images)
        pd.testing.assert_frame_equal(sets[split].parameters, table, check_exact=True)
    assert sets["test"].unit == 1.5 * float(np.median(at_once(made, "train", 40)[0].max((1, 2))))
    assert sorted(path.name for path in made.path.rglob("*") if path.is_file()) == sorted(
        ["manifest.json", *["images.npy", "parameters.parquet"] * 3]
    )


def test_rows_may_be_drawn_from_anywhere():
    words = (physics("corrected"), EXPOSURE, CLASSES, 5, "test")
    whole = sample(*words, 30)
    pd.testing.assert_frame_equal(whole[17:].reset_index(drop=True), sample(*words, 13, first=17), check_exact=True)


def test_a_killed_simulation_goes_on_at_its_shard(tmp_path, monkeypatch):
    whole = source(tmp_path / "whole").open()
    begun, make = [], SimulatedSource.make

    def dies(self, making, shard, device="cpu"):
        begun.append(shard.first)
        if len(begun) == 3:
            making.write(shard, [np.zeros((1, 16, 16), np.float32)], pd.DataFrame())  # in the middle of a shard
        make(self, making, shard, device)

    monkeypatch.setattr(SimulatedSource, "make", dies)
    with pytest.raises(DataError):
        source(tmp_path).open()
    assert begun == [0, 12, 24] and not source(tmp_path).path.exists()
    sets = source(tmp_path).open()
    assert begun[3:] == [24, 36, 0, 0]  # two of the five shards are not made again
    for split in SPLITS:
        np.testing.assert_array_equal(sets[split].images, whole[split].images)
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_a_set_is_extended_by_the_rest_alone_and_cut_short_by_nothing(tmp_path, monkeypatch):
    rendered, render = [], simulated.simulate

    def counted(table, *arguments, **more):
        rendered.extend(table["index"])
        return render(table, *arguments, **more)

    source(tmp_path).open()
    monkeypatch.setattr(simulated, "simulate", counted)
    longer = source(tmp_path, {**SPLITS, "train": 60})
    images, table = at_once(longer, "train", 60)
    rendered.clear()
    held = longer.open()["train"]
    np.testing.assert_array_equal(held.images, images)
    pd.testing.assert_frame_equal(held.parameters, table, check_exact=True)
    assert rendered[:24] == list(range(36, 60)) and len(rendered) == 24 + 2 + 3  # whole rounds are taken over
    rendered.clear()
    shorter = source(tmp_path, {"train": 24, "validation": 2, "test": 3}).open()["train"]
    np.testing.assert_array_equal(shorter.images, images[:24])
    assert len(rendered) == 2 + 3


def test_what_is_taken_over_was_verified(tmp_path):
    first = source(tmp_path)
    first.open()
    with (first.path / "train" / "images.npy").open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"\1\2\3")
    longer = source(tmp_path, {**SPLITS, "train": 60})
    np.testing.assert_array_equal(longer.open()["train"].images, at_once(longer, "train", 60)[0])


def test_the_columns_of_substructure_are_taken_over_too(tmp_path):
    noise = {"hr_background_rms": 0.01, "lr_background_rms": 0.1, "scale": 2}

    def corrected(folder, train):
        made = source(folder, {**SPLITS, "train": train}, "corrected")
        made.physics = {**made.physics, "noise": noise}
        return made.open()["train"].parameters

    corrected(tmp_path / "a", 14)
    pd.testing.assert_frame_equal(corrected(tmp_path / "a", 26), corrected(tmp_path / "b", 26), check_exact=True)


def test_opening_reads_no_image_and_one_column(tmp_path, monkeypatch):
    made = source(tmp_path)
    made.open()
    with (made.path / "train" / "images.npy").open("r+b") as stream:
        stream.seek(2000)
        stream.write(b"\1\2\3")
    held, read = made.open()["train"], pd.read_parquet  # nobody looks
    asked = []
    monkeypatch.setattr(
        pd, "read_parquet", lambda path, columns=None: asked.append(columns) or read(path, columns=columns)
    )
    assert len(held.exposure_time) == 40 and asked == [["exposure_time"]]
    with pytest.raises(KeyError):
        held.column("colour")
    with pytest.raises(DataError, match=r"(?s)1 of 1 sets.*checksum differs.*Delete the folder"):
        check([made.path])


def test_a_run_verifies_its_set_on_demand(tmp_path, cli):
    from tiny import TINY

    words = ["model=bilinear", *TINY, f"paths.outputs={tmp_path}"]
    assert cli(*words)[0] == 0
    (image,) = (tmp_path / "datasets").glob("*/test/images.npy")
    with image.open("r+b") as stream:
        stream.seek(image.stat().st_size - 5)
        stream.write(b"\1")
    shutil.rmtree(tmp_path / "runs")
    code, _, err = cli(*words, "verify=true")
    assert code == 2 and "its checksum differs" in err
    code, _, err = cli(*words)
    assert code == 0, err


def test_both_images_of_a_pair_are_verified(tmp_path):
    galaxies(tmp_path / "images", size=50)
    words = ["dataset=real_pairs", f"dataset.source.root={tmp_path / 'images'}", "dataset.source.pixel_scale=0.05"]
    config = plain(
        compose([*words, "dataset.image_size=48", "dataset.shots=2", "loader.patch=32", f"paths.outputs={tmp_path}"])
    )
    build_set(config).prepare()
    images = list((tmp_path / "datasets").glob("*/*/test/images.npy"))
    assert {image.parents[1].name for image in images} == {"hr", "lr", "rms"}
    for image in images:
        kept = image.read_bytes()
        image.write_bytes(kept[:-5] + b"\1" + kept[-4:])
        build_set(config).prepare()
        with pytest.raises(DataError, match="its checksum differs"):
            build_set({**config, "verify": True}).prepare()
        image.write_bytes(kept)
    build_set({**config, "verify": True}).prepare()


def test_a_conversion_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_SHARD", 4)
    write_files(tmp_path / "files")
    words = {"name": "f", "root": str(tmp_path / "files"), "image_size": 48, "pixel_scale": 0.05, "classes": CLASSES}
    words |= {"validation_fraction": 0.3, "limits": dict.fromkeys(SPLITS, 100), "unreadable": "stop"}
    whole = files.FolderSource(**words, folder=str(tmp_path / "whole")).open()
    read, count, stops = files.read_image, [], [0]

    def counted(*arguments):
        count.append(arguments)
        if len(count) == stops[0]:
            raise KeyboardInterrupt
        return read(*arguments)

    monkeypatch.setattr(files, "read_image", counted)
    for stop in (6, 11):  # in the second part of the inspection; in the conversion
        count.clear()
        stops[0] = stop
        with pytest.raises(KeyboardInterrupt):
            files.FolderSource(**words, folder=str(tmp_path / "sets")).open()
    stops[0] = 0
    count.clear()
    sets = files.FolderSource(**words, folder=str(tmp_path / "sets")).open()
    assert len(count) <= 12  # of 24 readings of the 12 files
    for split in SPLITS:
        np.testing.assert_array_equal(sets[split].images, whole[split].images)
        assert list(sets[split].parameters["file"]) == list(whole[split].parameters["file"])
    assert sets["test"].unit == whole["test"].unit
    assert [path.name for path in (tmp_path / "sets").iterdir() if path.name not in (".locks",)] == [
        sets["test"].folder.name
    ]


@pytest.mark.slow
def test_the_jobs_of_a_launcher_make_the_same_set(tmp_path):
    """Killed in the middle, and asked again."""
    words = ["dataset.image_size=32", "loader.patch=32", "dataset.source.splits={train: 3000, validation: 3, test: 4}"]
    script = [sys.executable, "scripts/simulate.py", *words]
    pool = ["hydra/launcher=pool", "hydra.launcher.devices=cpu", "hydra.launcher.slots=2", "--chunk", "1000"]
    first = subprocess.Popen([*script, *pool, f"paths.outputs={tmp_path / 'a'}"], cwd=ROOT, stderr=subprocess.DEVNULL)
    with pytest.raises(subprocess.TimeoutExpired):
        first.wait(8)
    first.kill()
    first.wait()
    for outputs, more in (("a", pool), ("b", [])):
        done = subprocess.run(
            [*script, *more, f"paths.outputs={tmp_path / outputs}"], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    one, other = (next((tmp_path / x / "datasets").glob("model1-*/manifest.json")) for x in "ab")
    assert json.loads(one.read_text())["splits"] == json.loads(other.read_text())["splits"]
    assert sorted(p.name for p in one.parent.iterdir()) == ["manifest.json", "test", "train", "validation"]
