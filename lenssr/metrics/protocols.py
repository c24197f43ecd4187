"""The two questions asked of a super-resolved image.

``report``: how near is it to the *noisy* HR observation? The 2023 report's question; the noise sets a ceiling.
``truth``: how near is it to the *expectation* of that observation, which a simulation knows?

Both on the scale of the HR image: its minimum becomes 0 and its maximum 1, and the same shift and factor act on
the prediction and on the truth.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor

from lenssr.data.batches import Batch
from lenssr.metrics.image import mse, psnr, ssim
from lenssr.metrics.per_image import Score

__all__ = ["PROTOCOLS", "SCORES", "protocol_scores", "score_against", "scores"]

PROTOCOLS = ("report", "truth")
SCORES = ("mse", "psnr", "ssim")
_NOT_ASKED = "truth/ssim_original"  # the report has no truth
_FUNCTIONS = {"mse": mse, "psnr": psnr, "ssim": ssim}


def _range(images: Tensor) -> Tensor:
    """Return max - min of each image, shape (B, 1, 1, 1)."""
    flat = images.flatten(1)
    return (flat.amax(1) - flat.amin(1)).clamp(min=1e-12).view(-1, 1, 1, 1).double()


def scores(
    prediction: Tensor, hr: Tensor, truth: Tensor | None, only: tuple[str, ...] = (*SCORES, "ssim_original")
) -> dict[str, Tensor]:
    """Return ``<protocol>/<score>`` -> one number an image.

    Args:
        prediction: images (B, H, W), in any one unit.
        hr: the noisy observations, same shape and unit.
        truth: their expectations; None leaves the truth protocol out.
        only: the scores wanted. ``ssim_original`` is the report's own SSIM, whose data range is the prediction's:
            it serves the comparison with the report's table and no other.
    """
    targets = {"report": hr} if truth is None else {"report": hr, "truth": truth}
    return {
        f"{protocol}/{name}": score_against(prediction, hr, target, name)
        for protocol, target in targets.items()
        for name in only
        if f"{protocol}/{name}" != _NOT_ASKED
    }


def score_against(prediction: Tensor, hr: Tensor, target: Tensor, name: str) -> Tensor:
    """Return one score of images (B, H, W) against a target, both on the scale of the HR image."""
    low = hr.amin(dim=(-2, -1), keepdim=True)
    span = (hr.amax(dim=(-2, -1), keepdim=True) - low).clamp(min=1e-12)
    scaled, reference = (prediction - low) / span, (target - low) / span
    if name == "ssim_original":
        return ssim(scaled, reference, data_range=_range(scaled))
    return _FUNCTIONS[name](scaled, reference)


def protocol_scores(only: tuple[str, ...] = (*SCORES, "ssim_original")) -> dict[str, Score]:
    """Return the scores of both protocols by name, each of images (B, 1, H, W) and their batch."""
    names = [f"{protocol}/{name}" for protocol in PROTOCOLS for name in only]
    return {name: partial(_protocol_score, name=name) for name in names if name != _NOT_ASKED}


def _protocol_score(image: Tensor, batch: Batch, name: str) -> Tensor | None:
    protocol, _, score = name.partition("/")
    target = batch["hr"] if protocol == "report" else batch.get("truth")
    return None if target is None else score_against(image[:, 0], batch["hr"][:, 0], target[:, 0], score)
