"""Names that people bring from elsewhere, and what they are called here."""

from __future__ import annotations

from lenssr.errors import did_you_mean

__all__ = ["ADVICE", "KEYS", "OPTIONS", "known_as"]

# keys and what has the same meaning
KEYS = {
    "accelerator": "trainer.accelerator",
    "batch": "loader.batch_size",
    "batchsize": "loader.batch_size",
    "batch_size": "loader.batch_size",
    "blocks": "model.blocks",
    "bs": "loader.batch_size",
    "cpu": "trainer.accelerator",
    "criterion": "loss",
    "data": "dataset",
    "device": "trainer.accelerator",
    "devices": "trainer.devices",
    "gpu": "trainer.devices",
    "gpus": "trainer.devices",
    "image_size": "dataset.image_size",
    "iterations": "trainer.max_steps",
    "learning_rate": "optimizer.lr",
    "lr": "optimizer.lr",
    "max_steps": "trainer.max_steps",
    "net": "model",
    "network": "model",
    "num_steps": "trainer.max_steps",
    "optim": "optimizer",
    "output_dir": "paths.outputs",
    "outputs": "paths.outputs",
    "patch": "loader.patch",
    "patch_size": "loader.patch",
    "precision": "trainer.precision",
    "random_seed": "seed",
    "root": "dataset.source.root",
    "size": "scale",
    "steps": "trainer.max_steps",
    "target": "dataset.target",
    "upscale": "dataset.scale",
    "wandb": "logger",
}
# keys that have no such twin
ADVICE = {
    "epochs": "A training is told its steps, of loader.batch_size images each: trainer.max_steps=<number>.",
    "max_epochs": "A training is told its steps, of loader.batch_size images each: trainer.max_steps=<number>.",
    "num_epochs": "A training is told its steps, of loader.batch_size images each: trainer.max_steps=<number>.",
    "num_workers": "Images are read without workers: they are arrays in the machine's memory already.",
    "workers": "Images are read without workers: they are arrays in the machine's memory already.",
    "resume": "Repeat the command that was interrupted: it goes on from its last checkpoint.",
    "checkpoint": "Repeat the command that was interrupted: it goes on from its last checkpoint.",
    "output": "The folder of a run follows from its configuration; paths.outputs=<folder> chooses the one above.",
}
# options of groups, in small letters without marks
OPTIONS = {
    "dataset": {
        **{f"modeli{'i' * n}": f"model{n + 1}" for n in range(3)},
        "modeliv": "model4",
        "deeplense": "folder",
        "euclid": "model2",
        "hst": "model3",
        "real": "real_pairs",
        "iiia": "deeplense_pairs",
        "iiib": "deeplense_pairs",
        "entrytest": "deeplense_pairs",
    },
    "logger": {"wb": "wandb", "tb": "tensorboard", "true": "wandb"},
    "loss": {
        "l2": "mse",
        "mae": "l1",
        "msel1": "combined",
        "aae": "mse_aae",
        "mseaae": "mse_aae",
        "perceptual": "mse_aae",
    },
    "model": {"unet": "unet_sr", "ddpm": "ddpm_original", "flow": "diffusion", "resnet": "resnet18"},
    "scale": {"full": "report", "small": "quick", "large": "report", "default": "quick"},
    "trainer": {"gpu": "auto", "default": "auto", "multigpu": "ddp"},
}


def _bare(word: str) -> str:
    return "".join(letter for letter in word.casefold() if letter.isalnum())


def known_as(group: str, word: str, options: list[str]) -> str:
    """Return what to say of an option that a group has not: the one that is meant, the nearest, or all."""
    meant = next((option for option in options if _bare(option) == _bare(word)), None)
    meant = meant or OPTIONS.get(group, {}).get(_bare(word))
    return f"Did you mean '{meant}'?" if meant in options else did_you_mean(word, options)
