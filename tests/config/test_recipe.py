"""A debug run, or one of other steps or images than its recipe, says so in its folder's name; its hash stays."""

import pytest

from lenssr.config.compose import compose, plain
from lenssr.config.groups import CONFIGS
from lenssr.config.recipe import off_recipe
from lenssr.runs.folder import Run
from lenssr.runs.stages import identify
from lenssr.system.files import write_json


def run(*overrides):
    config = plain(compose(list(overrides)))
    return Run(config, identify(config))


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ([], "rdn-mse-model1-"),
        (["scale=report"], "rdn-mse-model1-"),
        (["model=bilinear", "trainer.max_steps=7", "trainer.validations=1"], "bilinear-model1-"),
        (["debug=default"], "rdn-mse-model1-debug-"),
        (["trainer.max_steps=60"], "rdn-mse-model1-60steps-"),
        (["scale.dataset.train=90"], "rdn-mse-model1-90images-"),
        (["dataset.source.splits.train=90", "trainer.max_steps=60"], "rdn-mse-model1-60steps-90images-"),
        (["dataset=folder", "dataset.source.root=/x", "scale.dataset.train=90"], "rdn-mse-folder-90images-"),
    ],
)
def test_the_folder_tells(words, name):
    found = run(*words)
    assert found.folder.name == name + found.hash[:8]


def test_every_recipe_is_its_own():
    for folder in ("model", "sweep", "dataset"):
        for path in sorted((CONFIGS / folder).glob("*.yaml")):
            files = ["dataset.source.root=/x"]
            more = {"folder": files, "deeplense_pairs": files, "spandrel": ["model.arch=DAT"]}.get(path.stem, [])
            if path.stem != "real_pairs":
                assert off_recipe(plain(compose([f"{folder}={path.stem}", *more]))) == [], path


def test_a_folder_named_as_before_is_still_the_runs_own(tmp_path):
    words = ["trainer.max_steps=60", f"paths.outputs={tmp_path}"]
    new = run(*words)
    before = new.folder.with_name(f"rdn-mse-model1-{new.hash[:8]}")
    write_json(before / "status.json", {"state": "done", "hash": new.hash})
    write_json(before / "metrics.json", {"unit": 1.0})
    assert run(*words).folder == before and run(*words).result()
