"""Configuration of aperture corrections: the fields of the LSST configurations of the same names."""

from __future__ import annotations

import lsst.pex.config as pexConfig

from skysift.characterize.selector_config import SOURCE_SELECTORS

__all__ = ["ChebyshevFitConfig", "MeasureApCorrConfig", "NormalizedCalibrationFluxConfig"]


class ChebyshevFitConfig(pexConfig.Config):
    """Orders of a Chebyshev field (LSST `ChebyshevBoundedFieldConfig`)."""

    orderX = pexConfig.RangeField(doc="Order in x.", dtype=int, default=2, min=0)
    orderY = pexConfig.RangeField(doc="Order in y.", dtype=int, default=2, min=0)
    triangular = pexConfig.Field[bool](doc="Leave out products of a higher total order.", dtype=bool, default=True)


class MeasureApCorrConfig(pexConfig.Config):
    """How to measure aperture corrections (LSST `MeasureApCorrConfig`)."""

    refFluxName = pexConfig.Field[str](doc="Prefix of the flux that all others are corrected to.", dtype=str, default="slot_CalibFlux")
    sourceSelector = pexConfig.ConfigChoiceField(doc="How to select stars.", typemap=SOURCE_SELECTORS, default="science")
    minDegreesOfFreedom = pexConfig.RangeField(
        doc="Least number of stars beyond that of coefficients; the order is lowered to reach it.", dtype=int, default=1, min=1
    )
    fitConfig = pexConfig.ConfigField[ChebyshevFitConfig](doc="Orders of the fields.", dtype=ChebyshevFitConfig)
    numIter = pexConfig.Field[int](doc="Rounds of clipping and fitting.", dtype=int, default=4)
    numSigmaClip = pexConfig.Field[float](doc="Width of the clipping, sigmas.", dtype=float, default=4.0)
    doFinalMedianShift = pexConfig.Field[bool](doc="Shift each field so that the median residual is zero.", dtype=bool, default=True)
    allowFailure = pexConfig.ListField[str](doc="Prefixes of fluxes that may have too few stars.", dtype=str, default=[])

    def setDefaults(self) -> None:
        """Select bright, clean point sources."""
        super().setDefaults()
        science = self.sourceSelector["science"]
        science.doFlags = True
        science.doUnresolved = True
        science.doSignalToNoise = True
        science.signalToNoise.minimum = 200.0
        science.flags.bad = [
            f"base_PixelFlags_flag_{name}"
            for name in ("edge", "nodata", "interpolatedCenter", "saturatedCenter", "crCenter", "bad", "interpolated", "saturated")
        ]


class NormalizedCalibrationFluxConfig(pexConfig.Config):
    """How to scale the calibration flux (LSST `NormalizedCalibrationFluxConfig`)."""

    measure_ap_corr = pexConfig.ConfigField[MeasureApCorrConfig](doc="The scale.", dtype=MeasureApCorrConfig)
    raw_calibflux_name = pexConfig.Field[str](doc="Prefix of the flux to scale.", dtype=str, default="base_CompensatedTophatFlux_12")
    normalized_calibflux_name = pexConfig.Field[str](
        doc="Prefix of the scaled flux.", dtype=str, default="base_NormalizedCompensatedTophatFlux"
    )
    do_set_calib_slot = pexConfig.Field[bool](doc="Make the scaled flux the slot CalibFlux.", dtype=bool, default=True)
    do_measure_ap_corr = pexConfig.Field[bool](doc="Measure the scale; else take that of the exposure.", dtype=bool, default=True)

    def setDefaults(self) -> None:
        """Scale to the aperture of 12 pixels by one number, from the stars that made the PSF."""
        super().setDefaults()
        self.measure_ap_corr.refFluxName = "base_CircularApertureFlux_12_0"
        self.measure_ap_corr.fitConfig.orderX = 0
        self.measure_ap_corr.fitConfig.orderY = 0
        science = self.measure_ap_corr.sourceSelector["science"]
        science.doUnresolved = False
        science.doSignalToNoise = False
        science.flags.good = ["calib_psf_used"]
        science.flags.bad = []
