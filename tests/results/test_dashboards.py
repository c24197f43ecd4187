"""What W&B is told, read back from the files of its offline mode."""

import json
import os
import sys
import time
from contextlib import suppress

import numpy as np
import pytest
import yaml
from tiny import TINY, TINY_RDN

from lenssr.commands.main import main
from lenssr.config.compose import compose, plain
from lenssr.config.groups import CONFIGS
from lenssr.config.typed import sweep_name
from lenssr.results.tables import collect as tables
from lenssr.results.tables.wandb_tables import rows, upload


def scan(path):
    """Yield the records of a .wandb file: a header of 7 bytes, then LevelDB's log in blocks of 32 KiB."""
    data, place, parts = path.read_bytes(), 7, b""
    while place + 7 <= len(data):
        if (left := 32768 - place % 32768) < 7:
            place += left
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield parts
            parts = b""


def records(folder):
    """Return what an offline run holds: its description, its configuration, its last values, its exit code."""
    from google.protobuf.message import DecodeError
    from wandb.proto import wandb_internal_pb2 as pb

    found = []
    for path in sorted(folder.glob("**/offline-run-*/run-*.wandb")):
        for _ in range(100):  # W&B's own process writes the file, and not always before finish() returns
            with suppress(DecodeError, IndexError):  # of a record that is half written
                if path.stat().st_size and pb.Record.FromString(list(scan(path))[-1]).HasField("exit"):
                    break
            time.sleep(0.1)
        content = {"config": {}, "last": {}, "history": {}, "exit": None, "run": None}
        for data in scan(path):
            record = pb.Record()
            record.ParseFromString(data)
            if record.HasField("run"):
                content["run"] = record.run
                content["config"] |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
            if record.HasField("config"):
                content["config"] |= {
                    item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.config.update
                }
            if record.HasField("history"):
                for item in record.history.item:
                    content["history"][item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
            if record.HasField("exit"):
                content["exit"] = record.exit.exit_code
        found.append(content)
    return found


@pytest.mark.slow
def test_a_run_is_named_grouped_and_described(cli, outputs, tmp_path):
    small = [o for o in TINY if not o.startswith(("trainer.max", "trainer.val"))]
    small += ["trainer.max_steps=2", "trainer.validations=1", "scale.tables.batch_size=4", "logger=wandb"]
    sweep = ["-m", "sweep=content_loss_rdn", "loss=mse", *TINY_RDN, *small, outputs]
    code, _, err = cli(*sweep, "seed=0,1")
    assert code == 0, err
    found = records(tmp_path)
    assert [content["exit"] for content in found] == [0, 0] and len({content["run"].run_id for content in found}) == 2
    found.sort(key=lambda content: content["run"].display_name)
    for seed, content in enumerate(found):
        run, config = content["run"], content["config"]
        assert run.run_group == "content_loss_rdn" and run.job_type == "rdn"
        assert run.display_name.startswith(f"rdn-mse-model1-seed{seed}-") and set(run.tags) >= {"rdn", "mse", "quick"}
        assert config["model"]["features"] == 4 and run.run_id == config["hash"][:16]
        assert {"packages", "hardware", "attempts"} <= set(config["provenance"])
        assert content["history"]["per_image/report/psnr/_type"] == "histogram"
        assert sum(content["history"]["per_image/report/psnr/values"]) == 4  # a bin's images, of four
        assert "test/report/psnr" in content["history"]


def test_a_failed_run_is_marked_so_and_goes_on_as_the_same(cli, outputs, tmp_path, monkeypatch):
    import saboteur

    monkeypatch.setenv("SABOTAGE", str(tmp_path))
    (tmp_path / "fail-0").touch()
    run = ["model=rdn", *TINY_RDN, *TINY, "logger=wandb", outputs]
    run += [f"+callbacks.saboteur._target_={saboteur.Saboteur.__module__}.Saboteur", "+callbacks.saboteur.seed=0"]
    assert cli(*run)[0] == 1
    (tmp_path / "fail-0").unlink()
    assert cli(*run)[0] == 0
    first, second = records(tmp_path)
    assert first["exit"] == 1 and second["exit"] == 0
    assert first["run"].run_id == second["run"].run_id and "provenance" in first["config"]
    assert len(second["config"]["provenance"]["attempts"]) == 2


def test_an_agents_command_runs_under_its_own_name(cli, outputs, tmp_path, monkeypatch, request):
    """``wandb agent`` fills the command of the sweep's file; here that is done by hand, without a server."""
    sweep = yaml.safe_load((CONFIGS / "wandb_sweep.yaml").read_text())
    values = {
        key: entry["values"][0] if "values" in entry else entry["min"] for key, entry in sweep["parameters"].items()
    }
    command = [word for word in sweep["command"] if not word.startswith("${")]
    chosen = [f"{key}={value}" for key, value in values.items()]
    plain(compose([*command, *chosen]))  # every parameter exists
    import wandb

    wandb.teardown()  # it reads the environment once a process
    request.addfinalizer(wandb.teardown)
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep1")
    monkeypatch.setenv("WANDB_RUN_ID", "agent1")
    small = [o for o in TINY_RDN if "growth" not in o and "blocks" not in o]
    code, _, err = cli(*command, *chosen, *small, *TINY, "logger.mode=offline", outputs)
    assert code == 0, err
    (content,) = records(tmp_path)
    assert content["run"].run_id == "agent1" and sweep["metric"]["name"] in content["history"]


def test_a_finished_table_is_a_table_there_too(filled, tmp_path):
    table = tables.build("residual_models", [filled])
    headings, lines = rows(table)
    assert len(headings) == len(lines[0]) == 2 + 2 * len(table.columns) and len(lines) == len(table.rows)
    place = headings.index("vs noisy HR, PSNR / dB")
    rdn = next(line for line in lines if line[0] == "RDN")
    assert rdn[place] == pytest.approx(30.2, abs=0.3) and rdn[place + len(table.columns)] < 0.1
    upload(table, [], tmp_path, "offline")
    (content,) = records(tmp_path)
    assert content["run"].run_id == "table-residual_models" and content["run"].run_group == "residual_models"
    assert content["history"]["residual_models/nrows"] == len(lines) and np.isfinite(rdn[place])


def test_a_workspace_has_its_views(monkeypatch, capsys):
    from lenssr.results import workspace

    try:
        built = workspace.build("someone", "lenssr", "residual_models")
        assert built.name == "residual_models" and len(built.sections) == 5 and built.runset_settings.filters
    except workspace.ConfigError as error:
        assert "pip install 'lenssr[dashboard]'" in str(error)
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    monkeypatch.setitem(sys.modules, "wandb_workspaces.expr", None)
    monkeypatch.setattr(sys, "argv", ["workspace.py", "someone"])
    with pytest.raises(SystemExit) as stop:
        workspace.main()
    assert stop.value.code == 2 and "lenssr[dashboard]" in capsys.readouterr().err


def test_a_plain_sweep_is_one_group(cli, tmp_path, outputs):
    code, _, err = cli("-m", *TINY, "model=bilinear,bicubic", "logger=wandb", outputs)
    assert code == 0, err
    groups = {content["run"].run_group for content in records(tmp_path / "outputs" / "runs")}
    assert len(groups) == 1 and groups.pop().startswith("model=bilinear,bicubic dataset.image_size=48")
    assert "LENSSR_SWEEP" not in os.environ


def test_a_sweeps_name_is_what_varies_first():
    words = ["-m", "model=rdn", "seed=0,1", "logger=wandb", "paths.outputs=x", "hydra/launcher=pool", "loss=mse,l1"]
    assert sweep_name(words) == "seed=0,1 loss=mse,l1 model=rdn"
    assert sweep_name(words[1:]) is None and sweep_name(["-m", "sweep=residual_models"]) is None
    long = ["-m", "seed=0,1", *(f"model.blocks{i}=1" for i in range(20))]
    assert len(sweep_name(long)) == 128 and sweep_name(long) != sweep_name([*long, "model.x=1"])


@pytest.mark.parametrize("mode", ["offline", "online"])
def test_no_setting_is_made_that_wandb_would_warn_of(mode, tmp_path, monkeypatch):
    """It warns that offline ``resume`` is ignored."""
    import pytorch_lightning.loggers

    from lenssr.runs import loggers
    from lenssr.runs.folder import Run

    monkeypatch.setattr(pytorch_lightning.loggers, "WandbLogger", lambda **settings: settings)
    run = Run(plain(compose([f"paths.outputs={tmp_path}"])), {})
    assert ("resume" in loggers.wandb(run, mode, "lenssr", None, None)) is (mode == "online")


def test_a_finished_run_is_sent_afterwards(cli, tmp_path, outputs, monkeypatch, capfd):
    words = ["model=rdn", *TINY, *TINY_RDN, outputs]
    assert cli(*words)[0] == 0
    (folder,) = (tmp_path / "outputs" / "runs").glob("rdn-*")
    code, _, err = cli(*words, "logger=wandb")
    assert code == 0 and f"lenssr log {folder.name} wandb sends what it has" in err
    assert not list(folder.glob("logs/wandb"))
    monkeypatch.setattr(sys, "argv", ["lenssr", "log", "latest", "wandb", "--outputs", str(tmp_path / "outputs")])
    main()
    told, _ = capfd.readouterr()
    assert f"{folder}: sent to wandb, offline" in told
    (content,) = records(folder)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert content["run"].run_id == json.loads((folder / "status.json").read_text())["hash"][:16]
    assert content["exit"] == 0 and content["config"]["model"]["name"] == "rdn"
    assert content["config"]["provenance"]["hardware"]["cpu"]
    wanted = metrics["scores"]["prediction"]["truth/psnr"]["mean"]
    assert content["history"]["test/truth/psnr"] == pytest.approx(wanted)
    for name in ("train/loss", "validation/psnr", "per_image/truth/psnr", "comparison"):
        assert any(key.startswith(name) for key in content["history"]), name
    assert "lenssr log" not in cli(*words, "logger=wandb")[2]  # now it has


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["latest", "wnadb"], "there is no 'wnadb'. Did you mean 'wandb'?"),
        (["wandb"], "Which runs?"),
        (["nothing", "wandb"], "There is no run 'nothing'"),
    ],
)
def test_slips_are_named(words, said, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lenssr", "log", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2 and said in capfd.readouterr()[1]
