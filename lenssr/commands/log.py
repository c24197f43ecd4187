"""``lenssr log``: send finished runs to W&B or TensorBoard."""

from __future__ import annotations

import argparse
from pathlib import Path

from lenssr.errors import ConfigError, RunError, did_you_mean
from lenssr.runs.find import RUNS
from lenssr.runs.listing import Listed, chosen
from lenssr.system.commands import command
from lenssr.system.imports import heavy_imports
from lenssr.system.progress import say

__all__ = ["main"]

_LOGGERS = ("wandb", "tensorboard")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="lenssr log",
        description="Send what finished runs have (curves, scores, pictures, configuration) to a logger that did not "
        "watch them. A run that is sent again goes on in the same place.",
    )
    parser.add_argument("words", nargs="+", metavar="run", help="runs, as for lenssr runs; the last word is the logger")
    parser.add_argument("--mode", choices=["offline", "online"], default="offline", help="of W&B [%(default)s]")
    parser.add_argument("--project", default="lenssr", help="of W&B [%(default)s]")
    parser.add_argument("--entity", help="of W&B: user or team")
    parser.add_argument("--group", help="of W&B: runs shown together")
    parser.add_argument("--outputs", type=Path, default=RUNS.parent, help="folder of the runs' folder [%(default)s]")
    arguments = parser.parse_intermixed_args()
    command(lambda: _work(arguments))


def _work(arguments: argparse.Namespace) -> None:
    *words, to = arguments.words
    if to not in _LOGGERS:
        raise ConfigError(f"The last word is the logger, and there is no '{to}'. {did_you_mean(to, _LOGGERS)}")
    if not words:
        raise ConfigError(f"Which runs? lenssr log latest {to}, or filters as model=rdn state=done.")
    known = _runs(words, arguments.outputs / "runs")
    done = [run.folder for run in known if run.state == "done"]
    if not done:
        raise RunError(f"None of the {len(known)} runs that {' '.join(words)} names is finished.")
    with heavy_imports():
        from lenssr.results.send import send
    wandb = {"project": arguments.project, "entity": arguments.entity, "group": arguments.group}
    for folder in done:
        send(folder, to, arguments.mode, **wandb)
        print(f"{folder}: sent to {to}" + (f", {arguments.mode}" if to == "wandb" else ""))
    if to == "wandb" and arguments.mode == "offline":
        say(f"wandb sync {' '.join(f'{folder}/logs/wandb/offline-run-*' for folder in done[:3])} sends them to W&B.")
    if to == "tensorboard":
        say(f"tensorboard --logdir {arguments.outputs / 'runs'} shows them.")


def _runs(words: list[str], place: Path) -> list[Listed]:
    """Return the runs that filters choose together, and those that names name, each once."""
    names = [word for word in words if "=" not in word]
    filters = [word for word in words if "=" in word]
    found = [run for name in names for run in chosen([name, *filters], place)] if names else chosen(filters, place)
    return list({run.folder: run for run in found}.values())
