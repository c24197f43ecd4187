"""From parameters to batches: simulate or import, store, observe, feed."""

from lenssr.data.camera.degrade import BlurredExposure
from lenssr.data.camera.observe import BinnedExposure, TwoExposures
from lenssr.data.datamodule import LensDataModule
from lenssr.data.deeplense_pairs import DeepLensePairs
from lenssr.data.real_pairs import RealExposure, RealPairs
from lenssr.data.sets.deeplense import DeepLensePairSource
from lenssr.data.sets.finding import FindingSource
from lenssr.data.sets.folder import FolderSource
from lenssr.data.sets.real import RealSource
from lenssr.data.sets.simulated import SimulatedSource
from lenssr.data.sets.survey import SurveySource
from lenssr.data.survey_pairs import SurveyExposures, SurveyPairs

__all__ = [
    "BinnedExposure",
    "BlurredExposure",
    "DeepLensePairSource",
    "DeepLensePairs",
    "FindingSource",
    "FolderSource",
    "LensDataModule",
    "RealExposure",
    "RealPairs",
    "RealSource",
    "SimulatedSource",
    "SurveyExposures",
    "SurveyPairs",
    "SurveySource",
    "TwoExposures",
]
