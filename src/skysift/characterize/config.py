"""Configuration of star selection, PSF determination and characterisation: the fields of the LSST configurations of the same names."""

from __future__ import annotations

import lsst.pex.config as pexConfig

from skysift.background.config import BackgroundConfig
from skysift.characterize.ap_corr_config import MeasureApCorrConfig, NormalizedCalibrationFluxConfig
from skysift.characterize.determiner_config import PSF_DETERMINERS
from skysift.characterize.selector_config import SOURCE_SELECTORS
from skysift.detection.config import SourceDetectionConfig
from skysift.measure.ap_corr import ApplyApCorrConfig
from skysift.measure.calculation import CatalogCalculationConfig
from skysift.measure.config import MeasurementConfig
from skysift.repair.config import RepairConfig

__all__ = [
    "CharacterizeImageConfig",
    "InstallGaussianPsfConfig",
    "MakePsfCandidatesConfig",
    "MeasurePsfConfig",
    "ReserveSourcesConfig",
]


class MakePsfCandidatesConfig(pexConfig.Config):
    """Which of the selected stars can be cut out (LSST `MakePsfCandidatesConfig`)."""

    kernelSize = pexConfig.Field[int](doc="Side of the stamp that must lie in the image, pixels.", dtype=int, default=27)
    borderWidth = pexConfig.Field[int](doc="Border around the stamp, pixels.", dtype=int, default=0)


class ReserveSourcesConfig(pexConfig.Config):
    """Which stars are kept from the fit to judge it (LSST `ReserveSourcesConfig`)."""

    fraction = pexConfig.RangeField(doc="Fraction of the candidates to reserve.", dtype=float, default=0.0, min=0.0, max=1.0)
    seed = pexConfig.Field[int](doc="Seed; the number of the exposure is added.", dtype=int, default=1)


class MeasurePsfConfig(pexConfig.Config):
    """How to measure the PSF (LSST `MeasurePsfConfig`)."""

    starSelector = pexConfig.ConfigChoiceField(doc="How to select stars.", typemap=SOURCE_SELECTORS, default="objectSize")
    makePsfCandidates = pexConfig.ConfigField[MakePsfCandidatesConfig](doc="Cutting out.", dtype=MakePsfCandidatesConfig)
    psfDeterminer = pexConfig.ConfigChoiceField(doc="How to fit the PSF.", typemap=PSF_DETERMINERS, default="psfex")
    reserve = pexConfig.ConfigField[ReserveSourcesConfig](doc="Stars kept from the fit.", dtype=ReserveSourcesConfig)

    def validate(self) -> None:
        """Check the sizes that must fit each other."""
        super().validate()
        if self.psfDeterminer.name == "piff" and self.psfDeterminer.active.stampSize > self.makePsfCandidates.kernelSize:
            raise ValueError(
                f"psfDeterminer['piff'].stampSize is {self.psfDeterminer.active.stampSize}; it must not exceed "
                f"makePsfCandidates.kernelSize ({self.makePsfCandidates.kernelSize})"
            )


class InstallGaussianPsfConfig(pexConfig.Config):
    """The PSF to begin with (LSST `InstallGaussianPsfConfig`)."""

    fwhm = pexConfig.Field[float](
        doc="Full width at half maximum, pixels, when there is no PSF yet.", dtype=float, default=1.5 * 2.354820045
    )
    width = pexConfig.RangeField(doc="Side of the PSF image, odd, pixels, when there is no PSF yet.", dtype=int, default=11, min=1)

    def validate(self) -> None:
        """Check that the width is odd."""
        super().validate()
        if self.width % 2 == 0:
            raise ValueError(f"width is {self.width}; it must be odd")


class CharacterizeImageConfig(pexConfig.Config):
    """How to characterise an image (LSST `CharacterizeImageConfig`)."""

    doMeasurePsf = pexConfig.Field[bool](doc="Measure the PSF; else keep that of the exposure.", dtype=bool, default=True)
    psfIterations = pexConfig.RangeField(doc="How often to detect sources and measure the PSF.", dtype=int, default=2, min=1)
    background = pexConfig.ConfigField[BackgroundConfig](doc="First background.", dtype=BackgroundConfig)
    detection = pexConfig.ConfigField[SourceDetectionConfig](doc="Detection.", dtype=SourceDetectionConfig)
    measurement = pexConfig.ConfigField[MeasurementConfig](doc="Measurement.", dtype=MeasurementConfig)
    doNormalizedCalibration = pexConfig.Field[bool](
        doc="Scale the calibration flux to the scale of a large aperture.", dtype=bool, default=True
    )
    normalizedCalibrationFlux = pexConfig.ConfigField[NormalizedCalibrationFluxConfig](
        doc="The scaled calibration flux.", dtype=NormalizedCalibrationFluxConfig
    )
    doApCorr = pexConfig.Field[bool](doc="Measure aperture corrections and apply them.", dtype=bool, default=True)
    measureApCorr = pexConfig.ConfigField[MeasureApCorrConfig](doc="Aperture corrections.", dtype=MeasureApCorrConfig)
    applyApCorr = pexConfig.ConfigField[ApplyApCorrConfig](doc="Their application.", dtype=ApplyApCorrConfig)
    catalogCalculation = pexConfig.ConfigField[CatalogCalculationConfig](doc="Quantities made of others.", dtype=CatalogCalculationConfig)
    useSimplePsf = pexConfig.Field[bool](
        doc="Use a Gaussian for the PSF until it is measured, in every iteration.", dtype=bool, default=True
    )
    installSimplePsf = pexConfig.ConfigField[InstallGaussianPsfConfig](doc="The Gaussian.", dtype=InstallGaussianPsfConfig)
    measurePsf = pexConfig.ConfigField[MeasurePsfConfig](doc="The PSF.", dtype=MeasurePsfConfig)
    repair = pexConfig.ConfigField[RepairConfig](doc="Cosmic rays.", dtype=RepairConfig)
    requireCrForPsf = pexConfig.Field[bool](doc="Fail where cosmic rays cannot be found.", dtype=bool, default=True)

    def setDefaults(self) -> None:
        """Detect bright sources only, measure what the PSF needs, and take aperture corrections from the PSF's stars."""
        super().setDefaults()
        self.detection.thresholdValue = 5.0
        self.detection.includeThresholdMultiplier = 10.0
        self.measurement.plugins.names = [
            "base_PixelFlags",
            "base_SdssCentroid",
            "base_SdssShape",
            "base_GaussianFlux",
            "base_PsfFlux",
            "base_CircularApertureFlux",
            "base_CompensatedTophatFlux",
        ]
        self.measureApCorr.sourceSelector["science"].doFlags = True
        self.measureApCorr.sourceSelector["science"].doUnresolved = False
        self.measureApCorr.sourceSelector["science"].doSignalToNoise = False
        self.measureApCorr.sourceSelector["science"].flags.good = ["calib_psf_used"]
        self.measureApCorr.sourceSelector["science"].flags.bad = []

    def validate(self) -> None:
        """Check that what depends on the PSF's stars gets them."""
        super().validate()
        raw = self.normalizedCalibrationFlux.raw_calibflux_name
        if self.doNormalizedCalibration and not any(raw.startswith(name) for name in self.measurement.plugins.names):
            raise ValueError(f"doNormalizedCalibration needs the plugin of {raw!r}; add it to measurement.plugins.names or switch it off")
