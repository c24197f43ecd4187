"""From parameters to batches: simulate or import, store, observe, feed."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lenssr.data.camera.degrade import BlurredExposure
    from lenssr.data.camera.observe import BinnedExposure, TwoExposures
    from lenssr.data.datamodule import LensDataModule
    from lenssr.data.deeplense_pairs import DeepLensePairs
    from lenssr.data.lens_data import LensData
    from lenssr.data.real_pairs import RealExposure, RealPairs
    from lenssr.data.sets.deeplense import DeepLensePairSource
    from lenssr.data.sets.finding import FindingSource
    from lenssr.data.sets.folder import FolderSource
    from lenssr.data.sets.real import RealSource
    from lenssr.data.sets.simulated import SimulatedSource
    from lenssr.data.sets.survey import SurveySource
    from lenssr.data.survey_pairs import SurveyExposures, SurveyPairs

# where each is: making a set needs no Lightning, whose import takes seconds
_PLACES = {
    "BinnedExposure": "camera.observe",
    "BlurredExposure": "camera.degrade",
    "DeepLensePairSource": "sets.deeplense",
    "DeepLensePairs": "deeplense_pairs",
    "FindingSource": "sets.finding",
    "FolderSource": "sets.folder",
    "LensData": "lens_data",
    "LensDataModule": "datamodule",
    "RealExposure": "real_pairs",
    "RealPairs": "real_pairs",
    "RealSource": "sets.real",
    "SimulatedSource": "sets.simulated",
    "SurveyExposures": "survey_pairs",
    "SurveyPairs": "survey_pairs",
    "SurveySource": "sets.survey",
    "TwoExposures": "camera.observe",
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
    if name in _PLACES:
        return getattr(importlib.import_module(f"lenssr.data.{_PLACES[name]}"), name)
    raise AttributeError(f"module 'lenssr.data' has no attribute {name!r}")
