"""The hash of every cell of every table and of every option of every group, as ``tests/fixtures/identities.json``.

``python tests/identities.py`` writes the file anew. Do that where a recipe changes on purpose, and look at the
difference: a run whose hash changes is trained again by everybody.
"""

import json
import sys
from pathlib import Path

LISTED = Path(__file__).parent / "fixtures" / "identities.json"
_PLACE = ["dataset.source.root=/images", "dataset.source.pixel_scale=0.05"]
# what an option needs beside itself to be a configuration at all
_MORE = {
    ("dataset", "folder"): _PLACE[:1],
    ("dataset", "deeplense_pairs"): _PLACE[:1],
    ("dataset", "real_pairs"): [*_PLACE, "dataset.shots=2"],
    ("experiment", "few_shot"): ["finetune=null"],
    ("model", "spandrel"): ["model.arch=DAT"],
    ("physics", "survey"): ["dataset=survey"],
}
_NOT_CHOSEN = {
    ".",
    "task",
    "paths",
    "average",
    "table",
    "table/columns",
    "hydra/launcher",
    "hydra/sweeper",
    "instrument",
}


def _hashes(overrides, seeds):
    """Return the hash of a configuration with each of several seeds; to compose it is what takes time."""
    from lenssr.config.compose import compose, plain
    from lenssr.runs.folder import Run
    from lenssr.runs.stages import identify

    found, composed = [], compose(overrides)
    for seed in seeds:
        composed.seed = seed
        config = plain(composed)
        found.append(Run(config, identify(config)).hash)
    return found


def options():
    """Return ``group=option`` -> hash, for every group that may be chosen."""
    from lenssr.config.groups import CONFIGS

    found = {}
    for path in sorted(CONFIGS.rglob("*.yaml")):
        group = path.parent.relative_to(CONFIGS).as_posix()
        if group not in _NOT_CHOSEN:
            choice = f"{group}={path.stem}"
            (found[choice],) = _hashes([choice, *_MORE.get((group, path.stem), [])], [0])
    return found


def cells(every=True):
    """Return ``table/row/seed`` -> hash, for every row of every table; of the first seed alone, if so asked."""
    from omegaconf import OmegaConf

    from lenssr.config.compose import plain
    from lenssr.config.groups import CONFIGS
    from lenssr.results.tables.collect import seeds

    found = {}
    for path in sorted((CONFIGS / "table").glob("*.yaml")):
        table = plain(OmegaConf.load(path))
        place = [o for o in _PLACE if o.split("=")[0] in table.get("needs", [])]
        for row, entry in table["rows"].items():
            each = seeds(table, place) if every else [0]
            own = each[: entry.get("seeds")]
            hashes = _hashes([*place, *table["overrides"], *entry["overrides"]], own)
            found |= {f"{path.stem}/{row}/{seed}": one for seed, one in zip(own, hashes, strict=True)}
    return found


def listed():
    """Return the committed list."""
    return json.loads(LISTED.read_text())


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    LISTED.parent.mkdir(exist_ok=True)
    LISTED.write_text(json.dumps({"options": options(), "cells": cells()}, indent=1) + "\n")
