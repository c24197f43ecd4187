"""Tables: the right runs in the right cells, and gaps that name the command that fills them."""

import json
import re
import shlex
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers import finished
from tiny import TINY, TINY_RDN

from lenssr.config.compose import compose, plain
from lenssr.config.groups import CONFIGS
from lenssr.errors import ConfigError
from lenssr.results.tables import collect as tables
from lenssr.results.tables import render
from lenssr.results.write import collect, write
from lenssr.runs.folder import Run
from lenssr.runs.stages import identify


def row(table, label):
    return next(r for r in table.rows if r.label == label)


def test_cells_hold_mean_and_spread_over_seeds_beside_the_published_number(filled):
    table = tables.build("residual_models", [filled])
    cell = row(table, "RDN").cells["report/psnr"]
    scores = [r.metrics["scores"]["prediction"]["report/psnr"]["mean"] for r in row(table, "RDN").results]
    assert len(scores) == 3
    assert cell.mean == pytest.approx(np.mean(scores)) and cell.std == pytest.approx(np.std(scores, ddof=1))
    assert cell.published == 30.49815
    assert row(table, "noise ceiling").cells["report/psnr"].mean == 30.4
    assert row(table, "bilinear").cells["report/psnr"].std is None  # one run, whatever the seed


def test_the_best_is_bold_only_where_it_is_better(filled, outputs):
    table = tables.build("residual_models", [filled])
    assert row(table, "RDN").cells["report/psnr"].mark == "best"
    assert row(table, "RCAN").cells["report/psnr"].mark == ""
    assert row(table, "RCAN").cells["report/psnr"].against_baseline == "better"
    assert f"**{row(table, 'RDN').cells['report/psnr'].mean:.2f}" in render.to_markdown(table)


def test_a_tie_is_said(outputs):
    rng = np.random.default_rng(0)
    for model in ("rdn", "rcan"):
        for seed in range(3):
            per_image = rng.normal(30, 0.4, 60)
            overrides = ["sweep=residual_models", "loss=mse", outputs, f"model={model}", f"seed={seed}"]
            finished(overrides, {"report/psnr": per_image.mean()}, per_image)
    table = tables.build("residual_models", [outputs])
    assert {row(table, label).cells["report/psnr"].mark for label in ("RDN", "RCAN")} == {"tie"}
    text = render.to_markdown(table)
    assert len(re.findall(r"≈ \d", text)) == 2 and "**" not in text.split("mean ±")[0]


def test_one_seed_says_nothing_of_its_spread_and_is_not_ranked(outputs):
    for model, level in (("rdn", 31.0), ("rcan", 30.0)):
        per_image = np.linspace(level, level + 1, 60)
        overrides = ["sweep=residual_models", "loss=mse", outputs, f"model={model}", "seed=0"]
        finished(overrides, {"report/psnr": per_image.mean()}, per_image)
    table = tables.build("residual_models", [outputs])
    assert {row(table, label).cells["report/psnr"].mark for label in ("RDN", "RCAN")} == {""}


def test_gaps_name_the_command_that_fills_them(filled):
    table = tables.build("residual_models", [filled])
    command = next(c for c in table.missing if "model=edsr" in c and "seed=2" in c)
    overrides = shlex.split(command)[2:]
    config = plain(compose(overrides))
    run = Run(config, identify(config))
    run.begin()
    finished(overrides, {"report/psnr": 30.0}, np.full(60, 30.0))
    again = tables.build("residual_models", [filled])
    assert command not in again.missing and len(again.missing) == len(table.missing) - 1


def test_a_sweep_fills_its_table(cli, tmp_path, outputs):
    """The table's rows are the sweep's jobs, run small and for real."""
    small = [o for o in TINY if not o.startswith(("trainer.max", "trainer.val"))]
    small += [*TINY_RDN, "trainer.max_steps=2", "trainer.validations=1", "scale.tables.batch_size=4", outputs]
    code, _, err = cli("-m", "sweep=content_loss_rdn", "loss=mse", "seed=0,1", *small)
    assert code == 0, err
    table = tables.build("content_loss_rdn", small)
    assert [len(r.results) for r in table.rows if r.ranked] == [2, 0, 0, 0, 0, 0]
    cells = table.rows[0].cells
    assert all(cells[column.key] is not None for column in table.columns)

    folder = tmp_path / "tables"
    write(collect(["content_loss_rdn"], small), folder, page=True)
    pictures = sorted(path.name for path in folder.glob("*.png"))
    assert pictures == [f"content_loss_rdn_{what}.png" for what in ("grid", "spectrum")]  # both rows cost the same
    assert all(f"({name})" in (folder / "content_loss_rdn.md").read_text() for name in pictures)
    page = (folder / "index.html").read_text()
    assert page.count("data:image/png;base64") == 2 and "id='content_loss_rdn'" in page
    links = re.findall(r"<a href='([^#'][^']*)'", page)
    assert links and all((folder / link / "metrics.json").is_file() for link in links)  # of runs, from where it lies
    assert (folder / "content_loss_rdn.html").read_text().count("data:image/png;base64") == 2  # complete in itself
    before = {name: (folder / name).stat().st_mtime_ns for name in pictures}
    write(collect(["content_loss_rdn"], small), folder, redraw=False)
    assert before == {name: (folder / name).stat().st_mtime_ns for name in pictures}
    assert all(f"({name})" in (folder / "content_loss_rdn.md").read_text() for name in pictures)


