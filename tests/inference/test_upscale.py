"""Files in, files out: flux, sky positions and the truth about what was not seen in training."""

import json

import numpy as np
import pytest
import torch
from astropy.io import fits
from astropy.wcs import WCS
from made import header, lens
from scipy.integrate import quad
from scipy.ndimage import convolve1d
from scipy.stats import norm
from tiny import TINY, TINY_DIFFUSION, TINY_RDN, TINY_RDN_STAGE

from lenssr.config.compose import compose
from lenssr.data.files.image import Image
from lenssr.data.files.images import checked, read
from lenssr.data.files.wcs import rescaled
from lenssr.errors import DataError, RunError
from lenssr.inference import main as command
from lenssr.inference import upscale
from lenssr.inference.correct import unclipped
from lenssr.inference.level import shared_of, sky_of
from lenssr.inference.product import write_fits
from lenssr.inference.tiles import tiled
from lenssr.train import train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(compose(["model=rdn", *TINY, *TINY_RDN, f"paths.outputs={tmp_path_factory.mktemp('upscale')}"])).folder


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    words = ["model=rdn", "model.predict_variance=true", *TINY, *TINY_RDN]
    return train(compose([*words, f"paths.outputs={tmp_path_factory.mktemp('told')}"])).folder


@pytest.fixture(scope="module")
def diffusion(tmp_path_factory):
    tiny = ["model=diffusion", "dataset=model4", "model.widths=[8,8]", *TINY_DIFFUSION, *TINY_RDN_STAGE]
    return train(compose([*tiny, f"paths.outputs={tmp_path_factory.mktemp('upscale')}"])).folder


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("kind", ["CD", "PC", "CDELT", "SIP"])
def test_every_sky_position_stays_where_it_was(kind, scale):
    """astropy maps both grids to the sky; a pixel's centre p is (p - 0.5) scale + 0.5 on the finer one."""
    old = header(kind)
    new = rescaled(old, scale)
    pixels = np.random.default_rng(1).uniform(0.5, 40.5, (100, 2))
    sky = WCS(old).all_pix2world(pixels, 1)
    back = WCS(new).all_world2pix(sky, 1)
    assert np.abs(back - ((pixels - 0.5) * scale + 0.5)).max() < 1e-3


def test_flux_is_conserved_and_the_header_kept(run, tmp_path):
    path = tmp_path / "lens.fits"
    fits.PrimaryHDU(lens(), header("CD")).writeto(path)
    product = upscale(run, path, symmetry=True)[0]
    write_fits(product, tmp_path / "sr.fits")
    with fits.open(tmp_path / "sr.fits") as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "SCI", "BILINEAR", "SYMSPREAD", "RESIDUAL"]
        sci, err, residual = (hdus[name].data for name in ("SCI", "SYMSPREAD", "RESIDUAL"))
        assert sci.shape == err.shape == (82, 72) and residual.shape == (41, 36)
        assert sci.astype(float).sum() == pytest.approx(lens().astype(float).sum(), rel=1e-4)
        known = hdus["SCI"].header
        assert (known["BUNIT"], known["EXPTIME"], known["TELESCOP"]) == ("electron/s", 2260.0, "Euclid")
        told = "\n".join(known["HISTORY"])
        assert product.network.hash in told.replace("\n", "") and "predict_variance=true" in told.replace("\n", "")
        assert (err > 0).all()
        blocks = sci.reshape(41, 2, 36, 2).sum(axis=(1, 3))
        noise = np.sqrt(known["SRNOISE"] ** 2 + np.maximum(blocks - product.facts["sky"], 0) / known["EXPTIME"])
    assert (blocks - lens()) / noise == pytest.approx(residual, abs=1e-3)
    assert product.facts["chi2"] == pytest.approx(np.square(residual).mean(), rel=1e-4)


def test_err_is_told_and_scales_with_the_image(told, tmp_path):
    """A run that tells its uncertainty writes ERR, in the input's unit; one that does not says how to get it."""
    one, other = upscale(told, [lens(), 1000 * lens() - 50])
    assert "calibrated by brightness" in one.spread and (one.err > 0).all()
    assert other.err / 1000 == pytest.approx(one.err, rel=1e-2)
    write_fits(one, tmp_path / "sr.fits")
    with fits.open(tmp_path / "sr.fits") as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "SCI", "ERR", "BILINEAR", "RESIDUAL"]
        assert hdus["ERR"].data == pytest.approx(one.err)


