"""The commands of README and documentation are the ones that run, and what they say of the code is so."""

import re
import shlex
import subprocess
import sys
from functools import cache

import pytest
import yaml
from tiny import (
    LENS_FIT,
    ROOT,
    TINY,
    TINY_DIFFUSION,
    TINY_EIGEN,
    TINY_FINDER,
    TINY_LABELS,
    TINY_RDN,
    TINY_RDN_STAGE,
    TINY_SCORED,
    TINY_STAGE,
)

from lenssr.config.groups import CONFIGS

README = (ROOT / "README.md").read_text()
PAGES = [path for path in sorted((ROOT / "docs").rglob("*.md")) if "article" not in path.parts]
FENCE = re.compile(r"```(\w+)[^\n]*\n(.*?)```", flags=re.S)
BLOCKS = FENCE.findall(README) + [block for path in PAGES for block in FENCE.findall(path.read_text())]


def typed(beginning):
    lines = (line for language, block in BLOCKS if language == "bash" for line in block.splitlines())
    return list(dict.fromkeys(line.split("  #")[0].strip() for line in lines if line.startswith(beginning)))


COMMANDS = typed("python train.py")


def test_the_main_job_is_there_literally():
    assert "python train.py model=rdn loss=mse_aae" in COMMANDS
    makefile = (ROOT / "Makefile").read_text()
    assert "train.py model=rdn loss=mse_aae" in makefile
    assert "make test" in (ROOT / ".ci" / "run").read_text() and "make test" in README


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_runs(command, cli, outputs, tmp_path):
    arguments = shlex.split(command)[2:]
    if "dataset=folder" in command:
        from made import write_cutouts, write_files

        (write_cutouts if "lens_finder" in command else write_files)(tmp_path / "files")
        arguments = [a for a in arguments if "source.root" not in a] + [f"dataset.source.root={tmp_path / 'files'}"]
    if "deeplense_pairs" in command:
        from made import entry_pairs

        entry_pairs(tmp_path / "pairs", range(1, 17))
        arguments = [a for a in arguments if "source.root" not in a] + [f"dataset.source.root={tmp_path / 'pairs'}"]
        arguments += ["dataset.source.validation=0.2", "dataset.source.test=0.3"]
    if "real_pairs" in command:
        from made import galaxies

        galaxies(tmp_path / "real", count=20, size=50)
        words = ("source.root", "finetune")  # places of one's own
        arguments = [a for a in arguments if not any(word in a for word in words)]
        arguments += [f"dataset.source.root={tmp_path / 'real'}", "dataset.source.pixel_scale=0.05", "finetune=null"]
    if "scale=report" in command:
        arguments.append("loader.patch=48")
    if "hparams=" in command:  # one trial of it
        arguments += ["hydra.sweeper.trials=1", "model.growth=4", "model.blocks=2", "loader.patch=16,32"]
    if "seed=0,1,2" in arguments:  # one of them
        arguments.append("seed=0")
    if "sweep=" in command and "model=" not in command:  # one job of it
        arguments += ["model=rdn", "seed=0"]
    code, out, err = cli(*arguments, *smaller(arguments), outputs)
    assert code == 0, err
    if "launcher=slurm" in command:
        assert "would queue rdn-mse-model1-" in err
    elif "launcher=pool" in command:  # the jobs' own tables are in their consoles
        assert "1 jobs done, 0 found finished, 0 failed" in err or "would run" in err
    else:
        assert str(tmp_path / "outputs" / "runs") in out


def smaller(arguments):
    model = next((a.split("=")[1] for a in arguments if a.startswith("model=")), "rdn")
    if model.startswith("resnet18"):
        return [*TINY_LABELS, *TINY_RDN_STAGE]
    if model == "lens_finder":
        return TINY_FINDER
    if model == "eigen_mlp":
        return TINY_EIGEN
    if model == "diffusion":
        return [*TINY_DIFFUSION, *TINY_RDN_STAGE]
    if model == "crps_sr":
        return TINY_SCORED
    if model == "lens_fit":
        return [*TINY, *LENS_FIT]
    few = ["model.particles=16", "model.library=64"]
    if model == "label_limit":
        return [*(o for o in TINY_LABELS if not o.startswith("model.")), *few]
    tiny = [o for o in TINY if not o.startswith("loader.patch") or "scale=report" not in arguments]
    return [
        *tiny,
        *{"rdn": TINY_RDN, "aae": ["model.latent=8"], "limit": few, "fitted": few[1:]}.get(model, []),
        *TINY_STAGE,
    ]


SCRIPTS = typed("python scripts/")


@cache
def help_of(script):
    return subprocess.run([sys.executable, script, "--help"], cwd=ROOT, capture_output=True, text=True).stdout


@pytest.mark.parametrize("command", SCRIPTS)
def test_every_script_is_there_and_knows_its_flags(command):
    """Their work is tested beside what they call; here, that the README calls them rightly."""
    _, script, *arguments = shlex.split(command)
    help_text = help_of(script)
    assert all(argument in help_text for argument in arguments if argument.startswith("--"))
    tables = {path.stem for path in CONFIGS.glob("table/*.yaml")}
    words = [a for a in arguments if "=" not in a and not a.startswith(("-", "outputs/"))]
    if script.endswith(("tables.py", "reproduce.py")):
        assert set(words) <= tables
    assert help_text


