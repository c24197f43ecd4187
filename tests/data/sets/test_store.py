"""Sets on disk: what is written is read, and what is damaged is refused by name."""

import errno
import json
import os

import numpy as np
import pandas as pd
import pytest
from helpers import CLASSES, EXPOSURE, physics

from lenssr.data.sets.simulated import SimulatedSource
from lenssr.data.sets.store import FORMAT, SetWriter, open_set
from lenssr.errors import DataError, RunError
from lenssr.system.files import read_json, whole_file, whole_folder, write_json

IMAGES = np.random.default_rng(0).random((5, 6, 6)).astype(np.float32)
TABLE = pd.DataFrame(
    {"index": range(5), "class": list("abcab"), "exposure_time": np.linspace(1, 2, 5), "subhalo_x": [[0.1, 0.2]] * 5}
)
ABOUT = {"noise_free": True, "pixel_scale": 0.05, "unit": 0.3}


@pytest.fixture
def folder(tmp_path):
    """Return the folder of a written set."""
    path = tmp_path / "set"
    with whole_folder(path) as temporary:
        writer = SetWriter(temporary)
        writer.write("train", IMAGES.shape, [IMAGES[:3], IMAGES[3:]], TABLE)
        writer.write("test", (2, 6, 6), iter([IMAGES[:2]]), TABLE[:2])
        writer.finish(ABOUT)
    return path


def assert_refused(folder, file, verify=False):
    """The error names the file and how to mend the set."""
    with pytest.raises(DataError) as error:
        open_set(folder, verify)
    assert str(file) in str(error.value)
    assert f"Delete the folder {folder} and repeat the command" in str(error.value)


@pytest.mark.parametrize("verify", [False, True])
def test_round_trip(folder, verify):
    sets = open_set(folder, verify)
    assert set(sets) == {"train", "test"}
    train = sets["train"]
    assert len(train) == 5 and len(sets["test"]) == 2
    np.testing.assert_array_equal(train.images, IMAGES)
    assert isinstance(train.images, np.memmap) and not train.images.flags.writeable
    assert (train.pixel_scale, train.unit, train.noise_free) == (0.05, 0.3, True)
    np.testing.assert_array_equal(train.exposure_time, np.linspace(1, 2, 5).astype(np.float32))
    assert list(train.parameters["class"]) == list("abcab")
    assert [list(x) for x in train.parameters["subhalo_x"]] == [[0.1, 0.2]] * 5
    assert train.checksum == sets["test"].checksum and len(train.checksum) == 64
    # any program reads the files
    np.testing.assert_array_equal(np.load(folder / "train" / "images.npy"), IMAGES)


def test_a_truncated_array(folder):
    path = folder / "train" / "images.npy"
    os.truncate(path, path.stat().st_size - 100)
    assert_refused(folder, path)


@pytest.mark.parametrize("name", ["images.npy", "parameters.parquet"])
def test_a_missing_file(folder, name):
    (folder / "test" / name).unlink()
    assert_refused(folder, folder / "test" / name)


def alter(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["images.npy", "parameters.parquet"])
def test_an_altered_byte_is_found_by_verification(folder, name):
    path = folder / "train" / name
    alter(path, path.stat().st_size // 2)
    assert_refused(folder, path, verify=True)


@pytest.mark.parametrize(("name", "place"), [("images.npy", 0), ("parameters.parquet", -1)])
def test_a_damaged_header_is_found_without(folder, name, place):
    alter(folder / "train" / name, place)
    assert_refused(folder, folder / "train" / name)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 1}', "\x00\xff"])
def test_a_corrupt_manifest(folder, text):
    (folder / "manifest.json").write_text(text, encoding="latin1")
    assert_refused(folder, folder / "manifest.json")


def test_a_missing_manifest_or_folder(folder, tmp_path):
    (folder / "manifest.json").unlink()
    assert_refused(folder, folder / "manifest.json")
    assert_refused(tmp_path / "nowhere", tmp_path / "nowhere" / "manifest.json")


@pytest.mark.parametrize(
    "change",
    [
        {"splits": {"train": None}},
        {"splits": {"train": {"files": {}}}},
        {"splits": []},
        {"splits": {"train": {"files": {"images.npy": {}}}}},
        {"unit": None},
    ],
    ids=str,
)
def test_a_manifest_of_another_form(folder, change):
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert_refused(folder, path)


def test_another_format(folder):
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": FORMAT + 1}))
    assert_refused(folder, f"format {FORMAT + 1}")


def test_too_few_images(tmp_path):
    with pytest.raises(DataError, match="3 images came for the split 'train' where 5 were announced"):
        SetWriter(tmp_path).write("train", IMAGES.shape, [IMAGES[:3]], TABLE)


