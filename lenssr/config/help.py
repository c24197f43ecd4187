"""What ``python train.py --help`` prints: ten commands; ``--cfg job`` has every setting."""

from __future__ import annotations

from lenssr.config.overrides import groups

__all__ = ["short"]

_COMMANDS = {
    "model=rdn loss=mse_aae": "the main job: some five minutes on a CPU",
    "model=rdn loss=mse_aae seed=1": "another training on the same images",
    "-m model=rdn,edsr loss=mse seed=0,1,2": "several runs: -m, and commas",
    "-m hydra/launcher=pool seed=0,1,2": "one to each GPU or core; slurm: a queue",
    "-m sweep=residual_models": "every run of a table",
    "model=rdn optimizer.lr=1e-3 trainer.max_steps=960": "any setting, by its dotted name",
    "model=rdn scale=report": "the size of the 2023 report, for a GPU",
    "model=rdn debug=default": "two steps: does it run at all?",
    "model=rdn logger=wandb": "W&B, offline; logger.mode=online sends",
    "model=rdn --cfg job": "print the whole configuration, run nothing",
}
_SHOWN = ("model", "loss", "dataset", "physics", "scale", "optimizer", "trainer", "callbacks", "logger", "sweep")


def short() -> str:
    """Return the text."""
    width = max(map(len, _COMMANDS))
    lines = [f"  python train.py {words:<{width}}  {what}" for words, what in _COMMANDS.items()]
    options = [f"  {group:<10} {' '.join(groups()[group])}" for group in _SHOWN]
    return "\n".join(
        [
            "Train and test one configuration, or with -m several; repeated, a command goes on where it stopped.",
            "",
            *lines,
            "",
            "Choices (configs/<group>/<option>.yaml; --config-dir <folder> adds your own):",
            "",
            *options,
        ]
    )