def test_networks_are_timed_in_turns_and_the_picture_shows_it(outputs, tmp_path):
    from lenssr.results.figures.tables import draw
    from lenssr.results.tables.table import Row, Table
    from lenssr.results.tables.times import read_times, write_times
    from lenssr.runs.records import keep
    from lenssr.train import train

    words = [*TINY, outputs]
    runs = {
        name: train(compose([f"model={name}", *more, *words])) for name, more in (("rdn", TINY_RDN), ("fsrcnn", []))
    }
    keep(runs["fsrcnn"], tmp_path / "records")  # a committed record has no weights, and is timed all the same
    runs["fsrcnn"] = replace(runs["fsrcnn"], folder=tmp_path / "records" / runs["fsrcnn"].folder.name)
    rows = [Row(name, name, {}, [run], [0], scale=2, image_size=48, parameters=run.metrics["parameters"])
            for name, run in runs.items()]  # fmt: skip
    table = Table("t", "t", "c", "rdn", [], rows)
    without = next(path for path in draw(table, tmp_path) if "cost" in path.name).read_bytes()
    write_times(table, tmp_path)
    assert set(read_times(table, tmp_path)) == {"rdn", "fsrcnn"} and min(read_times(table, tmp_path).values()) > 0
    told = json.loads((tmp_path / "t_times.json").read_text())
    assert "1 thread" in told["machine"] and all(low <= high for low, high in told["spread"].values())
    assert next(path for path in draw(table, tmp_path) if "cost" in path.name).read_bytes() != without


def test_missing_runs_are_filled_and_then_asked_again(outputs, tmp_path, monkeypatch):
    """Two seeds of the RDN, one of them finished before, and an evaluation of both."""
    from lenssr.launchers.choose import choose
    from lenssr.results import write as writing

    small = [*TINY_RDN, *TINY, outputs]
    definition = {
        "title": "t", "caption": "{lr} px to {hr} px.", "columns": "ablation",
        "overrides": ["model=rdn"], "seeds": {"quick": 2}, "baseline": "one", "references": {},
        "rows": {
            "one": {"label": "one", "overrides": []},
            "eight": {"label": "eight", "overrides": [], "evaluate": ["task.self_ensemble=true"]},
        },
    }  # fmt: skip
    monkeypatch.setattr(tables, "_definition", lambda name: definition)
    from lenssr.train import train

    first = train(compose(["model=rdn", *small, "seed=0"]))
    before = (first.folder / "metrics.json").stat().st_mtime_ns
    launch, rest = choose([*small, "hydra/launcher=pool", "hydra.launcher.slots=2"])
    assert rest == small
    (table,), failures = writing.fill(["any"], rest, launch)
    assert not failures
    assert not table.missing and [len(r.results) for r in table.rows] == [2, 2]
    assert table.caption == "24 px to 48 px."
    assert (first.folder / "metrics.json").stat().st_mtime_ns == before
    eight, one = (table.row(label).cells["equivariance_error"].mean for label in ("eight", "one"))
    assert eight < 1e-3 < one
    commands = [fact["argv"] for fact in writing.provenance(table)]
    assert [command[-1] for command in commands[2:]] == ["task.self_ensemble=true"] * 2 != commands[:2]


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["hydra/launcher=slrum"], "slurm"),
        (["+hydra.launcher.partition=gpu"], "hydra/launcher=pool has no setting 'partition'"),
    ],
)
def test_a_launcher_that_is_not_there_is_named(words, match):
    from lenssr.launchers.choose import choose

    with pytest.raises(ConfigError, match=match):
        choose(words)


def test_a_dry_run_of_a_table_runs_nothing(outputs, tmp_path, capsys, monkeypatch):
    from lenssr.results import write as writing

    words = [
        "content_loss_rdn",
        *TINY_RDN,
        *TINY,
        outputs,
        "hydra.launcher.dry_run=true",
        "--run",
        "--to",
        str(tmp_path),
    ]
    monkeypatch.setattr("sys.argv", ["lenssr-tables", *words])
    writing.main()
    told = capsys.readouterr().err
    assert told.count("would run") == 16 and not list(tmp_path.glob("*.md"))


