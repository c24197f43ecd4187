"""How wide the residual of a regression is, by how bright its image is there."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Spread", "temperature"]

_BINS = 16
_STEP = 0.5  # of the logarithm of what draws lack, that a temperature is changed by at once
_WITHIN = 0.6827  # of a normal distribution within its standard deviation
_FINE = 0.8  # of the pixels of one bin of a temperature, how many lie above the next: finer in the dark than at peaks
_AROUND = 5  # px: beside an arc the residual is as wide as on it


class Spread(nn.Module):
    """Maps a guess to the rms of the residual that it leaves, pixel by pixel.

    The sky of a lens is nearly certain and its arcs are not: one rms for both leaves the sky a residual far narrower
    than the noise that sampling starts from, and cheap solvers then draw a sky that is too wide. Here the rms is a
    function of the guess's maximum over the 5x5 pixels around, measured in bins and linear in between (its logarithm).

    Args:
        kept: of the pixels of one bin, how many lie above the next: bins grow narrow towards the bright tail.

    Attributes:
        knots: brightness, (16,), ascending.
        log_rms: logarithm of the rms there, (16,).
    """

    knots: Tensor
    log_rms: Tensor

    def __init__(self, kept: float = 0.7) -> None:
        super().__init__()
        self.kept = kept
        self.register_buffer("knots", torch.linspace(0, 1, _BINS))
        self.register_buffer("log_rms", torch.zeros(_BINS))

    def set_constant(self, rms: float) -> None:
        """Let the rms be the same everywhere."""
        self.log_rms.fill_(torch.tensor(rms).log())

    def fit(self, guess: Tensor, residual: Tensor) -> None:
        """Measure it on guesses and what they leave, (B, 1, H, W) each."""
        order, bins = self._sorted(guess)
        squares = residual.flatten()[order].square()
        self.log_rms.copy_(torch.stack([squares[which].mean() for which in bins]).clamp(min=1e-12).log() / 2)

    def _sorted(self, guess: Tensor) -> tuple[Tensor, list[slice]]:
        """Put the knots where guesses are so bright; return the order of their pixels, and the bins of these."""
        brightness, order = _brightness(guess).flatten().sort()
        edges = [round(len(order) * (1 - self.kept**i)) for i in range(_BINS)] + [len(order)]
        bins = [slice(a, max(b, a + 1)) for a, b in pairwise(edges)]
        means = torch.stack([brightness[which].mean() for which in bins])
        # strictly ascending, else the slope between two equal knots is none
        self.knots.copy_(means + torch.arange(_BINS, device=means.device) * 1e-6)
        return order, bins

    def widen(self, centre: Tensor, draws: Tensor, target: Tensor) -> None:
        """Multiply by what draws lack, so that at each brightness they are as far from their mean as targets are.

        Distances are compared by the mean of their square roots, which the few that are far off do not rule: the
        intervals that hold a half or two thirds of the targets are then right, and those of 95 % nearly. What is
        changed may change the draws' mean, so it is done a few times; first it must be constant.

        Args:
            centre: whose brightness counts, (N, 1, H, W).
            draws: made with it as it is, (N, K, H, W).
            target: (N, 1, H, W).
        """
        count = draws.shape[1]
        honest = ((count + 1) / (count - 1)) ** 0.5  # a target's distance from the mean of K draws, over a draw's own
        told, found = (Spread(self.kept).to(centre.device) for _ in range(2))
        mean = draws.mean(1, keepdim=True)
        # the rms of a fourth root is the root of the mean square root
        told.fit(centre, (honest * (draws - mean)).abs().sqrt().mean(1, keepdim=True).sqrt())
        found.fit(centre, (target - mean).abs().pow(0.25))
        self.knots.copy_(found.knots)
        self.log_rms.add_(4 * (found.log_rms - told.log_rms))

    def level(self, centre: Tensor, draws: Tensor, target: Tensor) -> None:
        """Multiply by half of what draws lack, so that at each brightness two thirds are as far off as of the targets.

        Half of its logarithm: draws of a flow grow faster than the noise that they start from, and the whole of it,
        done a few times, goes to and fro.
        How far: from the mean of the other draws, in units of their standard deviation. Errors whose size differs from
        image to image, where the draws' spread does not, have long tails, by which :meth:`widen` would take too much.

        Args:
            centre: whose brightness counts, (N, 1, H, W).
            draws: made with it as it is, (N, K, H, W); the first is measured by the others.
            target: (N, 1, H, W).
        """
        others = draws[:, 1:]
        mean, std = others.mean(1, keepdim=True), others.std(1, keepdim=True).clamp(min=1e-12)
        order, bins = self._sorted(centre)
        told, found = (((one - mean).abs() / std).flatten()[order] for one in (draws[:, :1], target))
        lacking = [found[which].quantile(_WITHIN) / told[which].quantile(_WITHIN) for which in bins]
        self.log_rms.add_(_STEP * torch.stack(lacking).clamp(min=1e-6).log())

    def forward(self, guess: Tensor) -> Tensor:
        """Return the rms of the residual at each pixel of guesses (B, 1, H, W)."""
        brightness = _brightness(guess).contiguous()
        above = torch.searchsorted(self.knots, brightness).clamp(1, _BINS - 1)
        low, high = self.knots[above - 1], self.knots[above]
        part = ((brightness - low) / (high - low)).clamp(0, 1)
        return torch.lerp(self.log_rms[above - 1], self.log_rms[above], part).exp()


def temperature() -> Spread:
    """Return what draws, or the noise that they start from, are multiplied by, brightness by brightness; 1 at first."""
    return Spread(_FINE)


def _brightness(guess: Tensor) -> Tensor:
    return F.max_pool2d(guess.float(), _AROUND, stride=1, padding=_AROUND // 2)
