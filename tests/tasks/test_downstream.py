"""Networks that tell labels: what they see, what they learn, what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import TINY_EIGEN as EIGEN
from tiny import TINY_LABELS as TINY
from tiny import TINY_RDN_STAGE as STAGE

from lenssr.config.compose import compose, plain
from lenssr.data.batches import TrainingBatches
from lenssr.data.labelled import labels_of
from lenssr.data.sets.store import ImageSet
from lenssr.errors import ConfigError
from lenssr.evaluate import evaluate
from lenssr.metrics.labels import evaluate_classes, evaluate_regression
from lenssr.runs.build import build_data, build_model, build_task
from lenssr.runs.load import load_run, load_task, read_config
from lenssr.train import train


def run(*overrides):
    return train(compose(["model=resnet18", *TINY, *STAGE, *overrides]))


def test_resnet18_has_the_published_size():
    """torchvision's ResNet-18 has 11,689,512 parameters, with three channels in and 1,000 classes out."""
    model = build_model(plain(compose(["model=resnet18", "model.width=64"])))
    channels, classes = 64 * 49 * (3 - 1), 513 * (1000 - 1)
    assert sum(p.numel() for p in model.parameters()) == 11_689_512 - channels - classes


@pytest.fixture(scope="module")
def hr_run(tmp_path_factory, whole_pictures):
    return train(compose(["model=resnet18", *TINY, *STAGE, f"paths.outputs={tmp_path_factory.mktemp('hr')}"]))


def test_a_run_tells_the_mass_in_dex(hr_run):
    scores = hr_run.metrics["scores"]
    frame = pd.read_parquet(hr_run.folder / "per_image.parquet")
    error = frame["prediction/log10_axion_mass/value"] - frame["log10_axion_mass"]
    assert scores["prediction"]["log10_axion_mass/mse"]["mean"] == pytest.approx((error**2).mean(), rel=1e-5)
    assert set(frame["class"]) == {"axion"} and frame["log10_axion_mass"].between(-24, -22).all()
    assert scores["mean"]["log10_axion_mass/mse"]["mean"] > 0
    assert (hr_run.folder / "figures" / "labels.png").stat().st_size > 10_000
    model = load_run(hr_run.folder)
    assert (
        -26 < float(model(torch.rand(1, 1, 48, 48))[0].detach()) < -20
    )  # physical units come out of the network itself


def test_each_input_is_what_it_says(tmp_path):
    """The stored inputs against the pairs that super-resolution sees, image by image."""
    common = ["model=resnet18", *TINY, *STAGE, f"paths.outputs={tmp_path}"]
    seen = {}
    for kind in ("hr", "truth", "interpolated"):
        data = build_data(plain(compose([*common, f"dataset.inputs={kind}"])))
        batch = next(iter(data.evaluation("test")))
        seen[kind] = batch["input"]
        pair = next(iter(data.pairs("test")))
        expected = (
            torch.nn.functional.interpolate(pair["lr"], scale_factor=2, mode="bilinear")
            if kind == "interpolated"
            else pair[kind]
        )
        assert torch.allclose(batch["input"], expected, atol=1e-6), kind
        assert batch["label"][:, 0].tolist() == pytest.approx(
            data.sets["test"].parameters["log10_axion_mass"].tolist(), rel=1e-6
        )
    assert not torch.allclose(seen["hr"], seen["truth"], atol=1e-3)


def test_super_resolved_images_are_those_of_the_stage_and_made_once(tmp_path, capfd):
    result = run("dataset.inputs=super_resolved", f"paths.outputs={tmp_path}")
    assert "training it first" in capfd.readouterr().err
    (stage,) = tmp_path.glob("runs/rdn-mse-*")
    model = load_run(stage)
    config = plain(compose(["model=resnet18", *TINY, "dataset.inputs=super_resolved", f"paths.outputs={tmp_path}"]))
    config["task"]["upscaler"]["run"] = str(stage)
    data = build_data(config)
    pair, batch = next(iter(data.pairs("test"))), next(iter(data.evaluation("test")))
    unit = data.sets["train"].unit
    with torch.no_grad():
        expected = model(pair["lr"] * unit / model.unit) * model.unit / unit
    assert torch.allclose(batch["input"], expected, atol=1e-5)
    made = {p: p.stat().st_mtime_ns for p in tmp_path.glob("datasets/*-super_resolved-*")}
    second = run("dataset.inputs=super_resolved", f"paths.outputs={tmp_path}", "seed=1")
    assert second.hash != result.hash and len(made) == 1
    assert made == {p: p.stat().st_mtime_ns for p in tmp_path.glob("datasets/*-super_resolved-*")}


