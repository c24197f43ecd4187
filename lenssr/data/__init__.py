"""From parameters to batches: simulate or import, store, observe, feed."""

from lenssr.data.datamodule import LensDataModule
from lenssr.data.degrade import BlurredExposure
from lenssr.data.folder import FolderSource
from lenssr.data.observe import BinnedExposure, TwoExposures
from lenssr.data.real import RealSource
from lenssr.data.real_pairs import RealExposure, RealPairs
from lenssr.data.simulate import SimulatedSource

__all__ = [
    "BinnedExposure",
    "BlurredExposure",
    "FolderSource",
    "LensDataModule",
    "RealExposure",
    "RealPairs",
    "RealSource",
    "SimulatedSource",
    "TwoExposures",
]
