"""What `skysift process` does, as configuration."""

from __future__ import annotations

import lsst.pex.config as pexConfig

from skysift.characterize.ap_corr_config import MeasureApCorrConfig
from skysift.characterize.config import MeasurePsfConfig
from skysift.measure import ApplyApCorrConfig, CatalogCalculationConfig
from skysift.measure.config import DEFAULT_PLUGINS, MeasurementConfig
from skysift.pipeline.config import DetectConfig
from skysift.repair.config import RepairConfig

__all__ = ["ProcessConfig", "PsfConfig"]


class PsfConfig(pexConfig.Config):
    """How `skysift process` learns the PSF."""

    doRepair = pexConfig.Field[bool](doc="Find cosmic rays and interpolate over them.", dtype=bool, default=True)
    minFwhmForRepair = pexConfig.RangeField(
        doc="Cosmic rays are looked for where stars are at least this wide (FWHM, pixels): sharper stars look like cosmic rays themselves.",
        dtype=float,
        default=2.6,
        min=0.0,
    )
    repair = pexConfig.ConfigField[RepairConfig](doc="Cosmic rays.", dtype=RepairConfig)
    minSignalToNoise = pexConfig.RangeField(
        doc="Sources of a lower signal-to-noise ratio in the filtered image are not looked at.", dtype=float, default=15.0, min=0.0
    )
    measurement = pexConfig.ConfigField[MeasurementConfig](doc="What is measured of the stars' candidates.", dtype=MeasurementConfig)
    measurePsf = pexConfig.ConfigField[MeasurePsfConfig](doc="Selection of stars and fit.", dtype=MeasurePsfConfig)
    doRefit = pexConfig.Field[bool](
        doc="Once the reserved stars have judged the fit, fit again with all stars: the PSF of the products is that one.",
        dtype=bool,
        default=True,
    )

    def setDefaults(self) -> None:
        """Measure what the star selector and the fit ask for, and keep a fifth of the stars for the report."""
        super().setDefaults()
        self.measurement.plugins.names = [
            "base_PixelFlags",
            "base_SdssCentroid",
            "base_SdssShape",
            "base_PsfFlux",
            "base_GaussianFlux",
            "base_CircularApertureFlux",
        ]
        self.measurement.plugins["base_CircularApertureFlux"].radii = [3.0, 9.0, 12.0]
        self.measurePsf.reserve.fraction = 0.2


class ProcessConfig(DetectConfig):
    """What `skysift process` does."""

    psf = pexConfig.ConfigField[PsfConfig](doc="The PSF.", dtype=PsfConfig)
    doApCorr = pexConfig.Field[bool](doc="Measure aperture corrections and apply them.", dtype=bool, default=True)
    measureApCorr = pexConfig.ConfigField[MeasureApCorrConfig](doc="Aperture corrections.", dtype=MeasureApCorrConfig)
    applyApCorr = pexConfig.ConfigField[ApplyApCorrConfig](doc="Their application.", dtype=ApplyApCorrConfig)
    catalogCalculation = pexConfig.ConfigField[CatalogCalculationConfig](doc="Quantities made of others.", dtype=CatalogCalculationConfig)

    def setDefaults(self) -> None:
        """Measure everything, and correct fluxes to the total light of the stars of the PSF."""
        super().setDefaults()
        default = MeasurementConfig()
        self.measurement.plugins.names = [
            *DEFAULT_PLUGINS,
            "ext_photometryKron_KronFlux",
            "skysift_PsfCentroid",
            "skysift_ModelExtendedness",
        ]
        self.measurement.plugins["base_CircularApertureFlux"].radii = default.plugins["base_CircularApertureFlux"].radii
        self.measureApCorr.refFluxName = "base_PsfFlux"
        # A flux without a correction says so in its flag_apCorr; it is no failure.
        self.applyApCorr.doFlagApCorrFailures = False
        selector = self.measureApCorr.sourceSelector["science"]
        selector.doFlags, selector.doUnresolved, selector.doSignalToNoise = True, False, False
        selector.flags.good, selector.flags.bad = ["calib_psf_used"], []
