"""Slips of the first hour are answered with the right word, before anything is composed."""

import re

import pytest
from tiny import ROOT

from lenssr.config.compose import compose
from lenssr.config.overrides import check, groups
from lenssr.config.synonyms import ADVICE, KEYS, OPTIONS
from lenssr.config.typed import slip
from lenssr.results.tables.collect import names

SLIPS = {
    "sweep=residual_models": "stands for several runs: add -m; one of them has its loss, model, seed given",
    "sweep=residual_models model=rdn": "add -m; one of them has its loss, seed given",
    "hparams=rdn": "'hparams=rdn' stands for several runs: add -m",
    "model=rdn loss=mse,mse_aae": "names several runs: add -m. python train.py -m model=rdn loss=mse,mse_aae",
    "optimizer.lr=1e-3,1e-4": "'optimizer.lr=1e-3,1e-4' names several runs: add -m",
    "seed=range(0,3)": "names several runs: add -m. python train.py -m 'seed=range(0,3)'",
    "model=[rdn,edsr]": "'model=[rdn,edsr]' names several runs: python train.py -m model=rdn,edsr",
    "--model rdn": "'--model': settings are written without dashes: model=rdn",
    "--lr=0.1": "settings are written without dashes: optimizer.lr=0.1",
    "--batch-size 4": "without dashes: loader.batch_size=4",
    "model = rdn": "'model = rdn': a setting is written without blanks: model=rdn",
    "model= rdn": "without blanks: model=rdn",
    "model =rdn": "without blanks: model=rdn",
    "rdn": "'rdn' alone is no setting: model=rdn",
    "tain": "'tain' is no setting; they are written key=value",
    "hydra/launcher=pool": "'hydra/launcher=pool' is for a sweep or a search: add -m.",
}


@pytest.mark.parametrize("typed", SLIPS)
def test_a_slip_is_answered(typed):
    assert SLIPS[typed] in (slip(typed.split()) or "nothing")


@pytest.mark.parametrize(
    "typed",
    [
        "model=rdn loss=mse_aae",
        "-m model=rdn,edsr",
        "--multirun seed=0,1",
        "--cfg job",
        "--info all",
        "-cd here model=rdn",
        "sweep=residual_models model=rdn loss=mse seed=0",
        "sweep=null",
        "dataset.source.classes=[axion,cdm]",
        "~callbacks.progress +trainer.x=1",
        "stages.overrides=['trainer.max_steps=100']",
        "callbacks=[ema,default]",
        "scale.dataset={train: 9, validation: 3, test: 4}",
    ],
)
def test_what_is_right_is_let_pass(typed):
    words = [typed] if "{" in typed else typed.split()
    assert slip(words) is None


def test_every_command_that_a_table_names_is_let_pass():
    import yaml

    for name in names():
        table = yaml.safe_load((ROOT / "configs" / "table" / f"{name}.yaml").read_text())
        for row in table["rows"].values():
            words = [*table["overrides"], *row["overrides"], "seed=0"]
            assert slip(words) is None, (name, words)


ANSWERS = {
    "model=RDN": "'rdn'",
    "Model=rdn": "'model'",
    "loss=MSE_AAE": "'mse_aae'",
    "lr=0.1": "'optimizer.lr'",
    "epochs=3": "trainer.max_steps",
    "batch_size=3": "'loader.batch_size'",
    "gpus=2": "'trainer.devices'",
    "num_workers=2": "without workers",
    "dataset=Model_I": "'model1'",
    "dataset=Model_II": "'model2'",
    "dataset=model_iii": "'model3'",
    "dataset=ModelIV": "'model4'",
    "dataset=model-1": "'model1'",
    "loss=l2": "'mse'",
    "model=unet": "'unet_sr'",
}


@pytest.mark.parametrize("typed", ANSWERS)
def test_names_from_elsewhere_are_known(typed):
    said = check([typed])
    assert said and ANSWERS[typed] in said


def test_every_synonym_leads_to_something():
    config = compose([])
    from omegaconf import OmegaConf

    missing = object()
    for key in KEYS.values():
        known = key in groups() or key == "dataset.source.root" or OmegaConf.select(config, key, default=missing)
        assert known is not missing, key
    for group, options in OPTIONS.items():
        assert set(options.values()) <= set(groups()[group]), group
    for advice in ADVICE.values():
        for key in re.findall(r"\b[a-z]+\.[a-z_]+", advice):
            assert OmegaConf.select(config, key, default=missing) is not missing, key
    assert not {*KEYS, *ADVICE} & {*groups(), *map(str, config)}
