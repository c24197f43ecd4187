"""How commands begin and end: a closed pipe is no error, help is short, a new place is named."""

import subprocess
import sys

import pytest
from tiny import ROOT, TINY

from lenssr.launchers.jobs import asked, tell_merged


@pytest.mark.parametrize("words", ["train.py -h", "scripts/runs.py --outputs PLACE"])
def test_a_closed_pipe_is_no_error(words, tmp_path):
    from lenssr.system.files import write_json

    for i in range(2 if "runs" in words else 0):
        write_json(tmp_path / "runs" / f"rdn-{i}" / "status.json", {"state": "failed"})
    arguments = words.replace("PLACE", str(tmp_path)).split()
    command = subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    command.stdout.close()  # before it could write anything
    err = command.stderr.read()
    assert command.wait(60) == 0 and err == ""


def test_help_is_short_and_needs_neither_torch_nor_hydra(tmp_path):
    for name in ("torch", "hydra"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} was imported')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv[1:] = ['-h']\n"
    code += "from lenssr.train import main; main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""
    assert sum(line.startswith("  python train.py ") for line in done.stdout.splitlines()) == 10
    assert len(done.stdout.splitlines()) < 30 and "--cfg job" in done.stdout


def test_a_new_folder_of_outputs_is_named_once(cli, outputs, tmp_path):
    _, _, err = cli(*TINY, "model=bilinear", outputs)
    assert f"go to a new folder, {tmp_path / 'outputs'}" in err
    _, _, err = cli(*TINY, "model=bicubic", outputs)
    assert "new folder" not in err


def test_fewer_jobs_than_combinations_are_explained(outputs, capfd):
    words = [["model=bilinear", f"seed={seed}", outputs] for seed in (0, 1)] + [["model=rdn", "seed=0", outputs]]
    tell_merged(asked(words))
    assert "3 combinations are 2 jobs: what they differ in changes nothing in bilinear-model1-" in capfd.readouterr()[1]
    tell_merged(asked(words[1:]))
    assert capfd.readouterr()[1] == ""