def test_the_flux_that_the_network_gave_is_told_apart_from_what_was_added(run):
    product = upscale(run, lens())[0]
    data, level = lens().astype(float), product.facts["sky"]
    assert product.facts["flux_ratio"] == pytest.approx(1, abs=1e-4)
    # an untrained network gives another flux than it was shown, and the correction is what makes up for it
    assert abs(product.facts["flux_before"] - 1) > 0.01
    added = (1 - product.facts["flux_before"]) * (data - level).sum() / data.size / product.facts["noise"]
    assert abs(added) <= product.facts["flux_correction"] + 1e-6


def test_surface_brightness_is_not_divided_among_pixels(run, tmp_path):
    fits.PrimaryHDU(lens(), fits.Header({"BUNIT": "MJy/sr"})).writeto(tmp_path / "a.fits")
    assert upscale(run, tmp_path / "a.fits")[0].sr.mean() == pytest.approx(lens().mean(), rel=1e-4)


def test_scaling_the_input_scales_the_output(run):
    """What is inside is in the network's units; what leaves is in the input's, with its sky."""
    image = lens()
    one, other = upscale(run, [image, 1000 * image - 50], symmetry=True)
    assert (other.sr * 4 + 50) / 1000 == pytest.approx(one.sr * 4, abs=2e-4)
    assert other.symmetry / 1000 == pytest.approx(one.symmetry, abs=1e-5)


def test_an_image_without_noise_is_upscaled_and_said_to_have_none(run):
    image = (np.random.default_rng(0).uniform(size=(40, 40)) > 0.9).astype(float)
    (product,) = upscale(run, image)
    assert np.nansum(product.sr) == pytest.approx(image.sum(), rel=1e-6)
    assert any("no noise that could be measured" in warning for warning in product.warnings)


def test_unmeasured_pixels_stay_unmeasured(run):
    image = lens()
    image[10:13, 20] = np.nan
    product = upscale(run, image)[0]
    assert np.isnan(product.sr).sum() == 4 * 3 and np.isnan(product.sr[20:26, 40:42]).all()
    known = np.isfinite(image)
    blocks = np.nan_to_num(product.sr).reshape(41, 2, 36, 2).sum(axis=(1, 3))
    assert blocks[known].sum() == pytest.approx(image[known].sum(), rel=1e-4)


def test_a_clipping_cameras_mean_is_inverted():
    """The mean of max(0, x) for x of N(u, s), by quadrature, gives u back; below -s it cannot be told."""
    flux, noise = np.array([-0.02, 0.0, 0.01, 0.05, 0.5]), 0.03
    means = [quad(lambda x, u=u: x * norm.pdf(x, u, noise), 0, u + 10 * noise)[0] for u in flux]
    assert unclipped(torch.tensor(means), noise).numpy() == pytest.approx(flux, abs=1e-5)
    assert float(unclipped(torch.zeros(1), noise)) == pytest.approx(-noise)


def test_tiles_give_what_one_pass_gives():
    """A convolution of 11 px looks 5 px far, less than half the margin."""
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 11, padding=5), torch.nn.Tanh(), torch.nn.Conv2d(4, 4, 1), torch.nn.PixelShuffle(2)
    ).requires_grad_(False)
    image = torch.randn(1, 1, 131, 97)
    parts = []
    found = tiled(lambda x, n: parts.append(n) or [layers(x)], image, 2, tile=48, margin=12)[0]
    assert len(parts) > 6
    assert (found - layers(image)).abs().max() < 1e-5


def test_a_runs_tiles_agree_with_its_whole_image(run):
    from lenssr.inference.network import Network

    network = Network(run, torch.device("cpu"))
    image = torch.rand(1, 1, 90, 70)
    whole, parts = network(image)[0], tiled(network, image, 2, tile=64, margin=24)[0]
    assert (whole - parts).abs().max() < 1e-5


def test_draws_give_mean_and_spread(diffusion):
    product = upscale(diffusion, lens(32, 32))[0]
    assert product.sr.shape == (32, 32) and "draws from the posterior" in product.spread
    assert 0.5 <= product.facts["blur"] <= 2.5
    assert product.facts["flux_ratio"] == pytest.approx(1, abs=1e-4)
    again = upscale(diffusion, lens(32, 32))[0]
    assert np.array_equal(product.sr, again.sr)
    more = upscale(diffusion, lens(32, 32), draws=8)[0]
    assert "8 draws" in more.spread and not np.array_equal(product.err, more.err)


