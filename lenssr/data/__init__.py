"""From parameters to batches: simulate or import, store, observe, feed."""

import importlib
from typing import TYPE_CHECKING, Any

from lenssr.data.camera.degrade import BlurredExposure
from lenssr.data.camera.observe import BinnedExposure, TwoExposures
from lenssr.data.lens_data import LensData
from lenssr.data.sets.deeplense import DeepLensePairSource
from lenssr.data.sets.finding import FindingSource
from lenssr.data.sets.folder import FolderSource
from lenssr.data.sets.real import RealSource
from lenssr.data.sets.simulated import SimulatedSource
from lenssr.data.sets.survey import SurveySource

if TYPE_CHECKING:
    from lenssr.data.datamodule import LensDataModule
    from lenssr.data.deeplense_pairs import DeepLensePairs
    from lenssr.data.real_pairs import RealExposure, RealPairs
    from lenssr.data.survey_pairs import SurveyExposures, SurveyPairs

# what needs Lightning, whose import takes seconds: making a set shall not wait for it
_LATER = {
    "DeepLensePairs": "deeplense_pairs",
    "LensDataModule": "datamodule",
    "RealExposure": "real_pairs",
    "RealPairs": "real_pairs",
    "SurveyExposures": "survey_pairs",
    "SurveyPairs": "survey_pairs",
}

__all__ = [
    "BinnedExposure",
    "BlurredExposure",
    "DeepLensePairSource",
    "DeepLensePairs",
    "FindingSource",
    "FolderSource",
    "LensData",
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


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(f"lenssr.data.{_LATER[name]}"), name)
    raise AttributeError(f"module 'lenssr.data' has no attribute {name!r}")
