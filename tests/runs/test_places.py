"""A run is whole wherever its outputs folder lies, and whoever it belongs to."""

import pytest
from made import galaxies, lens
from tiny import TINY, TINY_DIFFUSION, TINY_RDN, TINY_RDN_STAGE

from lenssr.config.compose import compose
from lenssr.evaluate import evaluate
from lenssr.runs import evaluation
from lenssr.runs.load import load_run, read_config
from lenssr.train import train

DIFFUSION = ["model=diffusion", *TINY_DIFFUSION, *TINY_RDN_STAGE, "dataset=model4", "model.widths=[8,8]"]
MORE = ["loader.evaluation_batch_size=3"]  # a question that was not asked yet


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return the folder in which a run with a stage was trained, all its paths relative."""
    first = tmp_path_factory.mktemp("first")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(first)
        assert not train(compose([*DIFFUSION, "trainer.max_steps=2"])).folder.is_absolute()
    return first


@pytest.fixture
def elsewhere(made, tmp_path, monkeypatch):
    """Return a function that gives the run's folder, its outputs folder moved, from another working folder."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    def run(outputs):
        return next((outputs / "runs").glob("diffusion-*"))

    moved = tmp_path / "disk" / "moved"
    moved.parent.mkdir()
    (made / "outputs").rename(moved)
    yield moved, run
    moved.rename(made / "outputs")


def test_a_run_that_needs_another_works_from_anywhere(elsewhere, tmp_path, capfd):
    moved, run = elsewhere
    sets = set((moved / "datasets").iterdir())
    (tmp_path / "link").symlink_to(moved)
    for outputs in (moved, tmp_path / "link"):
        result = evaluate(run(outputs), MORE)
        assert result.metrics["images"] == 4 and result.folder.resolve().parents[1] == run(moved).resolve()
    (tmp_path / "alone").symlink_to(run(moved))
    assert not evaluate(tmp_path / "alone", MORE).trained
    assert set((moved / "datasets").iterdir()) == sets and "simulating" not in capfd.readouterr().err
    assert not list((tmp_path / "work").iterdir())  # nothing was made here

    from lenssr.inference.upscale import upscale
    from lenssr.sharing.export import export

    assert upscale(tmp_path / "alone", lens())[0].sr.shape == (41, 36)
    assert (export(run(tmp_path / "link"), tmp_path / "exported", onnx=False) / "regressor").is_dir()


def test_an_answer_goes_where_it_may(elsewhere, tmp_path, monkeypatch):
    moved, run = elsewhere
    before = sorted(moved.rglob("*"))
    told = evaluate(run(moved), ["task.draws=3", f"paths.outputs={tmp_path / 'mine'}"])
    monkeypatch.setattr(evaluation, "writable", lambda folder: False)  # another user's
    another = ["task.draws=2", "dataset.source.seed=7", "dataset.source.splits={train: 3, validation: 3, test: 4}"]
    refused = evaluate(run(moved), another)
    for result, outputs in ((told, tmp_path / "mine"), (refused, tmp_path / "work" / "outputs")):
        assert result.folder.resolve().is_relative_to(outputs / "evaluations" / run(moved).name)
        assert result.run == run(moved) and result.place.parts[:2] == (run(moved).name, "evaluations")
    assert len(list((tmp_path / "work" / "outputs" / "datasets").glob("model4-*/manifest.json"))) == 1
    assert sorted(moved.rglob("*")) == before
    assert not evaluate(run(moved), another).trained


def test_files_named_relative_to_the_first_folder_are_found(tmp_path, monkeypatch):
    """Images of one's own lie beside the outputs folder, and move with it."""
    first = tmp_path / "first"
    galaxies(first / "images", size=50)
    monkeypatch.chdir(first)
    pairs = ["dataset=real_pairs", "dataset.source.root=images", "dataset.source.pixel_scale=0.05", "dataset.shots=2"]
    run = train(compose(["model=rdn", *TINY, *TINY_RDN, *pairs])).folder
    answer = evaluate(run, MORE)
    first.rename(tmp_path / "second")
    monkeypatch.chdir(tmp_path)
    assert read_config("second" / run)["dataset"]["source"]["root"] == str(tmp_path / "second" / "images")
    again = evaluate("second" / run, MORE)
    assert again.hash == answer.hash and not again.trained
    assert evaluate("second" / run, ["loader.evaluation_batch_size=2"]).metrics["images"] == answer.metrics["images"]


def test_a_named_run_is_found_again(tmp_path, monkeypatch):
    """A run given by a relative path, beside the outputs folder, is written down so that it is found from anywhere."""
    monkeypatch.chdir(tmp_path)
    short = ["trainer.max_steps=1", "trainer.validations=1", "loader.batch_size=4"]
    base = train(compose(["model=rdn", "dataset=model1", *TINY, *TINY_RDN, *short, "paths.outputs=other"])).folder
    galaxies(tmp_path / "images", size=50)
    pairs = ["dataset=real_pairs", "dataset.source.root=images", "dataset.source.pixel_scale=0.05", "dataset.shots=2"]
    words = ["model=rdn", *TINY, *TINY_RDN, *short, "experiment=few_shot", *pairs, f"finetune.run={base}"]
    run = train(compose(words)).folder
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    config = read_config(tmp_path / run)
    assert config["finetune"]["run"] == str(tmp_path / base)
    assert load_run(config["finetune"]["run"]) is not None
