"""How the posterior of an image is sampled, or its lens fitted: settings that stand where a network's weights would."""

from __future__ import annotations

from torch import nn

from lenssr.errors import ConfigError

__all__ = ["Fit", "PosteriorSampler"]


class PosteriorSampler(nn.Module):
    """Settings of :class:`lenssr.limits.lenses.Lenses`.

    Args:
        particles: draws from each posterior, even.
        library: draws of the prior from which every image's posterior begins.
        proposals: draws about these, from which they are drawn again by weight; 0: they stay.
        seed: of all that is drawn.

    Raises:
        ConfigError: these numbers make no sample.
    """

    def __init__(self, particles: int, library: int, proposals: int, seed: int) -> None:
        super().__init__()
        if particles < 8 or particles % 2 or library < particles:
            raise ConfigError(
                f"model.particles={particles} and model.library={library}: particles are even and 8 or more, and the "
                "library holds as many or more."
            )
        if proposals and proposals < particles:
            raise ConfigError(f"model.proposals={proposals} must be as many as model.particles={particles}, or 0.")
        self.particles, self.library, self.proposals, self.seed = particles, library, proposals, seed


class Fit(nn.Module):
    """Settings of :class:`lenssr.limits.fit.Fitter`.

    Args:
        library: draws of the prior, among which the fits of an image begin.
        starts: fits of an image and a class.
        nodes: vortices of a round that weighs the modes of a vortex's posterior; 0: it is taken for Gaussian.
        seed: of the library and of these.

    Raises:
        ConfigError: these numbers make no fit.
    """

    def __init__(self, library: int, starts: int, nodes: int, seed: int) -> None:
        super().__init__()
        if starts < 1 or library < starts:
            raise ConfigError(f"model.starts={starts} must be 1 or more, and model.library={library} no fewer.")
        if nodes and nodes < 32:
            raise ConfigError(f"model.nodes={nodes} must be 32 or more, or 0 for a Gaussian.")
        self.library, self.starts, self.nodes, self.seed = library, starts, nodes, seed