def test_the_cost_of_a_table_is_what_its_steps_and_images_take(outputs):
    from lenssr.results.tables.cost import estimate, to_markdown

    small = [*TINY_RDN, *TINY, outputs]
    small = [o for o in small if not o.startswith("trainer.max") and not o.startswith("trainer.val")]
    cost, warm = estimate("content_loss_rdn", [*small, "trainer.max_steps=4", "trainer.validations=2"], batch=2)
    assert (cost.label, warm.label) == ("MSE", "MSE, warm-up alone")  # the other rows need an autoencoder first
    assert (cost.steps, cost.images) == (4, 4 + 2 * 3) and cost.step > 0 and cost.image > 0
    assert cost.seconds == pytest.approx(4 * cost.step + 10 * cost.image)
    text = to_markdown([cost], "content_loss_rdn", small)
    assert (
        f"{cost.step:.3f}" in text
        and "Left out, for they need other runs first, or train nothing: MSE + content" in text
    )


WHOLE = ("residual_models", "downstream_models", "lens_finding")  # sweeps that fill their table


@pytest.mark.parametrize("name", [n for n in tables.names() if (CONFIGS / "sweep" / f"{n}.yaml").exists()])
def test_what_a_sweep_runs_is_in_its_table(name):
    """All of it where rows are a product of choices; a table has rows besides that are none."""
    from itertools import product

    from omegaconf import OmegaConf

    def hashes(jobs):
        found = set()
        for job in jobs:
            config = plain(compose([f"sweep={name}", *job]))
            found.add(Run(config, identify(config)).hash)
        return found

    parameters = {
        key: str(value).split(",")
        for key, value in OmegaConf.load(CONFIGS / "sweep" / f"{name}.yaml").hydra.sweeper.params.items()
    }
    table = plain(OmegaConf.load(CONFIGS / "table" / f"{name}.yaml"))
    seeds = parameters.pop("seed", ["0"])  # a seed is one number of the configuration: the first stands for all
    assert len(seeds) == 1 or name not in WHOLE or [int(seed) for seed in seeds] == list(tables.seeds(table))
    swept = [[f"{k}={v}" for k, v in zip(parameters, values, strict=True)] + [f"seed={seeds[0]}"]
             for values in product(*parameters.values())]  # fmt: skip
    rows = [[*table["overrides"], *row["overrides"], f"seed={seeds[0]}"] for row in table["rows"].values()]
    rows = [row for row in rows if f"sweep={name}" in row]  # a table may borrow rows of another sweep
    found, wanted = hashes(swept), hashes(rows)
    assert found == wanted if name in WHOLE else found < wanted


def test_a_table_has_as_many_seeds_as_its_size_asks_for():
    definition = {"seeds": {"quick": 3, "overnight": 5}, "overrides": ["model=rdn"]}
    assert list(tables.seeds(definition)) == [0, 1, 2]
    assert list(tables.seeds(definition, ["scale=overnight"])) == [0, 1, 2, 3, 4]
    assert list(tables.seeds(definition, ["scale=report"])) == [0, 1, 2]


def test_the_three_formats_say_the_same(filled, tmp_path):
    write(collect(["residual_models"], [filled]), tmp_path / "tables", figures=False)
    facts = json.loads((tmp_path / "tables" / "residual_models_provenance.json").read_text())
    assert [fact["row"] for fact in facts].count("RDN") == 3 and all(len(fact["hash"]) == 64 for fact in facts)
    texts = {path.suffix: path.read_text() for path in (tmp_path / "tables").glob("residual_models.*")}
    assert set(texts) == {".md", ".tex", ".html", ".csv"}
    for suffix in (".md", ".tex", ".html"):
        plain_text = texts[suffix].replace(r"$\pm$", "±")
        assert len(re.findall(r"\d\d\.\d\d ± \d\.\d\d", plain_text)) == 2, suffix
    assert texts[".tex"].count(r"\\") == 2 + len(tables.build("residual_models", [filled]).rows)
    assert "http" not in texts[".html"]  # complete in itself
    verdicts = pd.read_csv(tmp_path / "tables" / "residual_models.csv").set_index("row")["verdict"]
    assert verdicts["RDN"] == "better"


def test_an_unknown_table_is_named():
    with pytest.raises(ConfigError, match="'residual_models'"):
        tables.build("residual_model")


def test_per_image_scores_are_json_free_of_nan(filled):
    table = tables.build("residual_models", [filled])
    json.dumps(table.comparisons.to_dict("records"), allow_nan=False)


def test_the_reports_numbers_stand_beside_ours(filled):
    from lenssr.results.reproduce import ORDER, compared

    text = compared([tables.build("residual_models", [filled])])
    lines = {line.split(" | ")[0].strip("| "): line for line in text.splitlines() if "PSNR" in line}
    assert "30.50" in lines["RDN"] and "differs: -0.26" in lines["RDN"]
    assert "24.78" in lines["bilinear"]
    assert "noise" in text and set(ORDER) <= set(tables.names())
