"""Every shipped configuration is composed and run for one step, through the same door as a user's."""

import itertools

import pytest
from made import entry_pairs, write_files
from networks import SMALL
from tiny import (
    LENS_FIT,
    TINY_DIFFUSION,
    TINY_EIGEN,
    TINY_FINDER,
    TINY_LABELS,
    TINY_RDN,
    TINY_RDN_STAGE,
    TINY_SCORED,
    TINY_STAGE,
)

from lenssr.config.compose import compose, plain
from lenssr.config.groups import CONFIGS
from lenssr.config.schema import validate
from lenssr.train import train

_FEW = ["task.data.images={train: 9, validation: 3, test: 4}"]
# what a choice needs beside itself to be small or to exist at all
_MORE = {
    **{("model", name): overrides for name, overrides in SMALL.items()},
    ("model", "aae"): ["model.latent=8"],
    ("model", "diffusion"): [*TINY_DIFFUSION, *TINY_RDN_STAGE, "dataset=model4", "model.widths=[8,8]"],
    ("model", "crps_sr"): TINY_SCORED,
    ("model", "ddpm_original"): [*TINY_DIFFUSION, "dataset=model4", "task.evaluations=2"],
    ("dataset", "model4"): ["loader.patch=48"],
    ("dataset", "real_pairs"): ["dataset.shots=2", "dataset.source.pixel_scale=0.05"],
    ("dataset", "deeplense_pairs"): ["dataset.source.validation=0.2", "dataset.source.test=0.3"],
    ("dataset", "survey"): ["task.data.classes=[no_sub]"],
    ("physics", "survey"): ["dataset=survey", "task.data.classes=[axion,cdm]"],
    **{("experiment", f"box_{name}"): _FEW for name in ("euclid_vis_x2", "rubin_to_euclid_x2")},
    ("experiment", "box_euclid_vis_x2_draws"): [*_FEW, "model.widths=[8,8]", "task.draws=2", "task.evaluations=3"],
    ("experiment", "few_shot"): ["finetune=null"],
    ("sweep", "diffusion"): ["loader.patch=48"],
    ("sweep", "downstream"): TINY_LABELS,
    ("sweep", "downstream_models"): [*TINY_LABELS, "dataset.inputs=interpolated"],
    ("model", "lens_fit"): LENS_FIT,
    ("dataset", "lens_finding"): ["model=lens_finder", *TINY_FINDER],
    ("model", "lens_finder"): ["dataset=lens_finding", *TINY_FINDER],
    ("sweep", "lens_finding"): ["model=lens_finder", *TINY_FINDER],
    ("sweep", "lens_modelling"): ["task.data.classes=[no_sub]", "physics.supersampling=2"],
    ("model", "eigen_mlp"): TINY_EIGEN,
    ("model", "label_limit"): [TINY_LABELS[-2], "model.particles=8", "model.library=16"],
    ("model", "limit"): ["model.particles=8", "model.library=16"],
    ("model", "resnet18"): TINY_LABELS,
    ("model", "resnet18_classifier"): TINY_LABELS,
    ("loss", "mse_aae"): TINY_STAGE,
    ("trainer", "ddp"): ["trainer.strategy=auto", "trainer.devices=1"],  # tested with two processes in test_train
}
_STEP = ["trainer.max_steps=1", "trainer.validations=1"]
# chosen by the model, without effect of their own, or for scripts and sweeps (test_tables, test_pool); instruments are
# chosen twice (data/sets/test_survey.py)
_NOT_CHOSEN = {"task", "paths", "average", "table", "table/columns", "hydra/launcher", "instrument"}
# need what the tests may not install; tests/test_zoo.py
_EXTRAS = {"spandrel"}


def options():
    for path in sorted(CONFIGS.rglob("*.yaml")):
        group = path.parent.relative_to(CONFIGS).as_posix()
        if group not in (".", *_NOT_CHOSEN) and path.stem not in _EXTRAS:
            yield group, path.stem


@pytest.mark.parametrize(("group", "option"), list(options()), ids=lambda value: value)
def test_every_config_runs_for_one_step(group, option, tiny, tmp_path):
    tiny = [o for o in tiny if not o.startswith(("trainer.max_steps", "trainer.validations"))]
    overrides = [f"{group}={option}", *tiny]
    labels = option.startswith(("resnet18", "downstream", "label", "eigen"))
    if option.startswith("lens_find"):
        overrides = [f"{group}={option}"]
    elif group != "model" and not option.startswith("box_"):  # which choose their own
        overrides = ["model=resnet18", *overrides] if labels else ["model=rdn", *TINY_RDN, *overrides]
    if (group, option) == ("dataset", "folder"):
        root = tmp_path / "files"
        write_files(root)
        overrides.append(f"dataset.source.root={root}")
    if (group, option) == ("dataset", "real_pairs"):
        from made import galaxies

        galaxies(tmp_path / "files", size=50)
        overrides.append(f"dataset.source.root={tmp_path / 'files'}")
    if (group, option) == ("dataset", "deeplense_pairs"):
        entry_pairs(tmp_path / "files", range(1, 17))
        overrides.append(f"dataset.source.root={tmp_path / 'files'}")
    result = train(compose([*overrides, *_MORE.get((group, option), []), *_STEP]))
    counts = {"folder": 3, "deeplense_pairs": 5, "lens_finding": 12, "lens_finder": 12}
    assert result.metrics["images"] == counts.get(option, 6 if labels else 4)
    assert (result.folder / "metrics.json").exists()


@pytest.mark.parametrize(
    ("model", "loss", "scale"),
    list(itertools.product(("rdn", "aae", "bilinear"), ("mse", "mse_aae"), ("quick", "report"))),
)
def test_every_combination_passes_the_schema(model, loss, scale):
    validate(plain(compose([f"model={model}", f"loss={loss}", f"scale={scale}"])))


@pytest.mark.parametrize("other", ["overnight", "report"])
def test_the_scales_name_the_same_numbers(other):
    quick, other = (plain(compose([f"scale={name}"]))["scale"] for name in ("quick", other))
    assert quick.keys() == other.keys()
    for recipe in (
        "dataset",
        "super_resolution",
        "autoencoder",
        "downstream",
        "eigen",
        "diffusion",
        "scored_draws",
        "control",
    ):
        assert quick[recipe].keys() == other[recipe].keys()