def test_what_was_not_seen_in_training_is_said(run, tmp_path):
    for name, step in {"same": 0.1, "coarse": 0.3}.items():
        made = header("CDELT")
        made["CDELT1"], made["CDELT2"] = -step / 3600, step / 3600
        fits.PrimaryHDU(lens(noise=0.1), made).writeto(tmp_path / f"{name}.fits")
    same, coarse, bright = upscale(run, [tmp_path / "same.fits", tmp_path / "coarse.fits", lens(noise=1e-4)])
    assert not any("training" in told for told in same.warnings if "chi" not in told)
    assert any("0.3 arcsec, in training 0.1" in told for told in coarse.warnings)
    assert any("times the noise" in told for told in bright.warnings)


def test_every_kind_of_file(run, tmp_path):
    import h5py

    image = lens()
    np.save(tmp_path / "plain.npy", image.astype(np.float64))
    np.save(tmp_path / "cube.npy", np.stack([image, 2 * image]))
    fits.HDUList(
        [
            fits.PrimaryHDU(header=fits.Header({"GAIN": 5.0})),
            fits.ImageHDU(image, header("CD"), name="SCI"),
            fits.ImageHDU(np.full_like(image, 0.5), name="ERR"),
            fits.ImageHDU(np.stack([image, image + 1]), name="BANDS"),
            fits.BinTableHDU.from_columns([fits.Column("a", "D", array=np.arange(3.0))]),
        ]
    ).writeto(tmp_path / "many.fits")
    fits.HDUList(
        [fits.PrimaryHDU(), fits.CompImageHDU(image, header("CD"), compression_type="GZIP_1", quantize_level=0)]
    ).writeto(tmp_path / "packed.fits.fz")
    with h5py.File(tmp_path / "lens.h5", "w") as file:
        file["image_data"], file["background_rms"] = image, 0.02
        file["exposure_time"], file["transform_pix2angle"] = np.full(image.shape, 100.0), np.diag([-0.04, 0.04])
        file["ra_at_xy_0"], file["dec_at_xy_0"] = 1.0, -2.0
    plain, first, second = [read(tmp_path / "plain.npy")[0], *read(tmp_path / "cube.npy")]
    assert np.array_equal(plain.data, image) and np.array_equal(second.data, 2 * image)
    assert (first.name, second.name) == ("cube_0", "cube_1")
    many = read(tmp_path / "many.fits")
    assert [entry.name for entry in many] == ["many_SCI", "many_BANDS_0", "many_BANDS_1"]
    assert many[0].header["GAIN"] == 5.0 and many[0].pixel_scale == pytest.approx(0.101, abs=1e-3)
    assert np.array_equal(many[0].rms, np.full_like(image, 0.5)) and many[1].rms is None
    packed = read(tmp_path / "packed.fits.fz")[0]
    assert np.array_equal(packed.data, image) and packed.pixel_scale == pytest.approx(0.101, abs=1e-3)
    known = read(tmp_path / "lens.h5")[0]
    assert known.pixel_scale == pytest.approx(0.04)
    expected = np.sqrt(0.02**2 + np.maximum(image, 0) / 100)
    assert known.noise(5.0, 7.0) == pytest.approx(expected, rel=1e-5)  # whatever the sky is found to be
    place = WCS(rescaled(known.header, 2)).all_pix2world([[0.5, 0.5]], 1)[0]  # the corner of the first pixel
    assert place == pytest.approx([1.0 + 0.02, -2.0 - 0.02])


def test_the_command_line(run, tmp_path, monkeypatch, capsys, whole_pictures):
    np.save(tmp_path / "a.npy", lens())
    arguments = [
        "upscale.py",
        str(run),
        str(tmp_path / "a.npy"),
        "-o",
        str(tmp_path / "out.fits"),
        "--html",
        "--picture",
    ]
    arguments.append(str(tmp_path / "out.png"))
    monkeypatch.setattr("sys.argv", arguments)
    command.main()
    assert str(tmp_path / "out.fits") in capsys.readouterr().out
    told = json.loads((tmp_path / "out.json").read_text())
    assert told["facts"]["flux_ratio"] == pytest.approx(1, abs=1e-4)
    page = (tmp_path / "out.html").read_text()
    assert (tmp_path / "out.png").stat().st_size > 10_000
    assert "@@" not in page and "http" not in page.replace("http-equiv", "")
    monkeypatch.setattr("sys.argv", [*arguments[:3], str(tmp_path / "a.npy"), *arguments[3:]])
    with pytest.raises(SystemExit) as stop:
        command.main()
    assert stop.value.code == 2


