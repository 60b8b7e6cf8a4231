"""Tasks with the LSST names: thin shells of the science for `lsst.pipe.base`.

The names are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skysift._lazy import lazy_names

if TYPE_CHECKING:
    from skysift.tasks.apcorr import MeasureApCorrTask, NormalizedCalibrationFluxTask
    from skysift.tasks.background import ScaleVarianceTask, SubtractBackgroundTask
    from skysift.tasks.characterize import CharacterizeImageTask, MeasurePsfTask
    from skysift.tasks.detection import SkyObjectsTask, SourceDetectionTask
    from skysift.tasks.measurement import (
        ApplyApCorrTask,
        CatalogCalculationTask,
        SingleFrameMeasurementConfig,
        SingleFrameMeasurementTask,
    )
    from skysift.tasks.psf import InstallGaussianPsfTask
    from skysift.tasks.repair import InterpImageTask, RepairTask

_HOMES = {
    "ApplyApCorrTask": "measurement",
    "CatalogCalculationTask": "measurement",
    "CharacterizeImageTask": "characterize",
    "InstallGaussianPsfTask": "psf",
    "InterpImageTask": "repair",
    "MeasureApCorrTask": "apcorr",
    "MeasurePsfTask": "characterize",
    "NormalizedCalibrationFluxTask": "apcorr",
    "RepairTask": "repair",
    "ScaleVarianceTask": "background",
    "SingleFrameMeasurementConfig": "measurement",
    "SingleFrameMeasurementTask": "measurement",
    "SkyObjectsTask": "detection",
    "SourceDetectionTask": "detection",
    "SubtractBackgroundTask": "background",
}

__all__ = [
    "ApplyApCorrTask",
    "CatalogCalculationTask",
    "CharacterizeImageTask",
    "InstallGaussianPsfTask",
    "InterpImageTask",
    "MeasureApCorrTask",
    "MeasurePsfTask",
    "NormalizedCalibrationFluxTask",
    "RepairTask",
    "ScaleVarianceTask",
    "SingleFrameMeasurementConfig",
    "SingleFrameMeasurementTask",
    "SkyObjectsTask",
    "SourceDetectionTask",
    "SubtractBackgroundTask",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
