"""A search goes on after a crash that cut its journal."""

import json

import pytest

from lenssr.search.study import begin, open_study

SETTINGS = {"name": "j", "direction": "maximize", "storage": "journal", "pruner": "none", "seed": 0, "validations": 2}


@pytest.fixture
def folder(tmp_path):
    """Return the folder of a search that has a finished trial."""
    study = begin(tmp_path, SETTINGS)
    trial = study.ask()
    trial.suggest_float("lr", 1e-4, 1e-2)
    study.tell(trial, 1.5)
    return tmp_path


@pytest.mark.parametrize(
    "tail",
    [
        b'{"op_code":6,"worker_id":"5cdb766e-85e9","trial_id":0,"state":1,"datetime_complete":"2026-11-26T02:1',
        b'{"op_code":6,"worker_id":"5cdb\n',
        b"\0" * 4096,
        b'{"op_code":6,"work' + b"\0" * 100,
    ],
    ids=["cut", "cut before a line end", "zeros", "cut and zeros"],
)
def test_what_was_cut_is_dropped_and_said(folder, capfd, tail):
    journal = folder / "study.journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole + tail)
    study = begin(folder, SETTINGS)
    assert f"The last {len(tail)} bytes" in capfd.readouterr().err
    assert [t.value for t in study.get_trials()] == [1.5]
    study.tell(study.ask(), 2.5)
    assert open_study(folder).best_value == 2.5 and journal.read_bytes().startswith(whole)
    assert all(json.loads(line) for line in journal.read_text().splitlines())
    assert not capfd.readouterr().err


def test_an_empty_journal_is_one_that_has_not_begun(folder):
    (folder / "study.journal").write_bytes(b"")
    assert begin(folder, SETTINGS).get_trials() == []
