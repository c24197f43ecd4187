"""Real images as data, and a run on simulated ones that is fine-tuned on a few of them."""

import numpy as np
import pytest
import torch
from astropy.io import fits
from made import galaxies
from scipy.ndimage import convolve
from tiny import TINY, TINY_RDN

from lenssr.config.compose import compose, plain
from lenssr.errors import ConfigError, DataError
from lenssr.results.tables import collect as tables
from lenssr.results.write import collect, write
from lenssr.runs.build import build_data
from lenssr.runs.checkpoints import read
from lenssr.runs.folder import Run
from lenssr.runs.load import read_config
from lenssr.runs.stages import identify
from lenssr.train import train

SMALL = ["model=rdn", *TINY_RDN, "dataset.image_size=32", "loader.batch_size=2", "trainer.accelerator=cpu"]
STEPS = ["trainer.max_steps=4", "trainer.validations=2"]


def overrides(root, outputs, *more):
    return [
        "experiment=few_shot", "dataset=real_pairs", f"dataset.source.root={root}", "dataset.source.pixel_scale=0.05",
        *SMALL, *STEPS, outputs, *more,
    ]  # fmt: skip


def data(*words):
    return build_data(plain(compose([*words, "finetune=null"])))


def straight(seen, image):
    """Return the largest distance of a stored image from its file, up to a gain and a level, and both."""
    gain, level = np.polyfit(image.ravel(), seen.ravel(), 1)
    return np.abs(seen - gain * image - level).max(), gain, level


def test_a_made_lr_image_is_the_blurred_and_binned_one(tmp_path, outputs):
    """Compared with scipy's direct convolution and a sum over blocks, for every image and split."""
    images = galaxies(tmp_path / "g")
    kernel = np.random.default_rng(1).random((5, 5))
    np.save(tmp_path / "psf.npy", kernel)
    words = overrides(tmp_path / "g", outputs, f"dataset.source.psf={tmp_path / 'psf.npy'}", "dataset.shots=4")
    made = data(*words, "dataset.observation.lr_rms=0")
    lows = [convolve(i, kernel / kernel.sum(), mode="nearest").reshape(20, 2, 20, 2).sum((1, 3)) / 4 for i in images]
    seen = 0
    for split in ("train", "validation", "test"):
        for batch in made.evaluation(split, torch.device("cpu")):
            for hr, lr in zip(batch["hr"][:, 0].numpy(), batch["lr"][:, 0].numpy(), strict=True):
                found = [straight(hr * made.unit, image[4:36, 4:36]) for image in images]
                k = min(range(10), key=lambda k: found[k][0])
                off, gain, level = found[k]
                assert off < 1e-5
                assert lr * made.unit == pytest.approx(gain * lows[k][2:18, 2:18] + level, abs=2e-5)
                seen += 1
    assert seen == 4 + 1 + 4


def test_images_of_different_exposures_come_to_one_noise(tmp_path, outputs):
    """A pedestal and a longer exposure change nothing that a network sees."""
    rng = np.random.default_rng(0)
    (tmp_path / "g").mkdir()
    y, x = np.mgrid[:80, :80] - 40
    for k in range(4):
        image = np.exp(-np.hypot(x, y) / 3) + 0.01 * rng.normal(size=x.shape)
        np.save(tmp_path / "g" / f"{k}.npy", 10.0**k * image + 7 * k)
    made = data(*overrides(tmp_path / "g", outputs, "dataset.shots=1"))
    batches = [b for s in ("train", "validation", "test") for b in made.evaluation(s, torch.device("cpu"))]
    corners = torch.cat([b["lr"][:, 0, :4, :4].flatten(1) for b in batches])
    assert corners.mean(1).numpy() == pytest.approx(0, abs=0.06)
    assert corners.std(1).numpy() == pytest.approx(0.045, rel=0.5)
    assert made.facts()["lr_noise"] == pytest.approx(0.045, rel=1e-3)


