"""What several test files share."""

from pathlib import Path

import torch
from omegaconf import OmegaConf

CONFIGS = Path(__file__).parents[1] / "configs"
CLASSES = ["no_sub", "axion", "cdm"]
EXPOSURE = {"log_uniform": [1000.0, 3162.2776601683795]}


def physics(name):
    """Return a file of ``configs/physics`` as plain values."""
    return OmegaConf.to_container(OmegaConf.load(CONFIGS / "physics" / f"{name}.yaml"))


def words(count, seed):
    """Return random 32-bit words, int64, from torch's own generator."""
    return torch.randint(0, 2**32, (count,), generator=torch.Generator().manual_seed(seed))
