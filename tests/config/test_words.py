"""Whatever a path or a text holds, it arrives where an override takes it."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from lenssr.config.compose import compose, plain
from lenssr.config.words import assigned, update, value_of
from lenssr.search.space import parse, words

# what names of files hold somewhere, and what Hydra, YAML and OmegaConf take for more than a letter
TEXTS = st.text(st.sampled_from("abé ,'\"()[]{}:=$\\#&*!|>%@`~+-/._?<;^0\t"), min_size=1, max_size=12)
HARD = ["été (2), 'l\"entille'", "a$b", "tail\\", "null", "1e3", "true", " x ", "a=b", "[x]", "{a: b}", "''"]


def composed(*overrides):
    return plain(compose(list(overrides)))


@settings(deadline=None, max_examples=150)
@given(TEXTS)
def test_a_text_is_read_as_it_was(text):
    config = OmegaConf.create({"a": None, "b": {}})
    update(config, [assigned("a", text), assigned("b", {"folder": text, "list": [text, None, 1.5, True]})])
    found = plain(config)
    assert found == {"a": text, "b": {"folder": text, "list": [text, None, 1.5, True]}}


@settings(deadline=None, max_examples=8)
@given(TEXTS)
@example("été (2), 'l\"entille'")
def test_a_text_passes_through_hydra(text):
    assert composed(assigned("paths.outputs", text))["paths"]["outputs"] == text
    assert composed(assigned("search", {"folder": text, "trial": 3}))["search"] == {"folder": text, "trial": 3}


@settings(deadline=None, max_examples=60)
@given(TEXTS, TEXTS)
def test_a_search_hands_on_what_it_was_given(fixed, other):
    if fixed == other:
        return
    choice = assigned("model.arch", fixed).split("=", 1)[1] + "," + assigned("model.arch", other).split("=", 1)[1]
    kept, space = parse([assigned("paths.outputs", fixed), f"model.arch={choice}"])
    for value, wanted in zip(space["model.arch"].choices, (fixed, other), strict=True):
        config = OmegaConf.create({})
        update(config, [*kept, *words({"model.arch": value})])
        assert plain(config) == {"paths": {"outputs": fixed}, "model": {"arch": wanted}}


@pytest.mark.parametrize("name", HARD)
def test_every_builder_of_overrides_keeps_a_folder(name, tmp_path):
    """Stages, evaluations, launchers, tables: each composes anew with the folder that the run was given."""
    from lenssr.launchers.choose import choose
    from lenssr.results.write import beside
    from lenssr.runs.evaluation import _changed
    from lenssr.runs.stages import stage_config

    outputs = str(tmp_path / name)
    given = composed(assigned("paths.outputs", outputs), "loss=mse_aae", assigned("stages.overrides", []))
    node = {**given["loss"]["autoencoder"]}
    node["overrides"] = {**node["overrides"], "paths.outputs": outputs}
    assert stage_config(given, node).paths.outputs == outputs
    changed = _changed(given, ["dataset.source.seed=3", assigned("dataset.name", name)])
    assert changed["paths"]["outputs"] == outputs and changed["dataset"]["name"] == name
    regression = composed("model=resnet18", assigned("paths.outputs", outputs))
    assert _changed(regression, [assigned("task.upscaler.run", name)])["task"]["upscaler"]["run"] == name
    launcher, rest = choose(["hydra/launcher=slurm", assigned("hydra.launcher.partition", name), "seed=1"])
    assert launcher.settings["partition"] == name and rest == ["seed=1"]
    assert beside([assigned("paths.outputs", outputs)]) == Path(outputs) / "tables"
    assert value_of([assigned("paths.outputs", "x"), assigned("paths.outputs", outputs)], "paths.outputs") == outputs
    assert json.dumps(given)
