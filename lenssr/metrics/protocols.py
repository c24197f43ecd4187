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

__all__ = ["PROTOCOLS", "SCORES", "protocol_scores", "scores"]

PROTOCOLS = ("report", "truth")
SCORES = ("mse", "psnr", "ssim")
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
    low = hr.amin(dim=(-2, -1), keepdim=True)
    span = (hr.amax(dim=(-2, -1), keepdim=True) - low).clamp(min=1e-12)
    scaled = (prediction - low) / span
    targets = {"report": hr} if truth is None else {"report": hr, "truth": truth}
    result = {}
    for protocol, target in targets.items():
        reference = (target - low) / span
        for name in only:
            if name == "ssim_original":
                if protocol == "report":
                    result["report/ssim_original"] = ssim(scaled, reference, data_range=_range(scaled))
            else:
                result[f"{protocol}/{name}"] = _FUNCTIONS[name](scaled, reference)
    return result


def protocol_scores(only: tuple[str, ...] = (*SCORES, "ssim_original")) -> dict[str, Score]:
    """Return the scores of both protocols by name, each of images (B, 1, H, W) and their batch."""
    names = [f"{protocol}/{name}" for protocol in PROTOCOLS for name in only]
    return {name: partial(_protocol_score, name=name) for name in names if name != "truth/ssim_original"}


def _protocol_score(image: Tensor, batch: Batch, name: str) -> Tensor | None:
    protocol, _, score = name.partition("/")
    truth = batch["truth"][:, 0] if "truth" in batch and protocol == "truth" else None
    return scores(image[:, 0], batch["hr"][:, 0], truth, (score,)).get(name)
