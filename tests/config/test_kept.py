"""Config files that are kept after the first reading."""

import os
import shutil

from hydra import compose as hydras
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from lenssr.config import kept
from lenssr.config.groups import CONFIGS, hydra_context

OVERRIDES = ["model=rcan", "loss=mse_aae", "seed=3", "scale=overnight"]


def test_what_is_composed_is_what_hydra_composes():
    for _ in range(2):  # read, and kept
        with hydra_context(CONFIGS):
            ours = hydras("train", overrides=OVERRIDES)
            ours.model.features = 1  # what a caller does to it stays with it
    with initialize_config_dir(config_dir=str(CONFIGS), version_base="1.3"):
        theirs = hydras("train", overrides=OVERRIDES)
    with hydra_context(CONFIGS):
        assert OmegaConf.to_container(hydras("train", overrides=OVERRIDES)) == OmegaConf.to_container(theirs)


def test_a_file_is_read_once_until_it_changes(tmp_path):
    shutil.copytree(CONFIGS, tmp_path / "configs")
    file = tmp_path / "configs" / "model" / "rdn.yaml"

    def features():
        with hydra_context(tmp_path / "configs"):
            return hydras("train", overrides=["model=rdn"]).model.features

    before, known = features(), len(kept._known)
    assert features() == before and len(kept._known) == known  # nothing was read again
    text = file.read_text()
    file.write_text(text.replace(f"features: {before}", f"features: {before + 1}"))
    os.utime(file, ns=(1, 1))
    assert features() == before + 1
