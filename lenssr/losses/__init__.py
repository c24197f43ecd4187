"""Training losses: ``loss(prediction, batch)`` returns a dict whose ``loss`` is minimised; the rest is logged.

A loss that needs a trained network overrides ``prepare``, which is called once before training.
"""

from lenssr.losses.base import Loss
from lenssr.losses.content import ContentLoss
from lenssr.losses.pixel import MSE

__all__ = ["MSE", "ContentLoss", "Loss"]