def test_noise_has_the_rms_that_is_told_and_is_another_every_epoch(tmp_path, outputs):
    galaxies(tmp_path / "g")
    words = overrides(tmp_path / "g", outputs, "dataset.shots=4")
    still, told = data(*words, "dataset.observation.lr_rms=0"), data(*words, "dataset.observation.lr_rms=0.2")
    batches = [made.evaluation("test", torch.device("cpu")) for made in (still, told)]
    differ = torch.cat([b["lr"] - a["lr"] for a, b in zip(*batches, strict=True)]) * told.unit
    assert float(differ.std()) == pytest.approx(0.2 / 4, rel=0.1)  # flux per HR pixel, of which an LR pixel has four
    loader = told.train_dataloader()
    assert not torch.equal(loader.batch(0)["lr"].sort()[0], loader.batch(2)["lr"].sort()[0])


@pytest.mark.parametrize(("rms", "said"), [(0.02, True), (0.2, False)])
def test_noise_that_cannot_be_as_little_as_asked_is_said(rms, said, tmp_path, outputs, capsys):
    """The galaxies have noise of 0.01 a pixel, hence 0.02 over four."""
    galaxies(tmp_path / "g", size=100)
    data(*overrides(tmp_path / "g", outputs, "dataset.shots=2"), f"dataset.observation.lr_rms={rms}").prepare()
    told = capsys.readouterr().err
    assert ("is too little" in told) is said
    if said:
        assert float(told.rpartition("gives them ")[2].split()[0]) == pytest.approx(0.02, rel=0.15)


def test_patches_of_lr_and_hr_show_the_same_sky(tmp_path, outputs):
    galaxies(tmp_path / "g")
    made = data(
        *overrides(tmp_path / "g", outputs, "loader.patch=16", "dataset.shots=4"), "dataset.observation.lr_rms=0"
    )
    batch = made.train_dataloader().batch(3)
    assert batch["lr"].shape[-1] == 8
    assert torch.nn.functional.avg_pool2d(batch["hr"], 2).numpy() == pytest.approx(batch["lr"].numpy(), abs=1e-6)


def test_pairs_are_taken_as_they_are(tmp_path, outputs):
    images = galaxies(tmp_path / "p" / "hr")
    rng = np.random.default_rng(2)
    (tmp_path / "p" / "lr").mkdir()
    lows = [i.reshape(20, 2, 20, 2).sum((1, 3)) + rng.normal(size=(20, 20)) for i in images]
    fits.HDUList([fits.PrimaryHDU(), *(fits.ImageHDU(low) for low in lows[:2])]).writeto(
        tmp_path / "p" / "lr" / "a.fits"
    )
    for k, low in enumerate(lows[2:]):
        np.save(tmp_path / "p" / "lr" / f"b{k}.npy", low)
    made = data(*overrides(tmp_path / "p", outputs, "dataset.shots=5"))
    got = torch.cat([b["lr"][:, 0] for s in ("train", "test") for b in made.evaluation(s, torch.device("cpu"))])
    for lr in got.numpy() * made.unit * 4:
        assert min(straight(lr, low[2:18, 2:18])[0] for low in lows) < 1e-4
    np.save(tmp_path / "p" / "lr" / "b0.npy", np.random.default_rng(3).normal(size=(19, 20)))
    with pytest.raises(DataError, match=r"dataset.scale=2"):
        data(*overrides(tmp_path / "p", outputs, "dataset.shots=5")).prepare()


def test_more_shots_hold_the_fewer_and_the_test_stays(tmp_path, outputs):
    galaxies(tmp_path / "g")

    def files(shots, draw=0):
        made = data(*overrides(tmp_path / "g", outputs, f"dataset.shots={shots}", f"dataset.draw={draw}"))
        return {split: list(images.parameters["file"]) for split, images in made.sets.items()}

    two, four, other = files(2), files(4), files(4, draw=1)
    assert two["test"] == four["test"] == other["test"] and two["validation"] == four["validation"]
    assert set(two["train"]) < set(four["train"]) and four["train"] != other["train"]
    assert not set(four["train"]) & {*four["test"], *four["validation"]}
    assert len({*four["train"], *four["test"], *four["validation"]}) == 9
    with pytest.raises(ConfigError, match="5 are left beside 4 for the test"):
        files(6)


