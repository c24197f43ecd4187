"""Runs as a table, filtered by words; what came to nothing is removed, and nothing else."""

from lenssr.runs.listing import Listed, chosen


def test_the_table_tells_what_sets_runs_apart(runs, typed):
    code, out, _ = typed("runs")
    assert code == 0
    lines = {line.split()[1]: line for line in out.splitlines() if "-model1-" in line}
    assert set(lines) == {path.name for path in runs.iterdir() if not path.name.startswith(".")}
    (debug,) = (line for name, line in lines.items() if "-debug-" in name)
    assert "(debug)" in debug and "done" in debug
    (failed,) = (line for name, line in lines.items() if "charbonnier" in name)
    assert "failed" in failed and "optimizer.lr=0.1" in failed
    scored = [line for name, line in lines.items() if name.startswith(("rdn-l1", "rdn-mse-model1-")) and line != debug]
    assert len(scored) == 6 and all(" dB " in line for line in scored)


def test_words_choose(runs, typed):
    assert len(chosen([], runs)) == 8
    assert len(chosen(["loss=l1"], runs)) == 3
    assert len(chosen(["loss=l1,MSE", "seed=0", "state=done"], runs)) == 3  # the debug run is one
    assert len(chosen(["optimizer.lr=0.1"], runs)) == 1 and len(chosen(["rdn-l"], runs)) == 3
    assert [run.folder for run in chosen(["latest"], runs)] == [sorted(runs.glob("rdn-*"))[1]]  # the first one failed
    code, _, err = typed("runs", "state=dne")
    assert code == 2 and "Did you mean 'done'?" in err
    code, _, err = typed("runs", "los=mse")
    assert code == 2 and "Did you mean 'loss'?" in err
    code, _, err = typed("runs", "rdn-mes")
    assert code == 2 and "Did you mean 'rdn-mse-" in err
    assert typed("runs", "seed=9") == (0, "", "No run in outputs/runs is like that.\n")
    code, _, err = typed("runs", "--outputs", "elsewhere")
    assert code == 2 and "no folder elsewhere/runs" in err


def test_what_is_default_is_not_told(runs):
    (plain,) = (path for path in runs.glob("rdn-mse-model1-????????") if Listed(path).get("seed") == 0)
    assert Listed(plain).differences() == []


def test_only_failed_and_debug_runs_are_removed(runs, typed):
    before = set(runs.glob("rdn-*"))
    code, _, err = typed("runs", "--rm")
    assert code == 2 and "2 runs would be removed; --yes" in err and set(runs.glob("rdn-*")) == before
    code, _, err = typed("runs", "--rm", "--yes", "loss=l1")
    assert code == 0 and "nothing was removed" in err and set(runs.glob("rdn-*")) == before
    code, _, err = typed("runs", "--rm", "--yes")
    gone = before - set(runs.glob("rdn-*"))
    assert code == 0 and "2 runs removed" in err
    assert sorted(path.name.split("-")[1] for path in gone) == ["charbonnier", "mse"] and len(gone) == 2


def test_a_run_that_no_process_holds_was_killed(runs):
    from lenssr.system.files import write_json
    from lenssr.system.locks import locked

    folder = next(iter(runs.glob("rdn-l1-*")))
    write_json(folder / "status.json", {"state": "running", "hash": "0"})
    assert Listed(folder).state == "killed"
    with locked(folder, ""):
        assert Listed(folder).state == "running"
