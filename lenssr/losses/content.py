"""Content loss: images compared through a pretrained adversarial autoencoder."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lenssr.data.batches import Batch
from lenssr.errors import ConfigError
from lenssr.losses.base import Loss
from lenssr.models.aae import AAE

__all__ = ["ContentLoss"]

_COMPARE = ("reconstruction", "feature")


class ContentLoss(Loss):
    """alpha * content + (1 - alpha) * MSE.

    ``reconstruction`` compares decoder(encoder(image)) of prediction and target, as the 2023 report's code does;
    ``feature`` compares encoder(image), as its text says.

    Args:
        alpha: weight of the content term, 0 to 1.
        compare: which of the two.
        autoencoder: returns the trained autoencoder; called by ``prepare``.

    Raises:
        ValueError: alpha or compare is none of the above.
    """

    def __init__(self, alpha: float, compare: str, autoencoder: Callable[[], nn.Module]) -> None:
        super().__init__()
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha={alpha} must lie between 0 (MSE alone) and 1 (content alone)")
        if compare not in _COMPARE:
            raise ValueError(f"compare={compare} is neither {' nor '.join(_COMPARE)}")
        self.alpha, self.compare = alpha, compare
        self._load = autoencoder
        self._autoencoder: list[AAE] = []  # a list, so that its weights stay out of this run's checkpoints

    def prepare(self) -> None:
        """Load the autoencoder and freeze it.

        Raises:
            ConfigError: the run named as autoencoder holds another kind of model.
        """
        model = self._load()
        if not isinstance(model, AAE):
            raise ConfigError(
                f"loss.autoencoder.run holds a {type(model).__name__}; name the folder of a model=aae run, or leave "
                "it out."
            )
        self._autoencoder = [model.eval().requires_grad_(False)]

    def forward(self, prediction: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the sum and its two terms."""
        target = batch["target"]
        pixel = F.mse_loss(prediction, target)
        autoencoder = self._autoencoder[0].to(prediction.device)
        seen: Callable[[Tensor], Tensor] = autoencoder if self.compare == "reconstruction" else autoencoder.encode
        with torch.no_grad():
            wanted = seen(target)
        content = F.mse_loss(seen(prediction).float(), wanted.float())
        return {"loss": self.alpha * content + (1 - self.alpha) * pixel, "pixel": pixel, "content": content}
