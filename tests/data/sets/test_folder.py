"""DeepLense's published files: read whatever their form, refused where damaged, never executed."""

import io
import os
import pickle
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lenssr
from lenssr.data.files.unpickle import UnsafeFileError, read_npy
from lenssr.data.sets.folder import FolderSource, read_image
from lenssr.errors import ConfigError, DataError

SIZE = 8
CLASSES = ["no_sub", "axion", "cdm"]


def image(seed):
    return np.random.default_rng(seed).random((SIZE, SIZE)).astype(np.float32)


def save_pair(path, *entries):
    """Write an object array, as the published axion files are."""
    array = np.empty(len(entries), dtype=object)
    for i, entry in enumerate(entries):
        array[i] = entry
    np.save(path, array, allow_pickle=True)
    return path


def save_pickle(path, thing, shape=(2,), protocol=4):
    """Write a .npy file whose pickle builds a given thing."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": shape})
    pickle.dump(thing, stream, protocol=protocol)
    path.write_bytes(stream.getvalue())
    return path


@pytest.fixture
def root(tmp_path):
    """Return a folder in DeepLense's layout: 40 training files and 4 test files a class."""
    seed = 0
    for split, count in (("train", 40), ("test", 4)):
        for name in CLASSES:
            folder = tmp_path / "deeplense" / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                if name == "axion":
                    save_pair(folder / f"{i:03d}.npy", image(seed), 10.0 ** (-22 - i / 20))
                else:
                    np.save(folder / f"{i:03d}.npy", image(seed))
                seed += 1
    return tmp_path / "deeplense"


def source(root, **changes):
    arguments = {
        "name": "published",
        "root": str(root),
        "image_size": SIZE,
        "pixel_scale": 0.05,
        "classes": CLASSES,
        "validation_fraction": 0.1,
        "limits": {"train": 1000, "validation": 1000, "test": 1000},
        "unreadable": "stop",
        "folder": str(root.parent / "sets"),
    }
    return FolderSource(**{**arguments, **changes})


# reading one file


@pytest.mark.parametrize(
    "form",
    [
        lambda x: x,
        lambda x: x[None],
        lambda x: np.stack([x, x + 1, x + 2]),
        lambda x: np.stack([x, x + 1, x + 2], axis=-1),
        lambda x: x[..., None],
        lambda x: np.asfortranarray(x),
        lambda x: x.astype(">f8"),
    ],
    ids=["HW", "1HW", "3HW", "HW3", "HW1", "fortran", "big-endian"],
)
@pytest.mark.parametrize("pair", [False, True], ids=["image", "pair"])
def test_forms_of_images(tmp_path, form, pair):
    path, array = tmp_path / "a.npy", form(image(1))
    if pair:
        save_pair(path, array, 1e-23)
    else:
        np.save(path, array)
    found, mass = read_image(path, SIZE)
    np.testing.assert_array_equal(found, image(1))
    assert found.dtype == np.float32
    assert mass == pytest.approx(-23) if pair else np.isnan(mass)


def test_integer_images(tmp_path):
    counts = np.arange(SIZE * SIZE, dtype=np.uint16).reshape(SIZE, SIZE)
    np.save(tmp_path / "a.npy", counts)
    np.testing.assert_array_equal(read_image(tmp_path / "a.npy", SIZE)[0], counts)


@pytest.mark.parametrize(
    ("mass", "expected"),
    [(1e-22, -22), (np.float64(3e-24), np.log10(3e-24)), (-23.5, -23.5), (np.array(1e-23), -23)],
    ids=str,
)
def test_masses_become_logarithms(tmp_path, mass, expected):
    assert read_image(save_pair(tmp_path / "a.npy", image(0), mass), SIZE)[1] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_pickle_protocol_is_read(tmp_path, protocol):
    pair = np.empty(2, dtype=object)
    pair[0], pair[1] = image(0), np.float64(1e-23)
    found, mass = read_image(save_pickle(tmp_path / "a.npy", pair, protocol=protocol), SIZE)
    np.testing.assert_array_equal(found, image(0))
    assert mass == pytest.approx(-23)


