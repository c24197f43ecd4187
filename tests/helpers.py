"""What several test files share."""

import os
import signal
from pathlib import Path

import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf

from lenssr.errors import Interrupted

CONFIGS = Path(__file__).parents[1] / "configs"
CLASSES = ["no_sub", "axion", "cdm"]
EXPOSURE = {"log_uniform": [1000.0, 3162.2776601683795]}


def physics(name):
    """Return a file of ``configs/physics`` as plain values."""
    return OmegaConf.to_container(OmegaConf.load(CONFIGS / "physics" / f"{name}.yaml"))


def words(count, seed):
    """Return random 32-bit words, int64, from torch's own generator."""
    return torch.randint(0, 2**32, (count,), generator=torch.Generator().manual_seed(seed))


def running(word):
    """Return the processes whose command line holds a word."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as stream:
                    if word.encode() in stream.read():
                        found.append(int(entry))
            except OSError:
                continue
    return found


SABOTEUR = ["+callbacks.saboteur._target_=saboteur.Saboteur", "+callbacks.saboteur.seed=${seed}"]


def locked(outputs):
    from lenssr.system.locks import is_locked

    return [path for path in outputs.rglob(".locks/*.lock") if is_locked(path.parents[1] / path.stem)]


def weights(folder, name="last"):
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]


def assert_same(one, other):
    assert one.keys() == other.keys()
    for key in one:
        assert torch.equal(one[key], other[key]), key


class StopAt(pl.Callback):
    """Raises a signal to this process at a step, as a terminal's Ctrl-C does."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_start(self, trainer, module, batch, index):
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


def interrupted(monkeypatch, step, *overrides):
    """Train until a step, be interrupted there, and return the run's folder."""
    from lenssr.config.compose import compose
    from lenssr.runs import build
    from lenssr.train import train

    made = build.build_trainer

    def with_stop(*arguments):
        trainer = made(*arguments)
        trainer.callbacks.insert(0, StopAt(step))
        return trainer

    monkeypatch.setattr(build, "build_trainer", with_stop)
    monkeypatch.setattr("lenssr.runs.execute.build_trainer", with_stop)
    with pytest.raises(Interrupted, match="repeat the command"):
        train(compose(list(overrides)))
    monkeypatch.setattr("lenssr.runs.execute.build_trainer", made)


def exit_code(work):
    """Do what a command does in this process; return its exit code."""
    try:
        work()
    except SystemExit as stop:
        return stop.code or 0
    return 0


def finished(overrides, scores, per_image, parameters=7):
    """Write the folder of a finished run as training would leave it."""
    from lenssr.config.compose import compose, plain
    from lenssr.runs.folder import Run
    from lenssr.runs.stages import identify

    config = plain(compose(overrides))
    run = Run(config, identify(config))
    run.begin()
    pd.DataFrame({"index": range(len(per_image)), "prediction/report/psnr": per_image}).to_parquet(
        run.file("per_image.parquet")
    )
    means = {key: {"mean": value, "std": 0.0} for key, value in scores.items()}
    ceiling = {"report/psnr": {"mean": 30.4, "std": 0.0}}
    run.finish(
        {"images": len(per_image), "parameters": parameters, "scores": {"prediction": means, "ceiling": ceiling}}
    )
