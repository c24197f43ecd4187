"""Search: one study whatever is killed, pruned by validation, and its best configuration ready to run."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from helpers import running
from tiny import ROOT, TINY, TINY_RDN

from lenssr.errors import ConfigError
from lenssr.search.space import parse, words

SEARCH = ["-m", "hparams=rdn", "hydra.sweeper.study=test", *TINY_RDN, *TINY]
SEARCH += ["optimizer=adam", "model.growth=4", "model.blocks=2", "loader.patch=16,32"]


def trials(outputs):
    with (outputs / "searches" / "test" / "trials.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_hydras_words_become_optunas():
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    fixed, space = parse(
        ["a=1", "b=x,y", "c=range(2,9,3)", "d=interval(0,1)", "e=tag(log,interval(1e-4,1e-2))", "f=int(interval(8,64))"]
    )
    assert fixed == ["a=1"]
    assert space["b"] == CategoricalDistribution(["x", "y"]) and space["c"] == IntDistribution(2, 8, step=3)
    assert space["d"] == FloatDistribution(0, 1) and space["e"] == FloatDistribution(1e-4, 1e-2, log=True)
    assert space["f"] == IntDistribution(8, 64)
    assert parse(["b=x,y", "c=1,2", "b=x"])[0] == ["b=x"]  # the later counts
    assert words({"lr": 0.00123456, "name": "adam", "blocks": 3}) == ["lr=0.00123456", "name=adam", "blocks=3"]
    with pytest.raises(ConfigError, match="Nothing is searched"):
        parse(["a=1"])
    with pytest.raises(ConfigError, match="is no range"):
        parse(["a=tag(log,interval(0,1))"])


def test_a_search_leaves_what_runs(cli, outputs, tmp_path):
    code, out, err = cli(*SEARCH, "hydra.sweeper.trials=3", outputs)
    assert code == 0 and "3 trials (3 complete)" in out, err
    folder = tmp_path / "outputs" / "searches" / "test"
    found = trials(tmp_path / "outputs")
    best = max(found, key=lambda trial: float(trial["value"]))
    assert len({trial["params_optimizer.lr"] for trial in found}) == 3
    assert (folder / "history.png").exists()
    runs = len(list((tmp_path / "outputs" / "runs").glob("rdn-*")))

    code, out, err = cli(str(folder / "best.yaml"))  # runs as it is, and is the run that the trial made
    assert code == 0 and best["user_attrs_folder"] in out and "found finished" in out, err
    assert len(list((tmp_path / "outputs" / "runs").glob("rdn-*"))) == runs

    code, out, err = cli(*SEARCH, "hydra.sweeper.trials=4", outputs)
    assert code == 0 and "trial 3 of 4" in err and "trial 0 of" not in err, err  # the same study goes on
    assert [trial["number"] for trial in trials(tmp_path / "outputs")] == list("0123")

    code, _, err = cli(*SEARCH, "model.blocks=3", outputs)
    assert code == 2 and "other settings (fixed: " in err and "hydra.sweeper.study=<name>" in err
    code, _, err = cli(*SEARCH, "hydra.sweeper.pruner=mean", outputs)
    assert code == 2 and "median, hyperband, none" in err
    code, _, err = cli("nowhere.yaml")
    assert code == 2 and "nowhere.yaml" in err


def test_a_hopeless_trial_is_pruned_and_can_be_finished(outputs, tmp_path, cli):
    import optuna

    from lenssr.search.study import begin

    folder = tmp_path / "search"
    settings = {"name": "test", "direction": "maximize", "storage": "sqlite", "pruner": "median", "seed": 0}
    study = begin(folder, {**settings, "validations": 2, "fixed": [], "space": {}})
    for _ in range(5):  # that no network of four steps reaches
        study.add_trial(optuna.create_trial(value=99.0, intermediate_values={1: 99.0, 2: 99.0}))
    number = study.ask().number
    run = ["model=rdn", *TINY_RDN, *TINY, outputs]
    code, _, err = cli(*run, f"search={{folder:'{folder}',trial:{number}}}")
    assert code == 3 and "prunes this trial at step 2 of 4" in err, err
    (status,) = (tmp_path / "outputs" / "runs").glob("rdn-*/status.json")
    assert json.loads(status.read_text())["state"] == "pruned"
    assert list(study.trials[number].intermediate_values) == [1]
    code, _, err = cli(*run)
    assert code == 0 and "Resuming from step 2" in err, err


def test_a_dry_run_asks_for_no_trial(cli, outputs, tmp_path):
    pytest.importorskip("optuna")
    dry = ["hydra/launcher=pool", "hydra.launcher.dry_run=true"]
    code, _, err = cli(*SEARCH, *dry, "hydra.sweeper.trials=2", outputs)
    assert code == 0 and "would run 2 more trials of" in err, err
    assert not (tmp_path / "outputs" / "runs").exists()
    code, _, err = cli(*SEARCH, "optimizer.lr=-1,-2", "hydra.sweeper.study=bad", "hydra.sweeper.trials=1", outputs)
    assert code == 2 and "No trial of" in err
    code, _, err = cli(*SEARCH, "optimizer.lr=-1,-2", "hydra.sweeper.study=bad", "hydra.sweeper.trials=1", outputs)
    assert code == 2 and "another study" in err and "Traceback" not in err  # and not in silence


def test_a_failing_trial_does_not_end_a_search(outputs, tmp_path, cli):
    code, out, err = cli(*SEARCH, "optimizer.lr=1e-3,-1", "hydra.sweeper.trials=4", outputs)
    assert code == 0 and "optimizer.lr=-1" in err, err
    assert {(t["params_optimizer.lr"], t["state"]) for t in trials(tmp_path / "outputs")} == {
        ("0.001", "COMPLETE"),
        ("-1", "FAIL"),
    }
    assert " fail)" in out


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["journal", "sqlite"])
def test_killed_and_asked_again_the_study_goes_on(tmp_path, storage, request):
    """Two processes on one study, one of which is killed; then the same command again."""
    more = ["hydra.sweeper.trials=6", f"hydra.sweeper.storage={storage}", f"paths.outputs={tmp_path / 'outputs'}"]
    more += [
        "hydra/launcher=pool",
        "hydra.launcher.slots=2",
        "hydra.sweeper.parallel=1",
        "trainer.max_steps=120",
        "trainer.validations=4",
    ]

    def start():
        process = subprocess.Popen(
            [sys.executable, "train.py", *SEARCH, *more],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

        request.addfinalizer(process.terminate)
        return process

    one, other = start(), start()
    while len(list((tmp_path / "outputs" / "runs").glob("*/checkpoints/last.ckpt"))) < 3:
        assert one.poll() is None
        time.sleep(0.2)
    os.kill(one.pid, signal.SIGKILL)
    one.communicate()
    time.sleep(1)
    other.send_signal(signal.SIGINT)
    _, err = other.communicate(timeout=100)
    assert other.returncode == 130, err
    time.sleep(3)
    assert not running(str(tmp_path))
    last = start()
    _, err = last.communicate(timeout=500)
    assert last.returncode == 0 and "goes on: the process that ran it is gone" in err, err
    found = trials(tmp_path / "outputs")
    assert [trial["number"] for trial in found] == list("012345")  # as many as were wanted, none lost or doubled
    assert {trial["state"] for trial in found} <= {"COMPLETE", "PRUNED"}
    assert len({trial["params_optimizer.lr"] for trial in found}) == 6