def test_the_upscaler_learns_the_same_kind_of_set_under_another_sky(outputs):
    from lenssr.runs.stages import stage_config

    more = ["dataset=model2", "dataset.inputs=super_resolved", "dataset.observation.lr_background_rms=0.02"]
    config = plain(compose(["model=resnet18", *TINY, *STAGE, outputs, *more]))
    stage = plain(stage_config(config, config["task"]["upscaler"]))["dataset"]
    assert stage["name"] == "model2" and stage["observation"]["lr_background_rms"] == 0.02
    assert stage["source"]["classes"] == ["no_sub", "axion", "cdm"] and stage["source"]["splits"]["train"] == 9
    assert (stage["source"]["seed"], config["dataset"]["source"]["seed"]) == (0, 1)
    assert stage["observation"]["seed"] == 0


def test_upscalers_without_weights_are_told_apart(tmp_path):
    """Bilinear and bicubic interpolation differ in no weight, and their images in every pixel."""
    found = []
    for name in ("bilinear", "bicubic"):
        more = ["dataset.inputs=super_resolved", f"task.upscaler.overrides.model={name}", f"paths.outputs={tmp_path}"]
        train(compose(["model=resnet18", *TINY, "stages.overrides=['loader.patch=48']", *more]))
    found = list(tmp_path.glob("datasets/*-super_resolved-*"))
    assert len(found) == 2


def test_the_stage_counts_only_where_it_is_needed(outputs):
    from lenssr.config.identity import identity
    from lenssr.runs.stages import identify

    def digest(*overrides):
        config = plain(compose(["model=resnet18", *TINY, *STAGE, outputs, *overrides]))
        return identity(config, identify(config))

    other = "task.upscaler.overrides.seed=1"
    assert digest() == digest(other)
    assert digest("dataset.inputs=super_resolved") != digest("dataset.inputs=super_resolved", other)


def test_a_network_trained_on_hr_is_tested_on_other_images(hr_run):
    """Transfer: no training, the unit of the training set kept."""
    found = {kind: evaluate(hr_run.folder, [f"dataset.inputs={kind}"]) for kind in ("hr", "interpolated")}
    key = "log10_axion_mass/mse"
    means = {kind: result.metrics["scores"]["prediction"][key]["mean"] for kind, result in found.items()}
    assert means["hr"] == pytest.approx(hr_run.metrics["scores"]["prediction"][key]["mean"], rel=1e-6)
    assert means["interpolated"] != means["hr"]


def test_several_targets_and_their_uncertainty(tmp_path):
    targets = "task.targets=[log10_axion_mass,source_x,source_y]"
    result = run(targets, "model.outputs=3", "model.predict_variance=true", f"paths.outputs={tmp_path}")
    scores = result.metrics["scores"]["prediction"]
    for name in ("log10_axion_mass", "source_x", "source_y"):
        assert 0 <= scores[f"{name}/within68"]["mean"] <= scores[f"{name}/within95"]["mean"] <= 1
    assert scores["source_x/mae"]["mean"] < 0.7  # arcsec, not standard deviations of something