def test_what_cannot_be_upscaled_is_refused(run, tmp_path):
    for values, words in {
        "tiny": (np.ones((4, 4)), "least"),
        "flat": (np.ones((20, 20)), "constant"),
        "gone": (np.full((20, 20), np.nan), "finite"),
        "word": (np.array([["a"] * 20] * 20), "numbers"),
    }.values():
        np.save(tmp_path / "x.npy", values)
        with pytest.raises(DataError, match=words):
            read(tmp_path / "x.npy")
    for name in ("x.txt", "missing.fits"):
        with pytest.raises(DataError):
            read(tmp_path / name)
    with pytest.raises(RunError):
        upscale(tmp_path, lens())
    for values in (lens().tolist(), torch.from_numpy(lens())):
        with pytest.raises(DataError, match=r"not (list|Tensor); np\.asarray"):
            upscale(run, values)


def test_photon_noise_is_that_of_the_electrons(run, tmp_path):
    """A rate in electrons with its exposure: photons are those of what the camera should have seen."""
    image, seconds = lens(), 900.0
    top = fits.Header({"BUNIT": "ELECTRONS/S", "EXPTIME": seconds})
    fits.PrimaryHDU(image, top).writeto(tmp_path / "rate.fits")
    plain, rate = upscale(run, image)[0], upscale(run, tmp_path / "rate.fits")[0]
    faint = plain.facts["noise"]
    seen = plain.residual * faint + image - plain.facts["sky"]
    expected = np.sqrt(faint**2 + np.maximum(seen, 0) / seconds)
    assert rate.residual == pytest.approx(plain.residual * faint / expected, rel=1e-3, abs=1e-4)
    assert rate.facts["chi2"] < plain.facts["chi2"]


def test_an_exposure_of_nothing_counts_no_photons():
    image = Image("sky", lens(), electrons=np.zeros(lens().shape))
    assert checked(image, "a file").electrons is None and "photons were not counted" in image.notes[-1]


def test_the_truth_has_a_chi_squared_of_one():
    """Few counts, drizzled: with photons counted in the noisy data, or as if none were shared, it comes out below."""
    rng, electrons, light = np.random.default_rng(0), 4.0, 2.0
    y, x = np.mgrid[:200, :200] - 100.0
    truth = light * np.exp(-0.5 * (x * x + y * y) / 30**2)
    taps = np.array([0.1, 0.8, 0.1])
    counts = rng.poisson(truth * electrons) / electrons - truth + rng.normal(0, 0.6, truth.shape)
    data = truth + convolve1d(convolve1d(counts, taps, 0), taps, 1)
    image = Image("sky", data, electrons=electrons)
    faint = sky_of(image)[1]
    found = [
        float(np.mean(((data - truth) / image.noise(0.0, faint, *words)) ** 2))
        for words in ((truth, shared_of(image)), (None, shared_of(image)), (truth, 1.0))
    ]
    assert found[0] == pytest.approx(1, abs=0.03) and max(found[1:]) < 0.95


def test_a_file_that_cannot_be_read_leaves_the_others(run, tmp_path, monkeypatch, capsys):
    np.save(tmp_path / "good.npy", lens())
    (tmp_path / "bad.fits").write_bytes(b"SIMPLE")
    words = ["upscale", str(run), str(tmp_path / "bad.fits"), str(tmp_path / "good.npy"), "-o", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as left:
        command.main()
    told = capsys.readouterr().err
    assert left.value.code == 2 and "left out" in told and "1 of 2 files" in told
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["good_sr.fits", "good_sr.json"]


def test_a_network_that_is_needed_and_gone_is_named(diffusion, tmp_path):
    import shutil

    alone = tmp_path / diffusion.name
    shutil.copytree(diffusion, alone)
    config = (alone / "config.yaml").read_text()
    needed = next(path for path in diffusion.parent.iterdir() if path.name.startswith("rdn"))
    (alone / "config.yaml").write_text(config.replace(str(needed), str(tmp_path / "gone")))
    with pytest.raises(RunError, match=r"needs the run in .*gone, which is not there"):
        upscale(alone, lens())
