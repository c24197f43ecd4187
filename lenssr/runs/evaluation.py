"""A question to a finished run: its configuration, changed as asked, and the folder of the answer."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from lenssr.config.compose import compose, plain, select
from lenssr.config.groups import CONFIGS, config_file, own_configs
from lenssr.config.identity import every_stage_node, identity
from lenssr.config.instantiate import instantiate
from lenssr.config.schema import validate
from lenssr.config.words import assigned, update, value_of
from lenssr.errors import ConfigError, RunError, did_you_mean
from lenssr.runs.find import find as find_run
from lenssr.runs.folder import RunResult
from lenssr.runs.load import read_config
from lenssr.runs.places import resolve, writable
from lenssr.runs.stages import identify
from lenssr.system.files import read_json
from lenssr.system.progress import say

__all__ = ["Evaluation", "find"]


_DATA = ("dataset", "physics", "scale")  # what chooses a set: composed anew, since its nodes refer to each other
_SEEN = ("dataset.inputs", "dataset.target", "dataset.normalization")
_PLACE = "paths.outputs"
_LOADER = ("loader.evaluation_patch", "loader.evaluation_batch_size", "loader.resident")
_ABSENT = object()


def find(folder: str | Path, overrides: Sequence[str] = (), split: str = "test") -> RunResult | None:
    """Return what :func:`evaluate` found before; None if it was never asked."""
    return Evaluation(find_run(folder), list(overrides), split).result()


class Evaluation:
    """One question to one run, and the folder of its answer.

    Args:
        run: folder of a finished run.
        overrides: see :func:`evaluate`.
        split: likewise.

    Attributes:
        config: the run's configuration, changed as asked.
        hash: of the run and the question.
        folder: of the answer.

    Raises:
        LensSRError: there is no such run, or an override does not fit it.
    """

    def __init__(self, run: Path, overrides: list[str], split: str = "test") -> None:
        self.run, self.overrides, self.split = run, overrides, split
        status, trained = read_json(run / "status.json") or {}, read_json(run / "metrics.json")
        if status.get("state") != "done" or trained is None:
            raise RunError(f"{run} is not the folder of a finished run.")
        self.unit = trained["unit"]
        self._stored = _changed(read_config(run, as_stored=True), overrides)
        self.config = copy.deepcopy(self._stored)
        if (run / "config.yaml").is_file():  # an exported model has all it needs beside it
            resolve(self.config, run)
        inside, own = run / "evaluations", value_of(overrides, "paths.outputs")
        if own is None and not writable(inside):
            own = plain(compose())["paths"]["outputs"]
        if own is not None:
            self.config["paths"] = {**self.config["paths"], "outputs": str(own)}
        self.stages = identify(self.config)
        # as it is stored: where things lie now changes no answer
        asked = [status["hash"], identity(self._stored, self.stages), split]
        self.hash = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
        places = [
            folder / self.hash[:8] for folder in (inside, Path(str(own or ".")) / "evaluations" / run.resolve().name)
        ]
        self.folder = places[own is not None]
        if (places[0] / "metrics.json").is_file():
            self.folder = places[0]

    def result(self) -> RunResult | None:
        """Return the stored answer."""
        known = read_json(self.folder / "metrics.json")
        return RunResult(self.folder, self.hash, known, trained=False, asked=self.run) if known else None

    def find_set(self) -> None:
        """Have the set made in ``paths.outputs`` where the outputs folder of the run has none."""
        source = self.config["dataset"]["source"]
        own = Path(self.config["paths"]["outputs"]) / "datasets"
        if (
            "folder" in source
            and own != Path(source["folder"])
            and not instantiate(source, "dataset.source").path.exists()
        ):
            source["folder"] = str(own)

    def told(self) -> dict[str, Any]:
        """Return the configuration as it is kept: without the folders of this machine, but for those it was given."""
        outputs = Path(self._stored["paths"]["outputs"])
        runs = {path: str(node.get("run") or "") for path, node in every_stage_node(self.config)}
        for path, node in every_stage_node(self._stored):
            if runs[path] and not node.get("run"):
                node["run"] = str(outputs / "runs" / Path(runs[path]).name)
        return self._stored


def _changed(config: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """Return a run's configuration with another set and other settings of the test.

    What the network was trained to see and to give (``_SEEN``) stays as it was unless it is overridden.
    """
    names = {override: override.split("=")[0].lstrip("+~") for override in overrides}
    allowed = (*_SEEN, *_LOADER, *(f"task.{name}" for name in _test_settings(config)))
    names = {override: name for override, name in names.items() if name != _PLACE}
    values = [o for o, name in names.items() if _within(name, allowed) and select(config, name, _ABSENT) is not _ABSENT]
    ours = [o for o, name in names.items() if o not in values and name.split(".")[0] in _DATA]
    for override, name in names.items():
        if override not in (*values, *ours):
            raise ConfigError(
                f"'{override}' changes nothing that a test depends on. {did_you_mean(name, [*_DATA, *allowed])}"
            )
    if ours:
        base = [assigned(group, config[group]["name"]) for group in _DATA] + [assigned("model", _option(config))]
        base.append(assigned(_PLACE, config["paths"]["outputs"]))
        chosen = plain(compose([*base, *ours]))
        if not {names[override] for override in ours} & set(_DATA):  # the same set but for a number or two
            shipped = plain(compose(base))
            for group in _DATA:
                chosen[group] = _kept(config[group], shipped[group], chosen[group])
        for path in (*_SEEN, "dataset.source.classes"):
            if path not in names.values() and select(config, path, _ABSENT) is not _ABSENT:
                *parents, last = path.split(".")
                select(chosen, ".".join(parents))[last] = select(config, path)
        config = {**config, **{group: chosen[group] for group in _DATA}}
        name, size = config["dataset"]["name"], config["dataset"]["image_size"]
        say(f"The set is composed anew, with these overrides: {name}, {size} px.")
    changed = OmegaConf.create(config)
    update(changed, values)
    result: dict[str, Any] = plain(changed)
    size = select(result, "model.scale")
    if size is not None and size != result["dataset"]["scale"]:
        raise ConfigError(f"The run's model enlarges {size} times; give dataset.scale={size}.")
    validate(result)
    return result


def _kept(own: Any, shipped: Any, chosen: Any) -> Any:
    """Return what was chosen, and of a run's own what differs from what is shipped and was not chosen otherwise."""
    if isinstance(own, dict) and isinstance(shipped, dict) and isinstance(chosen, dict):
        return {key: _kept(own.get(key, value), shipped.get(key, value), value) for key, value in chosen.items()}
    return own if chosen == shipped else chosen


def _within(name: str, paths: Sequence[str]) -> bool:
    return any(name == path or name.startswith(f"{path}.") for path in paths)


def _test_settings(config: dict[str, Any]) -> tuple[str, ...]:
    """Return the task's arguments that change its test alone."""
    import hydra.utils

    settings: tuple[str, ...] = hydra.utils.get_class(config["task"]["_target_"]).test_settings  # type: ignore[attr-defined]
    return settings


def _option(config: dict[str, Any]) -> str:
    """Return the option of the group ``model`` that a configuration came from; its name may be another.

    Raises:
        ConfigError: there is none any more.
    """
    name = config["model"]["name"]
    if config_file("model", name):
        return str(name)
    target = config["model"]["_target_"]
    for path in sorted(path for folder in (*own_configs(), CONFIGS) for path in folder.glob("model/*.yaml")):
        if OmegaConf.select(OmegaConf.load(path), "_target_") == target:
            return path.stem
    raise ConfigError(f"No file in configs/model/ describes {target}, the run's model; put '{name}.yaml' back there.")
