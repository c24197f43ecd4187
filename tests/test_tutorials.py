"""Every tutorial, typed from top to bottom on small images; they share one tiny run."""

import glob
import re
import runpy
import shlex
import shutil
import sys

import numpy as np
import pytest
from made import entry_pairs, galaxies, lens
from tiny import ROOT, TINY, TINY_DIFFUSION, TINY_RDN, TINY_RDN_STAGE

TUTORIALS = sorted(path.stem for path in (ROOT / "docs" / "tutorials").glob("*.md") if path.stem != "index")
FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```', flags=re.S | re.M)
SMALL = [*TINY, *TINY_RDN]
# what each must have said; what is left out: hours, and processes that are tested elsewhere
SAID = {
    "own_model": ["mine", "shared"],
    "own_images": ["lens_sr.fits", "mosaic_one"],
    "own_instruments": ["4 pairs (24, 24) (48, 48)", "sharper/lens_sr.fits"],
    "few_shots": ["rdn"],
    "uncertainty": ["95 % intervals hold", "spread over error", "run ", "of the pixels are above"],
    "cluster": ["would queue rdn-mse-model1-", "would run"],
    "report": ["RCAN has the best PSNR of the networks, before RDN."],
}
LEFT_OUT = ("make ", "pip ", "export ", "python scripts/tables.py", "python scripts/upscale.py rdn @list.txt")
SLOW = ("uncertainty", "report")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a folder with one tiny run, and images to upscale."""
    from astropy.io import fits

    from lenssr.config.compose import compose
    from lenssr.train import train

    place = tmp_path_factory.mktemp("tutorials")
    train(compose(["model=rdn", *SMALL, f"paths.outputs={place / 'outputs'}"]))
    train(compose(["model=bilinear", *TINY, f"paths.outputs={place / 'outputs'}"]))
    np.save(place / "lens.npy", lens())
    (place / "cutouts").mkdir()
    sky = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.1, "CRVAL2": 2.2})
    sky.update({"CRPIX1": 60, "CRPIX2": 60, "CUNIT1": "deg", "CUNIT2": "deg"})
    sky.update({"CDELT1": -0.1 / 3600, "CDELT2": 0.1 / 3600})
    for name, size in (("lens.fits", 40), ("cutouts/a.fits", 40), ("cutouts/b.fits", 40), ("mosaic.fits", 130)):
        fits.PrimaryHDU(lens(size, size), sky).writeto(place / name)
    (place / "lenses.csv").write_text("id,ra,dec\none,150.1,2.2\n")
    galaxies(place / "real", count=20, size=50)
    entry_pairs(place / "pairs", range(1, 17))
    return place


@pytest.fixture
def folder(trained, tmp_path, monkeypatch):
    """Return a copy of it, to work in."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def smaller(words):
    """Return the words of a command, with overrides that make it small."""
    pairs = "dataset=deeplense_pairs" in words
    words = [w.replace("<folder>", "pairs" if pairs else "real") for w in words]
    words += ["dataset.source.validation=0.2", "dataset.source.test=0.3"] if pairs else []
    if "train" in words[0] or words[0].endswith("train.py"):
        if "-m" in words:
            return [*words, *SMALL, "model=rdn", "seed=1"]
        if "model=diffusion" in words:
            return [*words, *TINY_DIFFUSION, *TINY_RDN_STAGE]
        if "experiment=few_shot" in words:
            return [*words, *SMALL, "dataset.source.pixel_scale=0.05", "dataset.shots=4"]
        return [*words, *(TINY if {"model=mine", "model=unet_sky", "model=unet_sr"} & {*words} else SMALL)]
    return [found for w in words for found in ((sorted(glob.glob(w)) or [w]) if "*" in w else [w])]


def type_in(line, monkeypatch):
    program, *words = shlex.split(line, comments=True)
    if program == "lenssr":
        from lenssr.commands.main import main as work

        words = [words[0], *smaller([words[0], *words[1:]])[1:]]
        monkeypatch.setattr(sys, "argv", ["/nowhere/lenssr", *words])
    else:
        words = smaller(words)
        script = str(ROOT / words[0])
        monkeypatch.setattr(sys, "argv", [script, *words[1:]])
        work = lambda: runpy.run_path(script, run_name="__main__")  # noqa: E731
    try:
        work()
    except SystemExit as stop:
        assert not stop.code, f"{line}: exit code {stop.code}"


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in TUTORIALS])
def test_a_tutorial_runs_from_top_to_bottom(name, folder, monkeypatch, capfd):
    monkeypatch.setattr("lenssr.results.reproduce.write", lambda *arguments, **more: None)  # pictures
    records = "outputs/report/overnight/records"
    heard, scope = "", {}
    for language, title, block in FENCE.findall((ROOT / "docs" / "tutorials" / f"{name}.md").read_text()):
        if title:
            path = folder / title.replace("lenssr/models/", "").replace("configs/", "settings/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.replace("lenssr.models.mine", "mine"))
        elif language == "python":
            exec(compile(block, f"{name}.md", "exec"), scope)
        elif language == "bash":
            for line in block.splitlines():
                line = line.replace(records, str(ROOT / records))
                sweep = line.startswith("python train.py -m") and "dry_run" not in line
                if line and not line.startswith(LEFT_OUT) and not sweep:
                    type_in(line, monkeypatch)
        heard += "".join(capfd.readouterr())
    sys.modules.pop("mine", None)
    missing = [words for words in SAID[name] if words not in heard]
    assert not missing, heard[-1500:]


def test_every_tutorial_is_one_that_is_typed():
    assert set(TUTORIALS) == set(SAID)
    index = (ROOT / "docs/tutorials/index.md").read_text()
    assert all(f"({name}.md)" in index for name in TUTORIALS)


def test_the_notebook_runs(folder, monkeypatch, capfd):
    import json

    import matplotlib

    matplotlib.use("Agg")
    notebook = json.loads((ROOT / "docs/tutorials/first_hour.ipynb").read_text())
    scope = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert not cell["outputs"]
            text = cell["source"].replace('"loss=mse_aae"', f"*{SMALL!r}")
            exec(compile(text, "first_hour.ipynb", "exec"), scope)
    said = capfd.readouterr().out
    assert "rdn-mse-model1-4steps-9images-" in said and "(48, 48)" in said
    assert {"prediction", "ceiling"} <= set(scope["scores"])