def test_pixels_of_one_size_may_differ_a_little(tmp_path, outputs):
    import h5py

    def write(name, side):
        with h5py.File(tmp_path / name, "w") as file:
            file["image_data"] = np.random.default_rng(0).normal(size=(40, 40))
            file["transform_pix2angle"] = np.diag([-side, side])

    (tmp_path / "other.txt").write_text("not an image")
    for k in range(4):
        write(f"lens{k}.h5", 0.05 * (1 + 1e-4 * k))
    words = [w for w in overrides(tmp_path, outputs, "dataset.shots=1") if "pixel_scale" not in w]
    assert data(*words).sets["test"].pixel_scale == pytest.approx(0.05, rel=1e-3)
    write("lens4.h5", 0.06)
    with pytest.raises(ConfigError, match=r"of 0\.05 to 0\.06 arcsec"):
        data(*words).prepare()


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    return train(compose(["model=rdn", *TINY, *TINY_RDN, f"paths.outputs={folder}"])).folder


def test_fine_tuning_begins_where_the_run_ended(base, tmp_path, outputs):
    galaxies(tmp_path / "g")
    zero = train(compose(overrides(tmp_path / "g", outputs, f"finetune.run={base}", "dataset.shots=0")))
    tuned = train(compose(overrides(tmp_path / "g", outputs, f"finetune.run={base}", "dataset.shots=2")))
    weights = [read(folder / "checkpoints" / "best.ckpt")["state_dict"] for folder in (base, zero.folder, tuned.folder)]
    before, same, after = ([w[k] for k in sorted(w) if k.startswith("model.")] for w in weights)
    assert all(torch.equal(a, b) for a, b in zip(before, same, strict=True))
    moved = max(float((a - b).abs().max()) for a, b in zip(before, after, strict=True))
    assert 0 < moved < 0.05  # four steps of Adam: it began there
    assert zero.metrics["images"] == tuned.metrics["images"] == 4
    assert zero.metrics["unit"] == tuned.metrics["unit"]  # shots change nothing in how images are scaled


def test_the_run_it_began_with_is_part_of_its_identity(base, tmp_path, outputs):
    galaxies(tmp_path / "g")

    def run(*words):
        config = plain(compose(overrides(tmp_path / "g", outputs, "dataset.shots=2", *words)))
        return Run(config, identify(config))

    import shutil

    other = tmp_path / "elsewhere"
    shutil.copytree(base, other)
    named, moved = run(f"finetune.run={base}"), run(f"finetune.run={other}")
    assert named.hash == moved.hash  # the run counts, not its place
    assert named.stages["finetune"] != run().stages["finetune"]  # another: the one that would be trained first
    assert len({named.hash, run().hash, run("finetune=null").hash}) == 3
    with pytest.raises(ConfigError, match=r"model\.name=rdn"):
        run(f"finetune.run={base}", "model.name=another")


def test_a_run_without_few_shots_keeps_the_identity_it_had():
    assert "finetune" not in plain(compose(["model=rdn"]))


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["dataset.shots=0", "finetune=null"], "finetune.run"),
        (["dataset.source.root=/nowhere/at/all"], "does not exist"),
        (["dataset.source.psf=/nowhere.fits"], "no file"),
        (["dataset.source.pixel_scale=null"], "pixel_scale"),
        (["dataset.observation.lr_rms=-1"], "lr_rms"),
        (["dataset.image_size=60", "loader.patch=32"], "shots"),
    ],
)
def test_mistakes_are_named(words, match, base, tmp_path, outputs, cli):
    galaxies(tmp_path / "g")
    code, _, err = cli(*overrides(tmp_path / "g", outputs, f"finetune.run={base}", "dataset.shots=2", *words))
    assert code == 2 and match in err and "Traceback" not in err


def test_the_table_draws_its_curve_and_says_what_is_missing(base, tmp_path, outputs, monkeypatch):
    galaxies(tmp_path / "g")
    known, rows = tables._definition, ("finetuned_0", "finetuned_1", "finetuned_16")

    def shorter(name):
        made = known(name)
        some = {key: made["rows"][key] for key in rows} if name == "few_shot" else made["rows"]
        return {**made, "rows": some, "seeds": {"quick": 2}}

    monkeypatch.setattr(tables, "_definition", shorter)
    words = [w for w in overrides(tmp_path / "g", outputs, f"finetune.run={base}") if w not in STEPS]
    words = [w for w in words if not w.startswith(("experiment=", "dataset=", "model=rdn"))] + STEPS
    for row in (["dataset.shots=0", "dataset.draw=0"], ["dataset.shots=1"]):
        for seed in (0, 1):
            made = ["experiment=few_shot", "dataset=real_pairs", "model=rdn", "loss=mse", *words, *row, f"seed={seed}"]
            train(compose(made))
    write(collect(["few_shot"], words), tmp_path / "t")
    assert [path.name for path in (tmp_path / "t").glob("*.png")] == ["few_shot_curve.png"]
    table = tables.build("few_shot", words)
    assert [len(row.results) for row in table.rows] == [2, 2, 0]
    assert any("dataset.shots=16" in command for command in table.missing)
    assert "few_shot" not in tables.available() and "few_shot" in tables.available(words)
    assert str(tmp_path / "g") not in (tmp_path / "t" / "few_shot_provenance.json").read_text()


