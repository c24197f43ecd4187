"""One architecture per file. A super-resolution model maps (B, 1, h, w) to (B, 1, scale * h, scale * w)."""

from lenssr.models.aae import AAE
from lenssr.models.interpolation import Interpolation
from lenssr.models.rdn import RDN

__all__ = ["AAE", "RDN", "Interpolation"]
