"""Many files: each product once, whatever interrupts, whoever shares; stamps, chosen planes, pages."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS
from made import header, lens
from tiny import TINY, TINY_RDN

from lenssr.config.compose import compose
from lenssr.data.files.catalogue import Stamps, read_catalogue, size_of
from lenssr.data.files.choice import Choice
from lenssr.data.files.images import read
from lenssr.errors import ConfigError, DataError
from lenssr.inference import main as command
from lenssr.inference.planes import empty, strips
from lenssr.train import train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(compose(["model=rdn", *TINY, *TINY_RDN, f"paths.outputs={tmp_path_factory.mktemp('survey')}"])).folder


@pytest.fixture
def cutouts(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(10):
        image = lens(40 if i % 3 else 36, 36) + np.random.default_rng(i).normal(0, 0.05, (40 if i % 3 else 36, 36))
        fits.PrimaryHDU(image, header("CD")).writeto(folder / f"c{i}.fits")
    return sorted(map(str, folder.glob("*.fits")))


def upscaled(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["upscale", *map(str, words)])
    command.main()


def stamped(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*_sr.fits")}


def test_what_is_done_is_not_done_again(run, cutouts, tmp_path, monkeypatch):
    out = tmp_path / "out"
    upscaled(monkeypatch, run, *cutouts, "-o", out)
    before = stamped(out)
    assert len(before) == 10 and not list(out.glob("*.partial*"))
    (out / "c3_sr.fits").write_bytes((out / "c3_sr.fits").read_bytes()[:-2880])  # cut
    (out / "c4_sr.fits").unlink()
    with fits.open(cutouts[5], mode="update") as hdus:
        hdus[0].data[3, 3] += 1
    upscaled(monkeypatch, run, *cutouts, "-o", out)
    after = stamped(out)
    assert {name for name in before if before[name] != after[name]} == {f"c{i}_sr.fits" for i in (3, 4, 5)}
    upscaled(monkeypatch, run, *cutouts, "-o", out, "--overwrite")
    assert all(after[name] != again for name, again in stamped(out).items())


def test_a_batch_gives_what_single_images_give(run, cutouts, tmp_path, monkeypatch):
    upscaled(monkeypatch, run, *cutouts, "-o", tmp_path / "out")
    for path in cutouts[:3]:
        upscaled(monkeypatch, run, path, "-o", tmp_path / "one.fits", "--overwrite")
        one, many = fits.getdata(tmp_path / "one.fits", "SCI"), tmp_path / "out" / f"{path[-7:-5]}_sr.fits"
        assert fits.getdata(many, "SCI") == pytest.approx(one, abs=1e-5 * float(one.max()))


def test_the_summary_says_of_each_image_where_it_is_and_how_it_fits(run, cutouts, tmp_path, monkeypatch):
    out = tmp_path / "out"
    upscaled(monkeypatch, run, *cutouts, *cutouts[:1], "-o", out, "--html")
    table = pd.read_parquet(out / "summary.parquet")
    assert len(table) == 11 and table["product"].is_unique and (out / "summary.csv").is_file()
    place = WCS(header("CD")).pixel_to_world(17.5, 17.5).icrs
    row = table[table["image"] == "c0"].iloc[0] if (table["image"] == "c0").any() else table.iloc[0]
    assert (row["ra"], row["dec"]) == pytest.approx((place.ra.deg, place.dec.deg), abs=1e-9)
    told = json.loads((out / row["product"]).with_suffix(".json").read_text())
    assert row["chi2"] == told["facts"]["chi2"]


def test_an_index_of_many_is_small(run, cutouts, tmp_path, monkeypatch):
    out = tmp_path / "out"
    names = [*cutouts, *cutouts[:5]]
    upscaled(monkeypatch, run, *names, "-o", out, "--html")
    page = (out / "index.html").read_text()
    assert page.count("<tr>") == 1 + len(names) and "previews-000.png" in page and len(page) < 1000 * len(names)
    assert not list(out.glob("c*_sr.html"))


def test_killed_at_any_time_it_goes_on(run, cutouts, tmp_path):
    out = tmp_path / "out"
    words = [sys.executable, "-c", "from lenssr.inference.main import main; main()", str(run), *cutouts, "-o", str(out)]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(out.glob("*_sr.json")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    first = {path: path.stat().st_mtime_ns for path in out.glob("*_sr.json")}
    assert first
    assert subprocess.run(words, capture_output=True, check=False).returncode == 0
    assert len(list(out.glob("*_sr.fits"))) == 10
    assert all(path.stat().st_mtime_ns == at for path, at in first.items())


def test_a_pool_shares_the_files(run, cutouts, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    (tmp_path / "in" / "bad.fits").write_bytes(b"SIMPLE")
    words = [run, *cutouts, tmp_path / "in" / "bad.fits", "-o", out, "--chunk", 6, "hydra/launcher=pool"]
    for made in ("2 jobs done", "2 found finished"):
        with pytest.raises(SystemExit) as left:
            upscaled(monkeypatch, *words, "hydra.launcher.slots=2")
        told = capsys.readouterr().err
        assert left.value.code == 2 and "1 of 11 files" in told and made in told
        assert len(list(out.glob("*_sr.fits"))) == 10
    (out / "c2_sr.fits").unlink()
    with pytest.raises(SystemExit):
        upscaled(monkeypatch, *words, "hydra.launcher.slots=2")
    assert "1 jobs done, 1 found finished" in capsys.readouterr().err and (out / "c2_sr.fits").is_file()


def test_stamps_are_those_of_astropy_and_lie_where_they_lay(tmp_path):
    rng = np.random.default_rng(0)
    top = header("CD")
    fits.HDUList([fits.PrimaryHDU(rng.normal(size=(300, 260)), top)]).writeto(tmp_path / "m.fits")
    image, wcs = read(tmp_path / "m.fits")[0], WCS(top)
    sky = wcs.pixel_to_world([50.2, 200.7, 255.0, 900.0], [60.9, 100.1, 150.0, 10.0]).icrs
    (tmp_path / "list.csv").write_text(
        "name, RA, Dec\n" + "\n".join(f"g{i}, {p.ra.deg}, {p.dec.deg}" for i, p in enumerate(sky))
    )
    found = list(Stamps([image], read_catalogue(tmp_path / "list.csv"), size_of("32pix"), "m"))
    assert [stamp.name for stamp in found] == ["m_g0", "m_g1", "m_g2"]
    for stamp, place in zip(found, sky, strict=False):
        cut = Cutout2D(image.data, place, 32, wcs=wcs, mode="partial", fill_value=np.nan)
        assert np.array_equal(stamp.data, cut.data, equal_nan=True)
        x, y = WCS(stamp.header).world_to_pixel(place)
        assert np.allclose((x, y), cut.to_cutout_position(wcs.world_to_pixel(place)), atol=1e-6)


@pytest.mark.parametrize("text", ["", "ten", "-3arcsec", "5kg", "0pix"])
def test_a_size_that_is_none_is_named(text):
    with pytest.raises(ConfigError, match="--size"):
        size_of(text)


@pytest.mark.parametrize("text", ["x,y\n1,2\n", "ra,dec\n1,abc\n", "ra,dec\n1,95\n", ""])
def test_a_catalogue_that_is_none_is_named(text, tmp_path):
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(ConfigError, match=r"c\.csv"):
        read_catalogue(tmp_path / "c.csv")


def test_positions_beyond_the_image_are_said(tmp_path):
    fits.PrimaryHDU(lens(), header("CD")).writeto(tmp_path / "m.fits")
    (tmp_path / "c.csv").write_text("ra,dec\n1,2\n")
    with pytest.raises(DataError, match="None of the 1 positions"):
        Stamps(read(tmp_path / "m.fits"), read_catalogue(tmp_path / "c.csv"), size_of("5arcsec"), "m")


def test_planes_that_somebody_chose(tmp_path):
    rng = np.random.default_rng(0)
    planes = {name: rng.normal(5, level, (32, 32)) for name, level in (("A", 1), ("B", 2), ("C", 3))}
    hdus = [fits.PrimaryHDU(), *(fits.ImageHDU(plane, name=name) for name, plane in planes.items())]
    hdus.append(fits.ImageHDU((np.arange(1024).reshape(32, 32) % 7 == 0).astype("u1"), name="HOLES"))
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    np.save(tmp_path / "rms.npy", np.full((32, 32), 4.0))
    chosen = read(tmp_path / "a.fits", Choice("B", str(tmp_path / "rms.npy"), "HOLES"))
    assert len(chosen) == 1 and (chosen[0].rms[np.isfinite(chosen[0].data)] == 4).all()
    known = np.arange(1024).reshape(32, 32) % 7 != 0
    assert np.array_equal(np.isfinite(chosen[0].data), known)
    assert np.array_equal(chosen[0].data[known], planes["B"][known])
    assert read(tmp_path / "a.fits", Choice("2"))[0].data == pytest.approx(planes["B"])
    with pytest.raises(DataError, match="no plane 'X'"):
        read(tmp_path / "a.fits", Choice("X"))


def test_strips_cover_every_row_once_and_large_planes_lie_on_disk():
    rows = [row for part in strips((1000, 3000), 2) for row in range(part.start, part.stop)]
    assert rows == list(range(1000))
    assert type(empty((8, 8))) is np.ndarray and isinstance(empty((5000, 5000)), np.memmap)