def test_a_stored_run_of_a_catalogue_that_changed_is_not_handed_out(base, tmp_path, outputs):
    galaxies(tmp_path / "g")
    words = overrides(tmp_path / "g", outputs, f"finetune.run={base}", "dataset.shots=0")
    folder = train(compose(words)).folder
    assert read_config(folder)["finetune"]["run"] == str(base)
    np.save(tmp_path / "g" / "b0.npy", np.random.default_rng(5).normal(size=(40, 40)))
    with pytest.raises(Exception, match="no longer those"):
        train(compose(words))


def test_a_fine_tuned_run_knows_its_instrument(base, tmp_path, outputs):
    """An image with the noise that was trained on comes in as it was seen, and goes back through the PSF."""
    from lenssr.inference import upscale

    galaxies(tmp_path / "g")
    words = overrides(tmp_path / "g", outputs, f"finetune.run={base}", "dataset.shots=0", "dataset.source.psf=0.15")
    run = train(compose([*words, "dataset.observation.lr_rms=0.08"])).folder
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:64, :64] - 32.0
    image = (np.exp(-np.hypot(x, y) / 3) + 0.08 * rng.normal(size=x.shape)).astype(np.float32)
    product = upscale(run, image)[0]
    unit = train(compose(words)).metrics["unit"]
    assert product.facts["gain"] == pytest.approx(1 / (4 * unit), rel=0.25)  # networks see flux per HR pixel
    line = np.exp(-0.5 * (np.arange(-6, 7) / (0.15 / 2.3548 / 0.05)) ** 2)
    back = convolve(product.sr.astype(float), np.outer(line, line) / line.sum() ** 2, mode="nearest")
    binned = back.reshape(64, 2, 64, 2).sum((1, 3))
    assert (binned - image) / product.facts["noise"] == pytest.approx(product.residual, abs=0.02)


def test_planes_that_are_no_images_are_none_and_a_files_images_stay_together(tmp_path, outputs):
    """Files as JWST's: SCI is an image, its variances and maps are not; a dot file is none."""
    rng = np.random.default_rng(0)
    (tmp_path / "j").mkdir()
    (tmp_path / "j" / "._j0_i2d.fits").write_bytes(b"\0\5\26\7")
    for k in range(6):
        planes = {"SCI": rng.normal(0, 1, (40, 40)), "ERR": np.ones((40, 40)), "CON": np.ones((40, 40))}
        planes |= {"VAR_POISSON": rng.uniform(1, 2, (40, 40)), "WHT": rng.uniform(1, 2, (40, 40))}
        hdus = [fits.ImageHDU(plane.astype("f4"), name=name) for name, plane in planes.items()]
        fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "j" / f"j{k}_i2d.fits")
    sets = data(*overrides(tmp_path / "j", outputs, "dataset.shots=2", "dataset.source.test=0.3")).sets
    names = [name for images in sets.values() for name in images.parameters["file"]]
    assert len(set(names)) == len(names) == 2 + 1 + 2 and all(name.endswith("_SCI") for name in names)

    (tmp_path / "b").mkdir()
    for k in range(8):  # two bands of an object in a file
        bands = [fits.ImageHDU(rng.normal(0, 1, (40, 40)).astype("f4"), name=name) for name in ("G_FLUX", "R_FLUX")]
        fits.HDUList([fits.PrimaryHDU(), *bands]).writeto(tmp_path / "b" / f"o{k}.fits")
    sets = data(*overrides(tmp_path / "b", outputs, "dataset.shots=8", "dataset.source.test=0.3")).sets
    seen = {split: {name[:2] for name in images.parameters["file"]} for split, images in sets.items()}
    assert all(seen.values()) and sum(map(len, seen.values())) == len(set.union(*seen.values()))
