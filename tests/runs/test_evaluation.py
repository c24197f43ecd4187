"""A finished run scored again: same numbers where nothing changed, other ones where something did."""

import json
import sys

import pandas as pd
import pytest
import torch
import yaml
from tiny import TINY_RDN

from lenssr.config.compose import compose
from lenssr.errors import ConfigError, RunError
from lenssr.evaluate import evaluate, main
from lenssr.train import train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    from tiny import TINY

    outputs = tmp_path_factory.mktemp("evaluate")
    return train(compose(["model=rdn", *TINY_RDN, *TINY, f"paths.outputs={outputs}"]))


def test_nothing_changed_gives_the_runs_own_scores(run):
    again = evaluate(run.folder)
    assert again.metrics["scores"] == run.metrics["scores"]
    assert evaluate(run.folder).trained is False  # found the second time
    frame = pd.read_parquet(again.folder / "per_image.parquet")
    assert frame["prediction/truth/psnr"].tolist() == pytest.approx(
        pd.read_parquet(run.folder / "per_image.parquet")["prediction/truth/psnr"].tolist()
    )


def test_self_ensemble_needs_no_training_and_is_equivariant(run):
    found = evaluate(run.folder, ["task.self_ensemble=true"])
    assert found.folder.parent.parent == run.folder
    assert found.metrics["equivariance_error"] < 1e-5 < run.metrics["equivariance_error"]
    assert found.metrics["scores"]["prediction"] != run.metrics["scores"]["prediction"]
    assert found.metrics["scores"]["bilinear"] == run.metrics["scores"]["bilinear"]


def test_another_set_is_brought_to_the_scale_of_training(run):
    sizes = ["scale.dataset={train: 3, validation: 3, test: 6}", "dataset.image_size=48"]
    found = evaluate(run.folder, ["physics.source.amplitude=40", *sizes])
    assert found.metrics["unit"] == run.metrics["unit"] and found.metrics["images"] == 6
    config = (found.folder / "config.yaml").read_text()
    assert "amplitude: 40" in config and "blocks: 2" in config  # its own set, the run's model


def test_a_single_number_leaves_the_rest_of_the_set_as_it_was(run):
    """The run's images have 48 px where 150 are shipped; a set of another name has its own."""
    found = evaluate(run.folder, ["dataset.source.splits.test=2"])
    config = yaml.safe_load((found.folder / "config.yaml").read_text())
    assert found.metrics["images"] == 2 and config["dataset"]["image_size"] == 48
    assert config["dataset"]["source"]["image_size"] == 48 and config["dataset"]["source"]["splits"]["train"] == 9
    own = pd.read_parquet(run.folder / "per_image.parquet")["prediction/truth/psnr"].tolist()[:2]
    again = pd.read_parquet(found.folder / "per_image.parquet")["prediction/truth/psnr"].tolist()
    assert again == pytest.approx(own)
    changed = evaluate(run.folder, ["dataset.image_size=64", "dataset.source.splits.test=2"])
    config = yaml.safe_load((changed.folder / "config.yaml").read_text())
    assert config["dataset"]["source"]["image_size"] == 64 and config["dataset"]["source"]["splits"]["train"] == 9


def test_what_a_network_was_trained_to_see_stays(tmp_path):
    from tiny import TINY

    overrides = ["model=rdn", *TINY_RDN, *TINY, f"paths.outputs={tmp_path}", "dataset.target=truth"]
    trained = train(compose([*overrides, "dataset.normalization=per_image_minmax", "dataset.source.classes=[axion]"]))
    found = evaluate(trained.folder, ["physics=corrected", "scale.dataset={train: 3, validation: 3, test: 4}",
                                      "dataset.image_size=48"])  # fmt: skip
    config = (found.folder / "config.yaml").read_text()
    assert found.metrics["target"] == "truth" and "normalization: per_image_minmax" in config
    assert set(pd.read_parquet(found.folder / "per_image.parquet")["class"]) == {"axion"}


def test_another_split(run):
    assert evaluate(run.folder, split="validation").metrics["images"] == 3


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["optimizer.lr=1"], ("optimizer.lr=1", "nothing that a test depends on")),
        (["task.self_ensembel=true"], ("'task.self_ensemble'",)),
        (["dataset.scale=3", "dataset.image_size=48"], ("dataset.scale=2",)),
        (["dataset=folde"], ("'folder'",)),
    ],
)
def test_mistakes_are_named(run, overrides, words):
    before = set(run.folder.rglob("*"))
    with pytest.raises(ConfigError) as error:
        evaluate(run.folder, overrides)
    assert all(word in str(error.value) for word in words)
    assert set(run.folder.rglob("*")) == before


def test_the_command_line(run, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["evaluate.py", str(run.folder), "task.self_ensemble=true"])
    main()
    out = capsys.readouterr().out
    assert "PSNR" in out and "evaluations" in out
    monkeypatch.setattr(sys, "argv", ["evaluate.py", str(tmp_path)])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "not the folder of a finished run" in capsys.readouterr().err


def test_a_run_that_is_not_finished_is_refused(tmp_path):
    (tmp_path / "status.json").write_text(json.dumps({"state": "failed"}))
    with pytest.raises(RunError, match="finished run"):
        evaluate(tmp_path)


def test_batch_statistics_are_those_of_single_images():
    """Instance normalisation is batch norm over one image: the two must agree, and differ from running statistics."""
    from lenssr.config.compose import plain
    from lenssr.runs.build import build_task

    task = build_task(plain(compose(["model=rdn", *TINY_RDN, "task.batch_statistics=true"])))
    norm = torch.nn.BatchNorm2d(1)
    task.model = torch.nn.Sequential(torch.nn.Upsample(scale_factor=2), norm).eval()
    lr = torch.rand(3, 1, 5, 5) * torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1, 1)
    out = task.upscale(lr)
    expected = torch.nn.functional.instance_norm(torch.nn.Upsample(scale_factor=2)(lr))
    assert torch.allclose(out, expected, atol=1e-5)
    assert not norm.training
    assert not torch.allclose(task.predict({"lr": lr}), expected, atol=1e-2)
