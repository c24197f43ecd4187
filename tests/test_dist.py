"""The wheel and the sdist: built, installed where no checkout is, and used there."""

import os
import subprocess
import sys
import tarfile
import zipfile

import pytest
from made import lens
from tiny import ROOT, TINY, TINY_RDN


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the folder of both, built from what git tracks."""
    pytest.importorskip("build", reason="building needs pip install 'lenssr[dev]'")
    place = tmp_path_factory.mktemp("built")
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    wanted = [n for n in names if n and not n.startswith(("outputs/", "tests/")) and (ROOT / n).is_file()]
    source = place / "source"
    for name in wanted:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(place / "dist"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return place / "dist"


@pytest.mark.slow
def test_what_is_built_holds_code_configs_licence_and_types(built):
    names = set(zipfile.ZipFile(next(built.glob("*.whl"))).namelist())
    assert {"lenssr/py.typed", "lenssr/configs/train.yaml", "lenssr/inference/page.html"} <= names
    assert {"lenssr/box/euclid_vis_x2/model.safetensors", "lenssr/box/euclid_vis_x2/config.json"} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    configs = {path.relative_to(ROOT / "configs").as_posix() for path in (ROOT / "configs").rglob("*.yaml")}
    assert {f"lenssr/configs/{name}" for name in configs} <= names
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        inside = archive.getnames()
    assert any(name.endswith("/configs/train.yaml") for name in inside)
    assert any(name.endswith("/LICENSE") for name in inside)


@pytest.mark.slow
def test_the_wheel_trains_upscales_and_makes_a_table_without_a_checkout(built, tmp_path):
    """Installed beside the packages that are here: nothing is fetched."""
    import numpy as np

    target, work = tmp_path / "site", tmp_path / "work"
    work.mkdir()
    wheel = next(built.glob("*.whl"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target)]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    np.save(work / "lens.npy", lens())
    around = {**os.environ, "PYTHONPATH": str(target), "OMP_NUM_THREADS": "1"}

    def lenssr(*words):
        code = "import sys, lenssr.commands.main as m; sys.argv[0] = '/nowhere/lenssr'; m.main()"
        command = [sys.executable, "-c", code, *words]
        done = subprocess.run(command, cwd=work, env=around, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    where = subprocess.run(
        [sys.executable, "-c", "import lenssr; print(lenssr.__file__)"],
        cwd=work,
        env=around,
        capture_output=True,
        text=True,
    )
    assert where.stdout.startswith(str(target))
    lenssr("train", "model=rdn", *TINY, *TINY_RDN, "trainer.max_steps=2")
    assert "lens_sr.fits" in lenssr("upscale", "latest", "lens.npy", "-o", "lens_sr.fits")
    lenssr("tables", "main_job", "--no-figures", "--to", "tables")
    assert (work / "lens_sr.fits").is_file() and "The main job" in (work / "tables" / "main_job.md").read_text()
    assert lenssr("--version").startswith("lenssr ")