def with_pixel(value):
    array = image(0)
    array[3, 4] = value
    return array


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (with_pixel(np.nan), "NaN or infinite"),
        (with_pixel(np.inf), "NaN or infinite"),
        (np.zeros((0, 0), np.float32), "empty"),
        (np.full((SIZE, SIZE), 2.0), "constant"),
        (np.zeros((SIZE, SIZE + 1)), "shape .8, 9., where 8 x 8 px was expected"),
        (np.zeros(SIZE), "where 8 x 8 px was expected"),
        (np.zeros((2, SIZE, SIZE)), "where 8 x 8 px was expected"),
    ],
    ids=["NaN", "infinite", "empty", "constant", "oblong", "flat", "two bands"],
)
def test_what_is_no_image_is_refused(tmp_path, array, words):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match=words):
        read_image(tmp_path / "a.npy", SIZE)
    with pytest.raises(ValueError, match=words):
        read_image(save_pair(tmp_path / "b.npy", array, 1e-23), SIZE)


@pytest.mark.parametrize(
    "entries",
    [
        (image(0),),
        (image(0), 1e-23, 3),
        (image(0), "heavy"),
        (None, 1e-23),
        (1e-23, image(0)),
        (image(0), None),
        (image(0) + 1j, 1e-23),
    ],
    ids=["one", "three", "word", "no image", "swapped", "no mass", "complex"],
)
@pytest.mark.filterwarnings("ignore:Casting complex")
def test_pairs_of_something_else_are_refused(tmp_path, entries):
    with pytest.raises(ValueError):
        read_image(save_pair(tmp_path / "a.npy", *entries), SIZE)


# hostile and damaged files


class Command:
    """Unpickles by running a shell command."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


class Evaluated:
    """Unpickles by evaluating Python."""

    def __init__(self, text):
        self.text = text

    def __reduce__(self):
        return eval, (self.text,)


@pytest.mark.parametrize("inside", [False, True], ids=["bare", "in the array"])
@pytest.mark.parametrize("kind", [Command, Evaluated])
def test_a_malicious_pickle_is_refused_and_not_run(tmp_path, kind, inside):
    mark = tmp_path / "executed"
    bait = kind(f"touch {mark}" if kind is Command else f"open({str(mark)!r}, 'w')")
    path = save_pair(tmp_path / "a.npy", image(0), bait) if inside else save_pickle(tmp_path / "a.npy", bait)
    with pytest.raises(UnsafeFileError, match=r"asks for (posix|nt|builtins)"):
        read_npy(path)
    assert not mark.exists()
    np.load(path, allow_pickle=True)  # the bait is real: a careless reader does run it
    assert mark.exists()


def test_dotted_names_do_not_reach_further(tmp_path):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": (2,)})
    for module, name in (("numpy", "dtype.__class__"), ("numpy", "testing.os.system"), ("numpy.dtypes", "np.dtype")):
        data = b"\x80\x04" + b"".join(b"\x8c" + bytes([len(s)]) + s.encode() for s in (module, name)) + b"\x93."
        (tmp_path / "a.npy").write_bytes(stream.getvalue() + data)
        with pytest.raises(UnsafeFileError):
            read_npy(tmp_path / "a.npy")


class Forged:
    """Unpickles as an object array over raw bytes, that is, over pointers of the file's own making."""

    def __reduce__(self):
        return np.ndarray, ((2,), np.dtype(object), b"\0" * 16)


def test_pointers_cannot_be_forged(tmp_path):
    with pytest.raises(ValueError):
        read_npy(save_pickle(tmp_path / "a.npy", Forged()))


@pytest.mark.parametrize("pair", [False, True], ids=["image", "pair"])
def test_truncated_files_are_refused(tmp_path, pair):
    path = tmp_path / "a.npy"
    save_pair(path, image(0), 1e-23) if pair else np.save(path, image(0))
    whole = path.read_bytes()
    for length in [0, 3, 6, 9, *range(128, len(whole) - 1, 7)]:
        path.write_bytes(whole[:length])
        with pytest.raises((ValueError, EOFError)):
            read_npy(path)


_FUZZ = """
import sys
from pathlib import Path
from lenssr.data.sets.folder import read_image

for path in sorted(Path(sys.argv[1]).glob("*.npy")):
    try:
        read_image(path, 8)
    except (ValueError, EOFError, OSError):
        pass
    print(path.name, flush=True)
"""