def test_classes_are_told(tmp_path):
    result = train(compose(["model=resnet18_classifier", *TINY, f"paths.outputs={tmp_path}"]))
    scores = result.metrics["scores"]
    assert {"class/accuracy", "class/auc_no_sub", "class/auc_axion", "class/auc_cdm"} <= set(scores["prediction"])
    assert scores["chance"]["class/accuracy"]["mean"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("name", ["resnet18", "resnet18_classifier"])
def test_interrupted_and_resumed_gives_the_same_weights(name, tmp_path, monkeypatch):
    from helpers import assert_same, interrupted, weights

    overrides = [f"model={name}", *TINY, "trainer.max_steps=6", "trainer.validations=3"]
    whole = train(compose([*overrides, f"paths.outputs={tmp_path / 'whole'}"]))
    interrupted(monkeypatch, 3, *overrides, f"paths.outputs={tmp_path / 'cut'}")
    resumed = train(compose([*overrides, f"paths.outputs={tmp_path / 'cut'}"]))
    assert_same(weights(whole.folder), weights(resumed.folder))
    assert whole.metrics["scores"] == resumed.metrics["scores"]


REFUSED = {
    "dataset.source.classes=[no_sub,cdm]": ("no log10_axion_mass for any image", "theta_E"),
    "dataset.source.classes=[no_sub,axion]": ("6 of 12 images have no log10_axion_mass", "task.data.classes=[axion]"),
    "task.targets=[theta_E]": ("theta_E is 1.28", "physics=corrected"),
    "task.targets=[theta_X]": ("no theta_X", "theta_E"),
    "task.targets=[source_x,source_y]": ("model.outputs=1", "2"),
    "task.targets=[source_x] loader.flips=true": ("source_x would have to turn with them", "leave them off"),
    "dataset.inputs=sr": ("dataset.inputs=sr", "'super_resolved'"),
    "dataset.normalization=per_image_minmax": ("per_image_minmax", "dataset.normalization=constant"),
    "dataset.inputs=super_resolved task.upscaler.run=nowhere": ("task.upscaler.run=nowhere", "finished run"),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_bad_input_is_refused_before_anything_is_trained(mistake, cli, tmp_path):
    code, _, err = cli("model=resnet18", *TINY, *STAGE, f"paths.outputs={tmp_path}", *mistake.split())
    assert code == 2 and all(word in err for word in REFUSED[mistake]), err
    assert "Traceback" not in err and not list(tmp_path.glob("runs/*/checkpoints"))


def test_a_stage_of_another_scale_is_refused(tmp_path, cli):
    small = [override for override in TINY if "width" not in override]
    other = train(compose(["model=bicubic", "dataset.scale=4", "loader.patch=48", *small, f"paths.outputs={tmp_path}"]))
    code, _, err = cli("model=resnet18", *TINY, f"paths.outputs={tmp_path}", "dataset.inputs=super_resolved",
                       f"task.upscaler.run={other.folder}")  # fmt: skip
    assert code == 2 and "dataset.scale" in err and "Traceback" not in err
    assert not list(tmp_path.glob("runs/resnet18-*/checkpoints"))


def batches(right, size=10):
    for first in range(0, len(right), size):
        index = torch.arange(first, min(first + size, len(right)))
        yield {"index": index, "label": right[index].view(len(index), -1)}


def test_scores_of_a_known_gaussian():
    """Told numbers with a known error: MSE, R² and the coverage of the intervals follow."""
    rng = np.random.default_rng(0)
    right = torch.from_numpy(rng.uniform(-24, -22, (4000, 1)).astype(np.float32))
    told = right + 0.3 * torch.from_numpy(rng.normal(size=(4000, 1)).astype(np.float32))
    found = evaluate_regression(
        lambda batch: (told[batch["index"]], torch.full((len(batch["index"]), 1), 0.3)),
        batches(right), 4000, torch.tensor([-23.0]), ["m"],
    ).summary()  # fmt: skip
    scores = {key: value["mean"] for key, value in found["prediction"].items()}
    assert scores["m/mse"] == pytest.approx(0.09, rel=0.06)
    assert scores["m/within68"] == pytest.approx(0.683, abs=0.03)
    assert scores["m/within95"] == pytest.approx(0.95, abs=0.015)
    assert scores["m/r2"] == pytest.approx(1 - 0.09 / (4 / 12), abs=0.03)
    # what the report's target scores when the mean is told: 4/12 and 1/2 dex
    assert found["mean"]["m/mse"]["mean"] == pytest.approx(1 / 3, rel=0.05)
    assert found["mean"]["m/mae"]["mean"] == pytest.approx(1 / 2, rel=0.05)


def test_areas_under_roc_curves_count_ordered_pairs():
    rng = np.random.default_rng(1)
    told = torch.from_numpy(rng.dirichlet([1, 1, 1], 60))
    right = torch.from_numpy(rng.integers(0, 3, 60).astype(np.float32))
    found = evaluate_classes(lambda b: told[b["index"]], batches(right), 60, ["a", "b", "c"]).summary()["prediction"]
    for i, name in enumerate("abc"):
        yes, no = told[right == i, i], told[right != i, i]
        assert found[f"class/auc_{name}"]["mean"] == pytest.approx(float((yes[:, None] > no).double().mean()), abs=1e-6)
    assert found["class/accuracy"]["mean"] == pytest.approx(float((told.argmax(1) == right).double().mean()))


def test_labels_of_classes_are_their_place():
    frame = pd.DataFrame({"class": ["cdm", "no_sub", "axion"], "index": range(3)})
    images = ImageSet(np.zeros((3, 1, 1)), frame, 0.05, 1.0, True, "", Path())
    assert labels_of(images, ["class"], ["no_sub", "axion", "cdm"])[:, 0].tolist() == [2, 0, 1]


def test_metrics_are_json(hr_run):
    json.dumps(json.loads((hr_run.folder / "metrics.json").read_text()), allow_nan=False)


@pytest.mark.parametrize("kind", ["hr", "interpolated", "truth"])
def test_exposed_images_are_those_of_the_pairs_with_new_noise_each_epoch(tmp_path, kind):
    """Against the pairs of the same steps, both exposures made; the noise-free ones against an average of many."""
    words = ["task.fresh=noise", f"dataset.inputs={kind}", "loader.flips=true", f"paths.outputs={tmp_path}"]
    data = build_data(plain(compose(["model=eigen_mlp", *EIGEN, *words])))
    exposed = data.train_dataloader()
    assert exposed.fresh_noise and not exposed.flips
    pairs = TrainingBatches(
        data._pair_reader("train", torch.device("cpu"), data.unit), 40, 12, 48, 2, 0, True, False, False
    )
    whole = TrainingBatches(exposed.reader, 40, 12, 48, 2, 0, True, False, False)
    seen = []
    for epoch in range(40):
        pair, one = pairs.batch(epoch), whole.batch(epoch)
        wanted = (
            torch.nn.functional.interpolate(pair["lr"], size=48, mode="bilinear")
            if kind == "interpolated"
            else pair[kind]
        )
        assert torch.allclose(one["input"], wanted, atol=1e-6)
        assert torch.equal(one["label"], data.label("train")[one["index"]])  # hints included
        seen.append(one["input"][one["index"].argsort()])
    expected, noise = data.looked_at(12)
    if kind == "truth":
        assert torch.allclose(seen[0], seen[1]) and noise == 0
        return
    assert not torch.allclose(seen[0], seen[1], atol=1e-3)
    seen = torch.stack(seen)
    away = (seen.mean(0) - expected).square().mean().sqrt()
    assert float(away) == pytest.approx(noise / 40**0.5, rel=0.3)


def test_a_perceptron_on_eigen_images_learns_and_is_loaded(tmp_path):
    found = train(compose(["model=eigen_mlp", *EIGEN, f"paths.outputs={tmp_path}"]))
    told = found.metrics["scores"]["prediction"]
    assert 0 <= told["log10_axion_mass/within68"]["mean"] <= 1
    assert not list(tmp_path.glob("datasets/*-hr-*/train"))  # its noise is made at every step
    model = load_run(found.folder)
    assert model.basis.abs().sum() > 0 and -26 < float(model(torch.rand(1, 1, 48, 48))[0].detach()) < -20


def test_upscaled_images_are_not_made_at_every_step(tmp_path):
    with pytest.raises(ConfigError, match="use hr or interpolated, or model=resnet18"):
        build_data(plain(compose(["model=eigen_mlp", *EIGEN, "dataset.inputs=super_resolved"])))


def test_a_part_of_an_image_has_no_eigen_images(tmp_path):
    with pytest.raises(ConfigError, match="whole images of 48 px"):
        train(compose(["model=eigen_mlp", *EIGEN, "loader.patch=32", f"paths.outputs={tmp_path}"]))


def test_images_without_end_are_those_of_the_sky_each_once(tmp_path):
    words = ["model=eigen_mlp", *EIGEN, "loader.batch_size=6", f"paths.outputs={tmp_path}"]
    data, other = (build_data(plain(compose([*words, f"seed={seed}"]))) for seed in (0, 1))
    batches = data.train_dataloader()
    # the first of a set are drawn again
    table, images = data.source.draw("train", 0, 12, torch.device("cpu"))
    train = data.sets["train"]
    assert torch.allclose(images, torch.from_numpy(train.images[:].copy()), atol=1e-5)
    assert table["log10_axion_mass"].tolist() == train.parameters["log10_axion_mass"].tolist()
    # and each step has others, of each seed its own
    one, next_one, foreign = batches.batch(0), batches.batch(1), other.train_dataloader().batch(0)
    masses = torch.cat([one["label"], next_one["label"], foreign["label"], data.label("train")]).flatten()
    assert len(masses.unique()) == len(masses)
    assert torch.equal(batches.batch(0)["input"], one["input"])
    # noise of the size that the camera has, about what it should see
    first = (1 << 32, 6, torch.device("cpu"))
    clean, times = data.source.draw("train", *first)[1], data.source.draw("train", *first)[0]["exposure_time"]
    time = torch.tensor(times.to_numpy(np.float32)).view(-1, 1, 1)
    mean, variance = data.observation.hr.moments(clean, time)
    pull = (one["input"][:, 0] * data.unit - mean) / variance.sqrt()
    assert abs(float(pull.mean())) < 0.03 and float(pull.std()) == pytest.approx(1, abs=0.03)
    # two devices share a batch
    halves = [replace(batches, rank=rank, world_size=2).batch(1) for rank in (0, 1)]
    assert torch.equal(torch.cat([half["input"] for half in halves]), next_one["input"])


def test_a_set_that_is_not_simulated_has_an_end(tmp_path):
    words = ["model=eigen_mlp", *EIGEN, "dataset=survey", "task.data.classes=[no_sub]", "task.targets=[theta_E]"]
    with pytest.raises(ConfigError, match="without end of simulated sets alone"):
        build_data(plain(compose([*words, f"paths.outputs={tmp_path}"]))).train_dataloader()
    with pytest.raises(ConfigError, match=r"task\.fresh=new"):
        build_data(plain(compose(["model=eigen_mlp", *EIGEN, "task.fresh=new"])))


def test_hints_are_learnt_beside_the_target_and_not_asked_for(tmp_path):
    words = [*(word for word in EIGEN if "steps" not in word), "trainer.max_steps=160", "loader.batch_size=32"]
    words += ["model.width=32", "model.components=12", "scale.eigen.images={train: 64, validation: 8, test: 32}"]
    found = train(compose(["model=eigen_mlp", *words, "optimizer.lr=0.005", f"paths.outputs={tmp_path}"]))
    assert not [name for name in found.metrics["scores"]["prediction"] if "source" in name or "angle" in name]
    task = load_task(found.folder)
    data = build_data(read_config(found.folder))
    batch = next(iter(data.evaluation("test")))
    assert batch["label"].shape[1] == 4 and task.predict(batch).shape[1] == 1
    wanted = task.model.hinted(task._hinted(batch["label"]))
    parameters = data.sets["test"].parameters.iloc[: len(wanted)]
    raw = wanted * task.model.hint_std + task.model.hint_mean
    assert torch.allclose(
        raw[:, 2], torch.tensor(np.cos(2 * parameters["vortex_angle"].to_numpy(np.float32))), atol=1e-5
    )
    error = (task.model.with_hints(batch["input"])[1] - wanted).square().mean(0)
    assert (error[:2] < 0.5).all()  # where the source is; 1 is the mean, always


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["task.hints.source_x=length"], "task.hints.source_x=length is unknown"),
        (["model.hints=3"], r"model\.hints=3 where task\.hints are 4 numbers"),
    ],
)
def test_hints_that_fit_nothing_are_refused(words, cause):
    with pytest.raises(ConfigError, match=cause):
        build_task(plain(compose(["model=eigen_mlp", *EIGEN, *words])))
