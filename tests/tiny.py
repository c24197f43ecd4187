"""Overrides of trainings that take a second or two."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]
# real lenses and galaxies, where someone has put them; tests that look at them are skipped elsewhere
REAL = Path(os.environ.get("LENSSR_REAL_DATA", ROOT.parent / "shared" / "data"))
# 48-px images, a handful of them, and a network of a few thousand weights
TINY = [
    "dataset.image_size=48",
    "scale.dataset={train: 9, validation: 3, test: 4}",
    "loader.patch=32",
    "loader.batch_size=4",
    "trainer.max_steps=4",
    "trainer.validations=2",
    "trainer.accelerator=cpu",
]
TINY_RDN = ["model.features=4", "model.growth=4", "model.blocks=2", "model.layers=2"]
_STAGE = ["model=aae", "model.latent=8", "trainer.max_steps=2", "trainer.validations=1", "loader.batch_size=4"]
TINY_STAGE = [f"stages.overrides={_STAGE}"]
# the same for networks that tell labels, and for the super-resolution that they may see
TINY_LABELS = [
    "dataset.image_size=48",
    "trainer.accelerator=cpu",
    "trainer.max_steps=4",
    "trainer.validations=2",
    "loader.batch_size=4",
    "model.width=4",
    "scale.downstream.images={train: 12, validation: 3, test: 6}",
    "scale.dataset={train: 9, validation: 3, test: 4}",
]
# the same for a perceptron on eigen-images
TINY_EIGEN = [
    *(word for word in TINY_LABELS if "width" not in word and "downstream" not in word),
    "scale.eigen.images={train: 12, validation: 3, test: 6}",
    "loader.patch=48",
    "model.components=6",
    "model.width=8",
    "model.blocks=1",
]
# the same for draws from a posterior
TINY_DIFFUSION = [
    "dataset.image_size=32",
    "trainer.accelerator=cpu",
    "trainer.max_steps=4",
    "trainer.validations=2",
    "loader.batch_size=4",
    "loader.patch=32",
    "task.draws=4",
    "task.evaluations=3",
    "scale.diffusion.images={train: 9, validation: 3, test: 4}",
]
# the same for draws in one evaluation
TINY_SCORED = [
    "dataset.image_size=32",
    "trainer.accelerator=cpu",
    "trainer.max_steps=4",
    "trainer.validations=2",
    "loader.batch_size=4",
    "loader.patch=32",
    "task.draws=4",
    "model.widths=[4,8,8]",
    "model.blocks=[1,1,1]",
    "scale.diffusion.images={train: 9, validation: 3, test: 4}",
]
_RDN_STAGE = [*TINY_RDN, "trainer.max_steps=2", "trainer.validations=1", "loader.batch_size=4", "loader.patch=32"]
TINY_RDN_STAGE = [f"stages.overrides={_RDN_STAGE}"]
# fits that take a few steps, of skies that two telescopes see
LENS_FIT = [
    "dataset=survey",
    "physics.supersampling=2",
    "physics.lens.theta_E=[0.5,0.9]",
    "scale.lens_modelling.images={train: 2, validation: 1, test: 4}",
    "model.radii=[0.5,0.9]",
    "model.starts=1",
    "model.first=1",
    "model.steps=2",
    "model.subhaloes={masses: [1.0e+10], distances: [0.0], spacing: 0.4}",
]
# networks that find lenses, of skies that two telescopes see
TINY_FINDER = [
    "dataset.image_size=48",
    "trainer.accelerator=cpu",
    "trainer.max_steps=4",
    "trainer.validations=2",
    "loader.batch_size=4",
    "model.width=4",
    "scale.finding.images={train: 12, validation: 4, test: 12}",
]
