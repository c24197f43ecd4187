"""What the default installation must and must not hold."""

import importlib.util
import subprocess
import sys
import tomllib

from tiny import ROOT


def test_torchvision_is_absent():
    """Its PyPI build needs CUDA libraries, and on a machine without them it breaks torchmetrics and Lightning."""
    assert importlib.util.find_spec("torchvision") is None


def test_help_and_finished_runs_need_no_torch():
    code = (
        "import sys, lenssr.train\nfrom lenssr.config.compose import compose, plain\n"
        "plain(compose(['model=rdn', 'loss=mse_aae']))\n"
        "print([m for m in ('torch', 'pytorch_lightning', 'matplotlib', 'pandas', 'wandb') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_imported_is_no_garbage_to_search():
    code = (
        "import gc\n"
        "from lenssr.system.imports import heavy_imports\n"
        "with heavy_imports():\n    assert not gc.isenabled()\n    import torch\n"
        "assert gc.isenabled()\nfrozen = gc.get_freeze_count()\n"
        "cycle = []\ncycle.append(cycle)\ndel cycle\n"
        "with heavy_imports():\n    assert gc.isenabled()\n"  # torch is there: the cycle must stay in reach
        "print(frozen > 50_000, gc.get_freeze_count() == frozen, gc.collect() > 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"] * 3


def test_every_dependency_is_pinned_in_the_constraints():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {
        d.split(";")[0].split(">")[0].split("=")[0].split("<")[0].strip().lower() for d in project["dependencies"]
    }
    for extra in ("search", "slurm", "dashboard", "docs"):
        wanted |= {d.split(">")[0].split("[")[0] for d in project["optional-dependencies"][extra]}
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0].lower() for line in lines if "==" in line}
    assert {name.replace("_", "-") for name in wanted} <= {name.replace("_", "-") for name in pinned}


def test_every_package_is_built():
    """setuptools takes the list as it is; a folder that is not in it would be missing from an installation."""
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {".".join(p.parent.relative_to(ROOT).parts) for p in (ROOT / "lenssr").rglob("*.py")}
    assert set(setuptools["packages"]) == {p for p in found if "__pycache__" not in p} | {"lenssr.configs"}
