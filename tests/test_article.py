"""The article: its numbers, computed anew from runs' records and other files than those that it reads."""

import csv
import json
import re
import statistics
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml
from tiny import REAL, ROOT

import lenssr

typst = pytest.importorskip("typst", reason="the article needs pip install 'lenssr[docs]'")
REPORT = ROOT / "outputs" / "report"
SOURCE = ROOT / "docs" / "article" / "lenssr.typ"
RECORDS = REPORT / "overnight" / "records"
UNRECORDED = ("overnight/lens_finding",)  # whose records, 6,000 images each, are too large to be kept


@pytest.fixture(scope="module")
def article():
    """Return the module of ``scripts/article.py``."""
    sys.path.insert(0, str(ROOT / "scripts"))
    import article

    yield article
    for name in ("article", "committed"):
        sys.modules.pop(name, None)
    sys.path.remove(str(ROOT / "scripts"))
    sys.path.remove(str(ROOT / "scripts" / "book"))


@pytest.fixture(scope="module")
def told(article):
    """Return what the typeset article shows, as (key, text)."""
    given = article.inputs(SOURCE.read_text())
    found = typst.query(str(SOURCE), "<number>", field="value", root=str(ROOT), sys_inputs=given)
    return [(each["key"], each["shown"]) for each in json.loads(found)]


@cache
def records():
    """Return (configuration, metrics) of every record."""
    return [
        (yaml.safe_load((folder / "config.yaml").read_text()), json.loads((folder / "metrics.json").read_text()))
        for folder in sorted(RECORDS.iterdir())
    ]


def kept(overrides):
    """Return the metrics of the records of a row of a table."""
    wanted = dict(word.split("=") for word in overrides if not word.startswith("sweep="))
    sky = "survey" if wanted["model"] in ("lens_fit", "lens_finder") else "deeplense"
    found = []
    for config, metrics in records():
        loss = wanted.get("loss", "mse")
        if config["physics"]["name"] != sky:  # another set's
            continue
        if "model.image" in wanted:
            chosen = config["task"]["upscaler"]["overrides"]
            steps = wanted.get("+task.upscaler.overrides", "").strip("{}").rpartition(":")[2]  # {max_steps:16000}
            own = (config["model"]["image"], *(str(chosen.get(key, "")) for key in ("seed", "trainer.max_steps")))
            if own != (wanted["model.image"], wanted.get("+task.upscaler.overrides.seed", ""), steps):
                continue
        if wanted.get("dataset.inputs", config["dataset"].get("inputs")) != config["dataset"].get("inputs"):
            continue
        if config["model"]["name"] == wanted["model"] and config.get("loss", {}).get("name", loss) == loss:
            found.append(metrics)
    return found


def columns(kind):
    return yaml.safe_load((ROOT / "configs/table/columns" / f"{kind}.yaml").read_text())


def row_of(name, label):
    table = yaml.safe_load((ROOT / "configs/table" / f"{name}.yaml").read_text())
    rows = [row for row in table["rows"].values() if row["label"] == label]
    return table, rows[0] if rows else None


def from_records(name, label, score, part):
    """Return a cell of an overnight table as the records of its runs have it."""
    table, row = row_of(name, label)
    column = columns(table["columns"]).get(score, {"decimals": 0})
    factor, decimals = column.get("factor", 1.0), column["decimals"]
    if part == "published":
        return f"{row['published'][score]:.{decimals}f}"
    if row is None:
        kind = next(key for key, said in table["references"].items() if said == label)
        metrics, group = kept(["model=bilinear"]), kind
    else:
        metrics, group = kept([*table["overrides"], *row["overrides"]]), "prediction"
    if score == "parameters":
        return f"{metrics[0]['parameters']:,}"
    values = [m["scores"][group][score][part if part in ("low", "high") else "mean"] * factor for m in metrics]
    mean = f"{statistics.fmean(values):.{decimals}f}"
    if part == "both" and len(values) > 1 and row is not None:
        return f"{mean} ± {statistics.stdev(values):.{decimals}f}"
    return mean


def from_differences(name, label, score, part):
    """Return a difference as the table's CSV has it."""
    column = columns(row_of(name.split("/")[1], label)[0]["columns"])[score]
    with (REPORT / f"{name}.csv").open() as file:
        row = next(r for r in csv.DictReader(file) if r["score"] == score and r["row"] == label)
    value = float(row[{"mean": "improvement", "low": "low", "high": "high"}[part]])  # of a score that should be high
    return f"{value:+.{column['decimals']}f}"  # in the column's unit already


