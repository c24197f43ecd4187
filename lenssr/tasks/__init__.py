"""What is learnt: each task is a LightningModule that joins a model, a loss and an optimizer."""

from lenssr.tasks.autoencoder import AdversarialAutoencoder
from lenssr.tasks.base import Task
from lenssr.tasks.classification import Classification
from lenssr.tasks.diffusion import Diffusion
from lenssr.tasks.finding import LensFinding
from lenssr.tasks.hinted import HintedRegression
from lenssr.tasks.limit import FittedImages, ImageLimit, LabelLimit
from lenssr.tasks.modelling import LensModelling
from lenssr.tasks.posterior import Posterior
from lenssr.tasks.regression import Regression
from lenssr.tasks.scored_draws import ScoredDraws
from lenssr.tasks.super_resolution import SuperResolution

__all__ = [
    "AdversarialAutoencoder",
    "Classification",
    "Diffusion",
    "FittedImages",
    "HintedRegression",
    "ImageLimit",
    "LabelLimit",
    "LensFinding",
    "LensModelling",
    "Posterior",
    "Regression",
    "ScoredDraws",
    "SuperResolution",
    "Task",
]