class TestFiles:
    """Files that are whole or absent."""

    def test_a_folder_whose_writer_fails_leaves_nothing(self, tmp_path):
        with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "a" / "set") as temporary:
            (temporary / "part").write_text("half")
            1 / 0  # noqa: B018
        assert list((tmp_path / "a").iterdir()) == []

    def test_a_file_whose_writer_fails_leaves_the_old_one(self, tmp_path):
        path = tmp_path / "a.txt"
        path.write_text("old")
        with pytest.raises(ZeroDivisionError), whole_file(path) as temporary:
            temporary.write_text("new")
            1 / 0  # noqa: B018
        assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]

    def test_json_round_trip(self, tmp_path):
        write_json(tmp_path / "b" / "a.json", {"x": [1, None, "σ"]})
        assert json.loads((tmp_path / "b" / "a.json").read_text(encoding="utf-8")) == {"x": [1, None, "σ"]}

    def test_what_json_cannot_hold_leaves_the_old_file(self, tmp_path):
        write_json(tmp_path / "a.json", {"old": 1})
        with pytest.raises(TypeError):
            write_json(tmp_path / "a.json", {"new": object()})
        assert read_json(tmp_path / "a.json") == {"old": 1} and os.listdir(tmp_path) == ["a.json"]

    @pytest.mark.parametrize(
        ("number", "words"),
        [(errno.ENOSPC, "disk is full"), (errno.EACCES, "cannot be written")],
        ids=["full", "denied"],
    )
    def test_a_disk_that_refuses_leaves_the_old_file(self, tmp_path, monkeypatch, number, words):
        path = tmp_path / "a.json"
        write_json(path, {"old": 1})

        def refuse(*_):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "replace", refuse)
        with pytest.raises(RunError, match=words) as error:
            write_json(path, {"new": 2})
        assert str(path) in str(error.value) and "paths.outputs" in str(error.value)
        assert read_json(path) == {"old": 1} and os.listdir(tmp_path) == ["a.json"]

    def test_what_is_no_json_reads_as_none(self, tmp_path):
        (tmp_path / "a.json").write_text("{")
        assert read_json(tmp_path / "a.json") is None and read_json(tmp_path / "b.json") is None


def source(folder, **changes):
    arguments = {
        "name": "small",
        "image_size": 16,
        "pixel_scale": 0.2,
        "psf_fwhm": 0.3,
        "psf_truncation": 4.0,
        "exposure_time": EXPOSURE,
        "classes": CLASSES,
        "splits": {"train": 4, "validation": 1, "test": 2},
        "seed": 0,
        "physics": physics("deeplense"),
        "folder": str(folder),
    }
    return SimulatedSource(**{**arguments, **changes})


class TestSimulatedSource:
    """Sets that are found or made."""

    def test_a_killed_writers_remains_are_removed(self, tmp_path):
        small = source(tmp_path)
        remains = tmp_path / f"{small.path.name}.partial-abc123"
        (remains / "train").mkdir(parents=True)
        (remains / "train" / "images.npy").write_bytes(b"half an array")
        (remains / "manifest.json").write_text("{}")
        sets = small.open()
        assert {split: len(images) for split, images in sets.items()} == {"train": 4, "validation": 1, "test": 2}
        assert not remains.exists() and small.path.is_dir()
        assert not [path for path in tmp_path.iterdir() if ".partial-" in path.name]

    def test_the_remains_of_another_set_are_left_alone(self, tmp_path):
        other = tmp_path / f"{source(tmp_path, seed=1).path.name}.partial-abc123"
        other.mkdir(parents=True)
        source(tmp_path).open()
        assert other.exists()

    def test_a_set_is_made_once(self, tmp_path, monkeypatch):
        first = source(tmp_path).open()
        monkeypatch.setattr(SimulatedSource, "_make", lambda *_: pytest.fail("made again"))
        again = source(tmp_path).open()
        np.testing.assert_array_equal(first["train"].images, again["train"].images)
        assert first["train"].checksum == again["train"].checksum

    @pytest.mark.parametrize("change", [{"seed": 1}, {"image_size": 18}, {"physics": physics("corrected")}], ids=str)
    def test_another_sky_has_another_folder(self, tmp_path, change):
        assert source(tmp_path, **change).path != source(tmp_path).path

    def test_the_detector_does_not_make_another_set(self, tmp_path):
        other = {**physics("deeplense"), "detector": {"shot_noise": "poisson", "clip": False}}
        assert source(tmp_path, physics=other).path == source(tmp_path).path
