"""The first hour, typed in the README's order: right commands, slips, and what comes of each.

One tiny run is trained once; what follows asks for it, or is refused before anything heavy is imported.
"""

import runpy
import shlex
import sys

import numpy as np
import pytest
from helpers import exit_code
from made import lens
from tiny import ROOT, TINY, TINY_RDN

SMALL = shlex.join([*TINY, *TINY_RDN])
RUN = "rdn-mse-model1-4steps-9images-"

# what is typed, the exit code, what is said
HOUR = [
    ("lenssr", 0, "lenssr train model=rdn loss=mse_aae"),
    ("lenssr --version", 0, "lenssr "),
    ("lenssr train --help", 0, "python train.py -m sweep=residual_models"),
    ("python train.py -h", 0, "--cfg job"),
    ("lenssr rnus", 2, "Did you mean 'runs'?"),
    ("lenssr runs", 2, "There is no folder outputs/runs: train something"),
    ("lenssr evaluate latest", 2, "There is no run 'latest': there is no such folder in outputs/runs"),
    ("lenssr upscale latest lens.npy", 2, "There is no run 'latest'"),
    ("python train.py rdn", 2, "'rdn' alone is no setting: model=rdn"),
    ("python train.py model=RDN", 2, "Did you mean 'rdn'?"),
    ("python train.py model=rdnn", 2, "There is no model 'rdnn'. Did you mean 'rdn'?"),
    ("python train.py modle=rdn", 2, "Did you mean 'model'?"),
    ("python train.py --model rdn", 2, "settings are written without dashes: model=rdn"),
    ("python train.py model = rdn", 2, "a setting is written without blanks: model=rdn"),
    ("python train.py model=[rdn,edsr]", 2, "python train.py -m model=rdn,edsr"),
    ("python train.py loss=mse,mse_aae", 2, "names several runs: add -m"),
    ("python train.py sweep=residual_models", 2, "stands for several runs: add -m"),
    ("python train.py hparams=rdn", 2, "stands for several runs: add -m"),
    ("python train.py hydra/launcher=pool", 2, "is for a sweep or a search: add -m"),
    ("python train.py lr=1e-3", 2, "Did you mean 'optimizer.lr'?"),
    ("python train.py epochs=10", 2, "trainer.max_steps=<number>"),
    ("python train.py batch_size=8", 2, "Did you mean 'loader.batch_size'?"),
    ("python train.py gpus=1", 2, "Did you mean 'trainer.devices'?"),
    ("python train.py num_workers=4", 2, "without workers"),
    ("python train.py dataset=Model_I", 2, "Did you mean 'model1'?"),
    ("python train.py dataset=Model_II", 2, "Did you mean 'model2'?"),
    ("python train.py dataset=folder", 2, "dataset.source.root=<value>"),
    ("python train.py loss=l2", 2, "Did you mean 'mse'?"),
    ("python train.py model.num_blokcs=3", 2, "model has no setting 'num_blokcs'"),
    ("python train.py trainer.max_steps=abc", 2, "trainer.max_steps=abc"),
    ("python train.py --config-dir nowhere model=rdn", 2, "--config-dir nowhere: there is no such folder"),
    (f"python train.py model=rdn {SMALL}", 0, "Not the recipe of scale=quick: 4 steps, 9 images."),
    (f"python train.py model=rdn {SMALL}", 0, "found finished; nothing was trained"),
    (f"lenssr train model=rdn {SMALL} logger=wandb", 0, "lenssr log rdn-mse-model1-4steps-9images-"),
    (f"python train.py model=bilinear {SMALL.split(' model.')[0]}", 0, "bilinear"),
    ("lenssr runs", 0, RUN),
    ("lenssr runs model=rdn state=done", 0, "trainer.max_steps=4"),
    ("lenssr runs stat=done", 2, "Did you mean 'state'?"),
    ("lenssr runs --rm", 0, "nothing was removed"),
    ("lenssr compare rdn bilinear", 0, "Only images were sampled, not trainings"),
    ("lenssr compare rdn rdn", 2, "Both sides name the same run"),
    ("lenssr evaluate rdm", 2, "There is no run 'rdm' in outputs/runs. Did you mean 'rdn-mse-"),
    ("lenssr evaluate rdn task.self_ensemble=true", 0, "rdn on 4 test images"),
    ("lenssr evaluate rdn optimizer.lr=1", 2, "changes nothing that a test depends on"),
    ("lenssr upscale rdn lens.npy -o out", 0, "lens_sr.fits"),
    ("lenssr upscale rdn missing.npy -o out2", 2, "missing.npy"),
    ("lenssr export rdn -o shared --no-onnx", 0, "shared"),
    ("lenssr export rdn -o shared --no-onnx", 2, "exists already"),
    ("lenssr log latest wnadb", 2, "Did you mean 'wandb'?"),
    ("lenssr memory nothing", 2, "There is no run 'nothing'"),
    ("python scripts/tables.py residual_model", 2, "Did you mean 'residual_models'?"),
    ("python scripts/runs.py seed=0", 0, RUN),
    ("python scripts/compare.py rdn bilinear", 0, "difference"),
    ("python scripts/log.py latest", 2, "The last word is the logger"),
]


def typed(line, monkeypatch, capfd):
    """Type a line in this process; return the exit code and all that was said."""
    program, *words = shlex.split(line)
    if program == "python":
        words[0] = str(ROOT / words[0])
        monkeypatch.setattr(sys, "argv", words)
        work = lambda: runpy.run_path(words[0], run_name="__main__")  # noqa: E731
    else:
        from lenssr.commands.main import main as work

        monkeypatch.setattr(sys, "argv", ["/nowhere/lenssr", *words])
    return exit_code(work), "".join(capfd.readouterr())


def test_the_first_hour(tmp_path, monkeypatch, capfd):
    assert len(HOUR) >= 50
    monkeypatch.chdir(tmp_path)
    np.save("lens.npy", lens())
    wrong = []
    for line, code, words in HOUR:
        found, said = typed(line, monkeypatch, capfd)
        if found != code or words not in said or "Traceback" in said:
            wrong.append(f"{line}\n  exit code {found} (wanted {code}); said: {said[-400:]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "line", ["lenssr --help", "lenssr runs", "python train.py --model rdn", "lenssr upscale rdm x.npy"]
)
def test_what_is_light_is_answered_without_torch(line, tmp_path):
    import subprocess

    (tmp_path / "torch.py").write_text("raise SystemExit('torch was imported')")
    program, *words = shlex.split(line)
    module = "lenssr.commands.main" if program == "lenssr" else "lenssr.train"
    words = words if program == "lenssr" else words[1:]
    code = f"import sys; sys.argv[1:] = {words!r}; from {module} import main; main()"
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "torch was imported" not in done.stderr + done.stdout and done.returncode in (0, 2)
