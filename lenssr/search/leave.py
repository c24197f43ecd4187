"""What a search leaves: the best configuration, ready to run, and pictures of how it was found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lenssr.system.files import read_json, whole_file, write_text
from lenssr.system.progress import say

if TYPE_CHECKING:
    from optuna import Study

__all__ = ["leave"]


def leave(study: Study, folder: Path) -> None:
    """Write ``best.yaml``, ``trials.csv``, ``history.png`` and ``importance.png``, and say where."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    done = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not done:
        return
    monitor = (read_json(folder / "settings.json") or {})["monitor"]
    best, path = study.best_trial, _shown(folder / "best.yaml")
    text = f"# The best of {len(trials)} trials: {monitor} {best.value:.5g}. python train.py {path}\n"
    write_text(folder / "best.yaml", text + yaml.safe_dump({"overrides": best.user_attrs["overrides"]}))
    with whole_file(folder / "trials.csv") as temporary:
        study.trials_dataframe(attrs=("number", "value", "state", "duration", "params", "user_attrs")).to_csv(
            temporary, index=False
        )
    _history(trials, study, monitor, folder / "history.png")
    _importance(study, done, monitor, folder / "importance.png")
    states = [trial.state.name.lower() for trial in trials]
    counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    print(f"{len(trials)} trials ({counts}); best {monitor} {best.value:.5g}, trial {best.number}")
    print(f"run it: python train.py {path}", flush=True)


def _shown(path: Path) -> Path:
    """Return a path as it is typed from here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _save(figure: Any, path: Path) -> None:
    import matplotlib.pyplot as plt

    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=150, bbox_inches="tight")
    plt.close(figure)


def _history(trials: list[Any], study: Study, monitor: str, path: Path) -> None:
    """Every trial's score in the order of the trials, and the best until then."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np

    figure, axes = plt.subplots(figsize=(6, 3.5))
    for state, marker, label in (("COMPLETE", "o", "finished"), ("PRUNED", "x", "pruned, last score")):
        known = [(t.number, t.value) for t in trials if t.state.name == state and t.value is not None]
        if known:
            axes.plot(*zip(*known, strict=True), marker, label=label, color="C0" if state == "COMPLETE" else "0.5")
    reach = np.fmax.accumulate if study.direction.name == "MAXIMIZE" else np.fmin.accumulate
    scores = [t.value if t.state.name == "COMPLETE" else np.nan for t in trials]
    axes.step(range(len(trials)), reach(scores), where="post", color="C1", label="best so far")
    axes.set(xlabel="trial", ylabel=monitor, title=f"Search {study.study_name}")
    axes.legend(frameon=False)
    _save(figure, path)


def _importance(study: Study, done: list[Any], monitor: str, path: Path) -> None:
    """How much each parameter decides whether a trial is among the best; nothing where there are too few to say."""
    from optuna.importance import get_param_importances

    if len(done) < 2 or len({trial.value for trial in done}) < 2:
        say("Too few different scores to tell which parameter matters.")
        return
    import matplotlib.pyplot as plt

    shares = dict(sorted(get_param_importances(study).items(), key=lambda item: item[1]))
    figure, axes = plt.subplots(figsize=(6, 1.2 + 0.4 * len(shares)))
    bars = axes.barh(list(shares), list(shares.values()))
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.set(xlabel=f"importance for a good {monitor} (PED-ANOVA, shares)", xlim=(0, 1.1))
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)