def from_tex(name, label, score, part, headings):
    """Return a cell as the LaTeX table has it."""
    lines = (REPORT / f"{name}.md").read_text().splitlines()
    head = [cell.strip() for cell in next(line for line in lines if line.startswith("|")).strip("|").split("|")]
    place = head.index(headings[score])
    rows = [line for line in (REPORT / f"{name}.tex").read_text().splitlines() if line.endswith(r"\\")]
    row = next(line for line in rows if line.replace(" (baseline)", "").startswith(f"{label} &"))
    cell = row.removesuffix(r"\\").split("&")[place]
    plain = re.sub(r"\\textbf|\\uparrow|\\downarrow|\\approx|[{}$]", "", cell).replace(r"\pm", "±")
    published = re.search(r"\[([\d.]+)\]", plain)
    if part == "published":
        return published[1]
    plain = re.sub(r"\[.*", "", plain).strip()
    interval = re.match(r"([-\d.]+) \(([-\d.]+) to ([-\d.]+)\)$", plain)
    if interval:
        return interval[{"low": 2, "high": 3}.get(part, 1)]
    told = re.sub(r" \(.*", "", plain)  # without an interval over trainings
    return told if part == "both" else told.split(" ± ")[0]


def headings_of(name):
    """Return score -> heading of a committed table, from the columns' configs."""
    found = {"parameters": "parameters"}
    for path in sorted((ROOT / "configs/table/columns").glob("*.yaml")):
        for key, column in yaml.safe_load(path.read_text()).items():
            heading = f"{column['group']}<br>{column['label']}"
            if f"| {heading} |" in (REPORT / f"{name}.md").read_text():
                found.setdefault(key, heading)
    return found


def anew(key):
    """Return a number of the article by another way than its own."""
    kind, *words = key.split("|")
    if kind == "config":
        value = yaml.safe_load((ROOT / "configs" / f"{words[0]}.yaml").read_text())
        for step in words[1].split("."):
            value = value[step]
        return str(value)
    if kind == "json":
        path, form = words[1:]
        (image,) = re.findall(r"^files\.(\w+)\.chi2$", path)
        if (REAL / "real_lenses").is_dir():
            return format(lenssr.upscale("euclid_vis_x2", REAL / "real_lenses" / f"{image}.h5")[0].facts["chi2"], form)
        return format(json.loads((REPORT / words[0]).read_text())["files"][image]["chi2"], form)
    if kind == "said":  # one row less another, from the records of both
        one, other = re.search(r"dB, (.+) less (.+)$", words[1]).groups()
        runs = (kept(row_of("residual_models", row)[1]["overrides"]) for row in (one, other))
        means = [statistics.fmean(m["scores"]["prediction"]["truth/psnr"]["mean"] for m in row) for row in runs]
        return f"{means[1] - means[0]:.3f}"
    name, label, score, part = words
    if part.startswith("diff-"):
        return from_differences(name, label, score, part[5:])
    if name.startswith("overnight/") and name not in UNRECORDED:
        return from_records(name.split("/")[1], label, score, part)
    return from_tex(name, label, score, part, headings_of(name))


def test_every_number_comes_out_again(told):
    assert len(told) > 150
    wrong = [(key, shown, anew(key)) for key, shown in dict.fromkeys(told) if shown.replace("−", "-") != anew(key)]
    assert not wrong


def test_no_call_swallows_what_stands_behind_it():
    """Typst takes a semicolon after a call for its end."""
    assert not re.findall(r"#[tdn]\([^()]*\);", SOURCE.read_text())


def test_no_number_is_typed_by_hand():
    """What is left of the prose without its calls holds no decimal but the one that a row's name has."""
    text = re.sub(r"(?m)^#(import|set|show|let|align) .*$", "", SOURCE.read_text())
    text = re.sub(r'"[^"]*"', "", text)
    text = re.sub(r"(width|size|inset): [\d.a-z%]+", "", text)
    assert set(re.findall(r"\d+\.\d+", text)) <= {"2.7"}
    assert "±" not in re.sub(r"mean ± standard deviation", "", text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('t(table1, "RDN", truth)', 't(table1, "RDNN", truth)'),
        ('"overnight/residual_models"', '"overnight/residual_modles"'),
        ("source.psf_fwhm", "source.psf_width"),
        ("RCAN less RDN", "RCAN less nothing"),
    ],
)
def test_a_number_that_is_gone_stops_the_typesetting(article, tmp_path, monkeypatch, old, new):
    from lenssr.errors import ConfigError

    folder = ROOT / "docs" / "article"
    text = SOURCE.read_text()
    assert old in text
    changed = tmp_path / "docs" / "article"
    changed.mkdir(parents=True)
    for path in folder.iterdir():
        (changed / path.name).write_text(path.read_text())
    (tmp_path / "outputs").symlink_to(ROOT / "outputs")
    (changed / "lenssr.typ").write_text(text.replace(old, new))
    monkeypatch.setattr(article, "ROOT", tmp_path)
    with pytest.raises(ConfigError):
        article.typeset(changed / "lenssr.typ", tmp_path / "a.pdf")
    assert not (tmp_path / "a.pdf").exists()


def test_the_article_is_typeset(article, tmp_path):
    article.typeset(SOURCE, tmp_path / "a.pdf")
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    assert Path(article.PDF).relative_to(ROOT) == Path("outputs/article/lenssr.pdf")