def test_a_newcomer_adds_a_model_with_one_python_and_one_yaml_file(tmp_path, monkeypatch, cli, outputs):
    """The README's own two files, in a copy of the configs and a package of their own."""
    import shutil

    python = next(block for language, block in BLOCKS if language == "python" and "class Mine" in block)
    text = next(block for language, block in BLOCKS if language == "yaml" and "name: mine" in block)
    package = tmp_path / "theirs"
    package.mkdir()
    (package / "mine.py").write_text(python)
    configs = tmp_path / "configs"
    shutil.copytree(CONFIGS, configs)
    (configs / "model" / "mine.yaml").write_text(text.replace("lenssr.models.mine", "mine"))
    monkeypatch.syspath_prepend(str(package))
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    for module in ("config.compose", "config.instantiate", "config.overrides", "train"):
        monkeypatch.setattr(f"lenssr.{module}.CONFIGS", configs)
    from lenssr.config import overrides

    overrides.groups.cache_clear()
    try:
        code, out, err = cli("model=mine", *TINY, outputs)
        assert code == 0, err
        assert "mine" in out
        code, _, err = cli("model=mine", "model.widht=3", *TINY, outputs)
        assert code == 2 and "'width'" in err
    finally:
        overrides.groups.cache_clear()


def test_the_readme_is_what_a_newcomer_needs():
    assert len(README.splitlines()) < 150
    assert len(re.findall(r"!\[", README)) == 3


def test_the_readme_leads_to_every_page_and_to_no_other():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target
    for path in PAGES:
        listed = path.parent.name in ("docs", "reference") or path.stem == "index"
        assert listed or f"({path.relative_to(ROOT)})" in README, path


def test_the_readmes_table_has_the_committed_numbers():
    """Cell by cell, but for the columns that the committed table leaves out."""
    found = {}
    for line in (ROOT / "outputs/report/quick/main_job.md").read_text().splitlines():
        label, *values = (re.sub("[*↑↓]", "", cell).strip() for cell in line.strip("|").split("|"))
        if label.startswith(("RDN", "bilinear", "noise")):
            found.setdefault(label.split()[0], values)
    for name, row in (("rdn", "RDN,"), ("bilinear", "bilinear"), ("noise ceiling", "noise")):
        line = next(line for line in README.splitlines() if line.startswith(f"| {name} |"))
        mine, theirs = [cell.strip() for cell in line.strip("|").split("|")[1:]], found[row]
        assert mine[1:3] == theirs[2:4]
        assert mine[4:6] == [value.replace("–", "-") for value in theirs[5:7]]


@pytest.mark.parametrize(
    ("claim", "factor", "digits", "words"),
    [
        ("RCAN less RDN", -1, 1, "{} dB behind the RDN (95 %: {} to {})"),
        ("Hybrid FSRCNN-1 less FSRCNN", -1, 2, "cost FSRCNN {} dB\n({} to {})"),
        ("costs next to no PSNR.*RDN on Model I", -1, 2, "costs the RDN {} dB ({} to {})"),
        ("costs next to no PSNR.*RCAN on Model I", -1, 2, "costs the RCAN is not shown ({}; {} to {})"),
        ("upscaled by RDN less LR interpolated", 1, 3, "grows by {} dex² ({} to {}) against interpolation"),
    ],
)
def test_the_readmes_claims_have_the_committed_intervals(claim, factor, digits, words):
    summary = (ROOT / "outputs/report/overnight/summary.md").read_text()
    line = next(line for line in summary.splitlines() if line.startswith("- **") and re.search(claim, line))
    number = r"([+-]\d+\.\d+)"
    found = re.search(rf"We find {number} .*\(95 %: {number} to {number};", line)
    middle, low, high = (factor * float(value) for value in found.groups())
    told = [f"{value:.{digits}f}".replace("-", "−") for value in (middle, *sorted((low, high)))]
    assert words.format(*told) in README


def test_the_groups_table_names_what_is_there():
    choices = (ROOT / "docs/reference/choices.md").read_text()
    for path in [*CONFIGS.glob("model/*.yaml"), *CONFIGS.glob("loss/*.yaml")]:
        assert f"`{path.stem}`" in choices, path.stem


def test_every_yaml_has_a_target_or_values_alone():
    for path in CONFIGS.rglob("*.yaml"):
        assert isinstance(yaml.safe_load(path.read_text()), dict), path


def test_the_readmes_own_model_passes_the_lint(tmp_path):
    """As `make lint` would look at it in lenssr/models; mypy is told nothing of torch, which takes it long to read."""
    python = next(block for language, block in BLOCKS if language == "python" and "class Mine" in block)
    name = "lenssr/models/mine.py"
    for words in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *words, "--no-cache", "--stdin-filename", name, "-"]
        done = subprocess.run(command, cwd=ROOT, input=python, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "mine.py").write_text(python)
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--follow-imports=skip"]
    command += [f"--cache-dir={tmp_path / 'cache'}", str(tmp_path / "mine.py")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_first_screen_upscales_an_array_and_shows_its_flux(tiny, tmp_path, monkeypatch, capsys):
    """The README's own lines, on the lenses of a tiny run."""
    from lenssr.config.compose import compose
    from lenssr.train import train

    monkeypatch.chdir(tmp_path)
    train(compose(["model=rdn", *TINY_RDN, *tiny]))
    text = next(block for language, block in BLOCKS if language == "python")
    assert README.index(text) < README.index("The main job, in that environment")
    text = text.replace('lenssr.open("model1", split="test")', 'lenssr.open("latest")')
    exec(compile(text, "README.md", "exec"), {})
    assert "(48, 48) 1.000" in capsys.readouterr().out.replace("0.9999", "1.0000")
