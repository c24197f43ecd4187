"""Damaged and hostile files: a clear error or a correct result, nothing half-written, and nothing of theirs is run."""

import copy
import io
import json
import pickle
import shutil

import numpy as np
import pytest
import torch
from astropy.io import fits
from made import header, lens
from tiny import TINY

import lenssr
from lenssr.config.compose import compose
from lenssr.errors import LensSRError
from lenssr.inference import main as command
from lenssr.sharing import export
from lenssr.train import train

CASES = 40  # of each kind of file; 400 of them are images
KINDS = ["plain.fits", "many.fits", "cards.fits", "packed.fits.fz", "plain.npy", "cube.npy", "lens.h5"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    tiny = ["model=fsrcnn", "model.features=8", "model.mappings=1", *TINY]
    return train(compose([*tiny, f"paths.outputs={tmp_path_factory.mktemp('fuzz')}"])).folder


def sound(name):
    """Return the bytes of a file as it should be."""
    import h5py

    image, file = lens(24, 20), io.BytesIO()
    if name.endswith(".npy"):
        np.save(file, np.stack([image, image]) if name == "cube.npy" else image)
    elif name == "lens.h5":
        with h5py.File(file, "w") as h5:
            h5["image_data"], h5["background_rms"], h5["exposure_time"] = image, 0.02, np.full(image.shape, 100.0)
            h5["transform_pix2angle"], h5["ra_at_xy_0"], h5["dec_at_xy_0"] = np.diag([-0.04, 0.04]), 1.0, 2.0
    elif name == "packed.fits.fz":
        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(image, header("CD"))]).writeto(file)
    elif name == "many.fits":
        noise = fits.ImageHDU(np.full_like(image, 0.02), name="ERR")
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(image, header("SIP"), name="SCI"), noise]).writeto(file)
    else:
        fits.PrimaryHDU(image, header("PC")).writeto(file)
    return file.getvalue()


def damaged(name, content, generator):
    """Return the bytes after one of six accidents."""
    content = bytearray(content)
    if name == "cards.fits":  # a header of nonsense, in the right places
        card = 80 * int(generator.integers(3, 25))
        value = generator.choice(["-1", "0", "99999999", "'word'", "1E400", "NaN", "T", "((", ""])
        content[card + 10 : card + 80] = f"{value:>20}".ljust(70).encode()
        return bytes(content)
    place = int(generator.integers(0, len(content)))
    if generator.random() < 0.6:  # accidents to the header are the interesting ones
        place = int(generator.integers(0, min(len(content), 700)))
    accident = generator.integers(0, 6)
    if accident == 0:
        return bytes(content[:place])
    if accident == 1:
        content[place] ^= 1 << int(generator.integers(0, 8))
    elif accident == 2:
        content[place : place + 16] = generator.bytes(16)
    elif accident == 3:
        content[place : place + 64] = b"\0" * 64
    elif accident == 4:
        content[place:place] = content[place : place + 40]
    else:
        del content[place : place + int(generator.integers(1, 200))]
    return bytes(content)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", range(2))
def test_damaged_images(kind, part, run, tmp_path, monkeypatch, capfd):
    refused = 0
    for case in range(part * CASES, (part + 1) * CASES):
        path, out = tmp_path / kind, tmp_path / f"out{case}"
        path.write_bytes(damaged(kind, sound(kind), np.random.default_rng([case, KINDS.index(kind)])))
        monkeypatch.setattr("sys.argv", ["upscale.py", str(run), str(path), "-o", str(out)])
        try:
            command.main()
        except SystemExit as stop:
            refused += 1
            err = capfd.readouterr().err
            assert stop.code == 2 and "error: " in err and "Traceback" not in err, (case, err)
            assert not out.exists(), case
            continue
        written = sorted(out.glob("*.fits"))
        assert written and not list(out.glob("*.partial*"))
        for product in written:
            with fits.open(product) as hdus:
                assert np.isfinite(hdus["SCI"].data).mean() >= 0.5, case
                assert hdus["SCI"].header["SRFLUX"] == pytest.approx(1, abs=0.01) or hdus["SCI"].header["SRNOISE"] > 1e3
    assert 0 < refused < CASES or kind in ("cards.fits", "plain.npy", "cube.npy", "lens.h5")


class Bomb:
    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return (open, (self.mark, "w"))


def test_hostile_pickles_are_not_run(run, tmp_path, monkeypatch):
    mark = tmp_path / "ran"
    np.save(tmp_path / "a.npy", np.array([Bomb(mark)] * 64, dtype=object).reshape(8, 8), allow_pickle=True)
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Bomb(mark)))
    (tmp_path / "c.h5").write_bytes(pickle.dumps(Bomb(mark)))
    for name in ("a.npy", "b.npy", "c.h5"):
        monkeypatch.setattr("sys.argv", ["upscale.py", str(run), str(tmp_path / name), "-o", str(tmp_path / "out")])
        with pytest.raises(SystemExit) as stop:
            command.main()
        assert stop.value.code == 2 and not mark.exists()
    bad = tmp_path / "run"
    shutil.copytree(run, bad)
    (bad / "checkpoints/best.ckpt").write_bytes(pickle.dumps({"state_dict": Bomb(mark)}))
    with pytest.raises(LensSRError):
        lenssr.load(bad)
    torch.save({"state_dict": Bomb(mark)}, bad / "checkpoints/best.ckpt")
    with pytest.raises(LensSRError):
        lenssr.load(bad)
    assert not mark.exists()


def loads_or_says(folder, case):
    """Load a model: it works as a network, or a clear error says why not."""
    try:
        model = lenssr.load(folder)
    except LensSRError as error:
        assert len(str(error)) < 1500, case
        return False
    with torch.no_grad():
        assert model(torch.rand(1, 1, 8, 9)).shape[-2] >= 8, case
    return True


@pytest.mark.parametrize("name", ["checkpoints/best.ckpt", "model.safetensors"])
def test_damaged_weights(name, run, tmp_path):
    folder = tmp_path / "model"
    if name.startswith("checkpoints"):
        shutil.copytree(run, folder)
    else:
        export(run, folder, onnx=False)
    content = (folder / name).read_bytes()
    for case in range(60):
        (folder / name).write_bytes(damaged(name, content, np.random.default_rng([case, 77])))
        loads_or_says(folder, case)
    (folder / name).write_bytes(content)
    assert loads_or_says(folder, "sound")


def nodes(value, path=()):
    yield path
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from nodes(entry, (*path, key))


def test_damaged_configurations(run, tmp_path):
    folder = export(run, tmp_path / "model", onnx=False)
    sound_config = json.loads((folder / "config.json").read_text())
    model = [("config", "model", *path) for path in nodes(sound_config["config"]["model"]) if path]
    places = [path for path in nodes(sound_config) if path] + model * 20
    values = [None, -1, 0, 2.5, "word", "", [], {}, [1], {"_target_": "os.system", "command": "true"}, True, 10**12]
    generator, worked = np.random.default_rng(5), 0
    for case in range(150):
        config = copy.deepcopy(sound_config)
        *parents, last = places[generator.integers(0, len(places))]
        node = config
        for key in parents:
            node = node[key]
        node[last] = values[generator.integers(0, len(values))]
        (folder / "config.json").write_text(json.dumps(config))
        worked += loads_or_says(folder, (case, *parents, last, node[last]))
    assert 0 < worked < 150
    for case in range(40):
        content = damaged("config.json", json.dumps(sound_config).encode(), np.random.default_rng([case, 3]))
        (folder / "config.json").write_bytes(content)
        loads_or_says(folder, case)
