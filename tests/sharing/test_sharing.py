"""Exported models: the same network elsewhere, and nothing else with it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import SMALL
from safetensors.torch import load_file
from tiny import ROOT, TINY, TINY_DIFFUSION, TINY_LABELS, TINY_RDN, TINY_RDN_STAGE, TINY_SCORED

import lenssr
from lenssr.config.compose import compose
from lenssr.errors import RunError
from lenssr.evaluate import evaluate
from lenssr.runs.load import load_run, read_config
from lenssr.sharing import export
from lenssr.sharing.onnx import TOLERANCE, example_inputs
from lenssr.train import train


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a function that trains a model, tiny, and exports it: (run folder, exported folder)."""
    base = tmp_path_factory.mktemp("sharing")

    def make(name, *overrides):
        run = train(compose([f"model={name}", *overrides, f"paths.outputs={base / 'outputs'}"])).folder
        to = base / f"exported-{run.name}"
        return run, to if to.exists() else export(run, to)

    return make


@pytest.fixture(scope="module")
def rdn(made):
    return made("rdn", *TINY, *TINY_RDN)


def test_an_exported_model_is_the_runs_own(rdn):
    run, to = rdn
    lr = torch.rand(2, 1, 17, 23)
    with torch.no_grad():
        assert torch.equal(lenssr.load(to)(lr), load_run(run)(lr))
    assert lenssr.load(to).unit == load_run(run).unit and lenssr.load(to).run_hash == load_run(run).run_hash
    stored = torch.load(run / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
    weights = load_file(to / "model.safetensors")
    assert weights.keys() == {key.removeprefix("model.") for key in stored if key.startswith("model.")}
    assert not (to.parent / ".locks").exists()  # what is given away has nothing beside it


def test_it_loads_in_a_fresh_process_without_network(rdn):
    """No socket can be opened there, and the answer is that of the run."""
    run, to = rdn
    program = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise OSError('no network')\n"
        "socket.socket.connect = refuse\n"
        "import lenssr, torch\n"
        f"print(lenssr.load({str(to)!r})(torch.ones(1, 1, 9, 8)).double().sum().item())"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    with torch.no_grad():
        wanted = load_run(run)(torch.ones(1, 1, 9, 8)).double().sum().item()
    assert float(told.stdout) == pytest.approx(wanted, rel=1e-5)


def test_it_tells_nothing_of_the_machine(rdn):
    run, to = rdn
    for path in to.rglob("*"):
        if path.suffix in (".json", ".md"):
            assert str(run.parents[2]) not in path.read_text() and str(Path.home()) not in path.read_text()


def test_the_card_has_the_scores_and_what_they_are_measured_against(rdn):
    run, to = rdn
    card, metrics = (to / "README.md").read_text(), json.loads((run / "metrics.json").read_text())
    assert f"{metrics['scores']['prediction']['truth/psnr']['mean']:.2f}" in card
    assert "noise ceiling" in card and "bilinear" in card and "scale=quick" in card
    assert "sr = model.predict(lr)" in card
    assert card.startswith("---\nlibrary_name: lenssr\n")


def test_an_exported_model_is_evaluated_as_its_run(rdn):
    run, to = rdn
    scores = [
        evaluate(folder, [*TINY[:2], "dataset.source.seed=5"]).metrics["scores"]["prediction"] for folder in (run, to)
    ]
    assert scores[0]["truth/psnr"] == scores[1]["truth/psnr"]


SHAPED = {name: [*TINY, *small] for name, small in SMALL.items() if name not in ("bilinear", "bicubic")}
SHAPED["aae"] = [*TINY, "model.latent=8"]
SHAPED["resnet18"] = [*TINY_LABELS, "model.predict_variance=true"]
SHAPED["crps_sr"] = TINY_SCORED
SHAPED["diffusion"] = [*TINY_DIFFUSION, *TINY_RDN_STAGE, "dataset=model4", "model.widths=[8,8]"]


@pytest.mark.parametrize("name", SHAPED)
def test_onnx_agrees_with_torch(name, made):
    import onnxruntime

    run, to = made(name, *SHAPED[name])
    assert (to / "model.onnx").is_file(), (to / "README.md").read_text()
    session = onnxruntime.InferenceSession(str(to / "model.onnx"), providers=["CPUExecutionProvider"])
    config, model = read_config(run), load_run(run)
    size = config["model"].get("image_size") or 24
    for seed in (10, 11):
        inputs = example_inputs(config, 2, size, size, seed)
        names = [entry.name for entry in session.get_inputs()]
        found = session.run(None, {name: x.numpy() for name, x in zip(names, inputs, strict=True)})[0]
        with torch.no_grad():
            told = model(*inputs)
        wanted = (told[0] if isinstance(told, tuple) else told).numpy()
        assert np.abs(found - wanted).max() <= TOLERANCE * np.abs(wanted).max()


def test_a_diffusion_model_takes_its_regression_network_along(made):
    from lenssr.runs.load import load_task

    run, to = made("diffusion", *SHAPED["diffusion"])
    lr, index = torch.rand(1, 1, 32, 32), torch.zeros(1, dtype=torch.long)
    batch = {"lr": lr, "target": torch.zeros_like(lr), "index": index}
    assert (to / "regressor/model.safetensors").is_file()
    assert torch.equal(load_task(to).posterior(batch), load_task(run).posterior(batch))


def test_what_cannot_be_shared_is_refused(made, rdn, outputs):
    run = train(compose(["model=bilinear", *TINY, outputs])).folder
    with pytest.raises(RunError, match="no weights"):
        export(run, run.parent / "exported")
    assert not (run.parent / "exported").exists()
    with pytest.raises(RunError, match="exists already"):
        export(rdn[0], rdn[1])
    with pytest.raises(RunError, match="finished"):
        export(run.parent, run.parent / "exported")


def test_a_name_that_is_nowhere_says_so(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(RunError, match="There is no folder"):
        lenssr.load("no/such/folder/here")
    with pytest.raises(RunError, match="There is no folder"):
        lenssr.load("nobody/nothing")