def test_damaged_bytes_are_refused_in_good_order(tmp_path):
    """In a process of its own, which must survive them all."""
    rng = random.Random(0)
    whole = save_pair(tmp_path / "whole", image(0), 1e-23) and (tmp_path / "whole.npy").read_bytes()
    (tmp_path / "whole.npy").unlink()
    for i in range(400):
        data = bytearray(whole)
        for _ in range(1 + i % 2 * rng.randrange(6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        (tmp_path / f"{i:03d}.npy").write_bytes(data)
    before = set(os.listdir(tmp_path))
    environment = {**os.environ, "PYTHONPATH": str(Path(lenssr.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _FUZZ, str(tmp_path)], capture_output=True, text=True, env=environment
    )
    read = done.stdout.split()
    assert done.returncode == 0, f"the file after {read[-1:]}: exit {done.returncode}, {done.stderr[-300:]}"
    assert len(read) == 400 and set(os.listdir(tmp_path)) == before


# a folder of files


def test_a_folder_becomes_a_set(root):
    sets = source(root).open()
    assert {split: len(images) for split, images in sets.items()} == {"train": 108, "validation": 12, "test": 12}
    test = sets["test"]
    assert not test.noise_free and test.pixel_scale == 0.05
    for split in sets.values():
        for stored, name, mass in zip(
            split.images, split.parameters["file"], split.parameters["log10_axion_mass"], strict=True
        ):
            loaded = np.load(root / name, allow_pickle=True)
            pair = loaded.dtype == object
            np.testing.assert_array_equal(stored, loaded[0] if pair else loaded)
            assert mass == pytest.approx(np.log10(loaded[1])) if pair else np.isnan(mass)
    maxima = sets["train"].images.max(axis=(1, 2))
    assert maxima.min() <= test.unit <= maxima.max()


def test_classes_take_turns_and_splits_are_disjoint(root):
    sets = source(root).open()
    files = {split: list(images.parameters["file"]) for split, images in sets.items()}
    every = [name for names in files.values() for name in names]
    assert len(set(every)) == len(every) == 132
    assert all(name.startswith("test/") == (split == "test") for split, names in files.items() for name in names)
    for split in sets.values():
        assert split.parameters["class"].value_counts().nunique() == 1
        assert list(split.parameters["class"][:3]) == CLASSES


def test_the_order_is_always_the_same(root, monkeypatch):
    first = source(root, folder=str(root.parent / "one")).open()
    monkeypatch.setattr(Path, "glob", lambda self, pattern, glob=Path.glob: reversed(list(glob(self, pattern))))
    again = source(root, folder=str(root.parent / "two")).open()
    for split in first:
        assert list(first[split].parameters["file"]) == list(again[split].parameters["file"])


def test_a_folder_is_converted_once_and_again_when_a_file_changes(root, monkeypatch):
    first = source(root).open()["train"].folder
    with monkeypatch.context() as patch:
        patch.setattr(FolderSource, "_convert", lambda *_: pytest.fail("converted again"))
        assert source(root).open()["train"].folder == first
    np.save(root / "test" / "cdm" / "new.npy", image(99))
    assert len(source(root).open()["test"]) == 13


def test_the_other_name_of_the_axion_folder(root):
    expected = source(root).open()
    for split in ("train", "test"):
        (root / split / "axion").rename(root / split / "vortex")
    found = source(root).open()
    for split in expected:
        np.testing.assert_array_equal(found[split].images, expected[split].images)
        assert list(found[split].parameters["class"]) == list(expected[split].parameters["class"])


def test_limits_keep_the_classes_balanced(root):
    sets = source(root, limits={"train": 9, "validation": 3, "test": 6}).open()
    assert {split: len(images) for split, images in sets.items()} == {"train": 9, "validation": 3, "test": 6}
    assert list(sets["train"].parameters["class"].value_counts()) == [3, 3, 3]


@pytest.fixture
def damaged(root):
    """Return three files that are no images."""
    files = ["train/no_sub/007.npy", "train/axion/011.npy", "test/cdm/002.npy"]
    (root / files[0]).write_bytes(b"not an array")
    save_pair(root / files[1], with_pixel(np.nan), 1e-23)
    np.save(root / files[2], np.ones((SIZE, SIZE)))
    return files


def test_unreadable_files_stop_the_import(root, damaged):
    with pytest.raises(DataError) as error:
        source(root).open()
    text = str(error.value)
    assert "3 of 132 files" in text and "dataset.source.unreadable=skip" in text
    assert all(name in text for name in damaged) and "NaN" in text and "constant" in text
    assert not list((root.parent / "sets").glob("published-*"))


def test_unreadable_files_are_skipped_on_request(root, damaged, capfd):
    sets = source(root, unreadable="skip").open()
    files = {name for images in sets.values() for name in images.parameters["file"]}
    assert len(files) == 129 and not files & set(damaged)
    assert all(np.isfinite(images.images).all() for images in sets.values())
    assert all(list(images.parameters["index"]) == list(range(len(images))) for images in sets.values())
    told = capfd.readouterr().err
    assert all(name in told for name in damaged) and "left out" in told


def test_many_unreadable_files_are_counted(root):
    for i in range(9):
        (root / "train" / "cdm" / f"{i:03d}.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"9 of 132 files.*and 4 more"):
        source(root).open()


def test_a_split_without_an_image_is_refused(root):
    for path in (root / "test").rglob("*.npy"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="No usable image is left for the test split"):
        source(root, unreadable="skip").open()


def test_what_is_missing_is_named(root, tmp_path):
    with pytest.raises(ConfigError, match="is no folder"):
        source(tmp_path / "nowhere", folder=str(tmp_path))
    with pytest.raises(ConfigError, match="neither 'stop' nor 'skip'"):
        source(root, unreadable="ignore")
    with pytest.raises(ConfigError, match="between 0 and 1"):
        source(root, validation_fraction=1.5)
    (root / "test" / "axion").rename(root / "test" / "other")
    with pytest.raises(DataError, match=r"no folder .*axion or .*vortex"):
        source(root).open()


def test_a_result_of_files_that_changed_since_is_not_handed_out(tmp_path):
    from made import write_files
    from tiny import TINY, TINY_RDN

    from lenssr.config.compose import compose
    from lenssr.errors import RunError
    from lenssr.train import train

    root = tmp_path / "files"
    write_files(root)
    command = ["model=rdn", "dataset=folder", f"dataset.source.root={root}", *TINY_RDN, *TINY]
    command.append(f"paths.outputs={tmp_path / 'outputs'}")
    train(compose(command))
    assert not train(compose(command)).trained
    np.save(root / "train" / "cdm" / "new.npy", np.random.default_rng(5).poisson(5, (48, 48)))
    with pytest.raises(RunError, match="move that folder away"):
        train(compose(command))


def test_what_is_skipped_is_replaced_and_hidden_files_are_no_files(tmp_path):
    """Six empty files of twenty leave fourteen, whatever the limits; a dot file is nobody's image."""
    for split in ("train", "test"):
        for name in CLASSES:
            folder = tmp_path / "files" / split / name
            folder.mkdir(parents=True)
            (folder / "._000.npy").write_bytes(b"\0\5\26\7")
            for i in range(20):
                (folder / f"{i:03}.npy").write_bytes(b"") if i < 6 else np.save(folder / f"{i:03}.npy", image(i))
    words = {"name": "folder", "root": str(tmp_path / "files"), "image_size": SIZE, "pixel_scale": 0.05}
    words |= {"classes": CLASSES, "validation_fraction": 0.1, "folder": str(tmp_path / "sets")}
    limits = {"train": 1000, "validation": 1000, "test": 1000}
    sets = FolderSource(**words, limits=limits, unreadable="skip").open()
    counts = {split: images.parameters["class"].value_counts().to_dict() for split, images in sets.items()}
    assert counts["test"] == dict.fromkeys(CLASSES, 14)
    assert all(counts["train"][name] + counts["validation"][name] == 14 for name in CLASSES)
    few = FolderSource(**words, limits={"train": 12, "validation": 3, "test": 30}, unreadable="skip").open()
    assert [len(few[split]) for split in ("train", "validation", "test")] == [12, 3, 30]
    with pytest.raises(DataError, match="36 of 120 files"):
        FolderSource(**words, limits=limits, unreadable="stop").open()
