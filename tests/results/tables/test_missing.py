"""A table without runs: the report's numbers, the one command that fills it, and why a run of one's own is no row."""

import subprocess
import sys

import numpy as np
import yaml
from helpers import finished
from tiny import ROOT

from lenssr.config.groups import CONFIGS
from lenssr.results.tables import collect as tables
from lenssr.results.tables import missing
from lenssr.results.tables.render import to_markdown
from lenssr.results.write import remark


def test_every_table_is_written_without_runs_and_without_torch(tmp_path):
    (tmp_path / "torch.py").write_text("raise SystemExit('torch was imported')")
    code = "import sys; sys.path.insert(0, '.'); from lenssr.results.write import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for path in CONFIGS.glob("table/*.yaml"):
        if not yaml.safe_load(path.read_text()).get("needs"):  # files of one's own
            assert f"`python scripts/tables.py {path.stem} --run` runs what is missing" in done.stderr
            assert (tmp_path / "outputs" / "tables" / f"{path.stem}.md").is_file()
    text = (tmp_path / "outputs" / "tables" / "residual_models.md").read_text()
    assert "| RDN | – | – [0.900] | – [30.50] |" in text
    assert "scripts/tables.py residual_models --run" in text.split("Each of them alone")[0]


def test_nothing_to_look_for_gives_the_same_gaps_as_looking(outputs, tmp_path):
    empty = tables.build("main_job", [outputs])
    finished(["model=fsrcnn", "seed=7", outputs], {"report/psnr": 30.0}, np.full(4, 30.0))  # the place holds runs now
    assert tables.build("main_job", [outputs]).missing == empty.missing
    assert len(empty.missing) == 6  # five seeds, and bilinear interpolation once


def test_the_price_is_that_of_runs_like_it_and_a_run_that_is_no_row_is_named(outputs, tmp_path, monkeypatch):
    from lenssr.system.files import write_json

    monkeypatch.setattr(missing, "find_devices", lambda: [None, None])
    finished(["model=rdn", "loss=mse", "trainer.max_steps=60", outputs], {"report/psnr": 30.0}, np.full(4, 30.0))
    finished(["model=rdn", "loss=mse_aae", "seed=7", outputs], {"report/psnr": 30.0}, np.full(4, 30.0))
    (done,) = tmp_path.glob("outputs/runs/rdn-mse_aae-*")
    write_json(done / "provenance.json", {"attempts": [{"seconds": {"train": 90.0, "test": 10.0}}]})
    finished(["model=bilinear", outputs], {"report/psnr": 30.0}, np.full(4, 30.0))
    table = tables.build("main_job", [outputs])
    remark(table, [outputs], named=True)
    filling, *others = table.remarks
    assert f"main_job '{outputs}' --run" in filling or f"main_job {outputs} --run" in filling
    assert "about 4 min 10 s on 2 devices, by finished runs" in filling  # five seeds of 100 s
    assert any(
        "60steps" in line and "loss=mse_aae (not mse), trainer.max_steps=480 (not 60)" in line for line in others
    )
    assert filling in to_markdown(table)


def test_rows_of_every_size_can_be_run():
    """The steps of each are a multiple of its validations."""
    for size in ("quick", "overnight", "report"):
        for label, config in tables.configurations("content_loss_rcan", [f"scale={size}"]):
            assert config["trainer"]["max_steps"] % config["trainer"]["validations"] == 0, (size, label)
