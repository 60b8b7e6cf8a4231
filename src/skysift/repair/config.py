"""Configuration of the repair of images: the fields of the LSST configurations of the same names."""

from __future__ import annotations

import lsst.pex.config as pexConfig

from skysift.background.config import BackgroundConfig

__all__ = ["FindCosmicRaysConfig", "InterpImageConfig", "RepairConfig"]


class FindCosmicRaysConfig(pexConfig.Config):
    """How to find and remove cosmic rays."""

    nCrPixelMax = pexConfig.Field[int](doc="Largest number of contaminated pixels.", dtype=int, default=1000000)
    minSigma = pexConfig.Field[float](
        doc="A pixel must stand above its neighbours by this many standard deviations; below zero: minus a number of counts.",
        dtype=float,
        default=6.0,
    )
    min_DN = pexConfig.Field[float](doc="Least number of counts of a cosmic ray.", dtype=float, default=150.0)
    cond3_fac = pexConfig.Field[float](doc="Standard deviations in the comparison with the PSF.", dtype=float, default=2.0)
    cond3_fac2 = pexConfig.Field[float](doc="Fraction of the PSF's slope in the comparison with the PSF.", dtype=float, default=0.35)
    niteration = pexConfig.Field[int](doc="Number of times to look for more pixels beside those found.", dtype=int, default=6)
    keepCRs = pexConfig.Field[bool](doc="Do not interpolate over cosmic rays.", dtype=bool, default=False)
    compatNoiseFill = pexConfig.Field[bool](
        doc="Fill cosmic rays with background and noise, as the reference does, instead of interpolating.", dtype=bool, default=False
    )
    background = pexConfig.ConfigField[BackgroundConfig](doc="Background to subtract before the search.", dtype=BackgroundConfig)

    def setDefaults(self) -> None:
        """Use one value for the whole image unless the cells are made smaller."""
        super().setDefaults()
        self.background.useApprox = False
        self.background.binSize = 100000
        self.background.statisticsProperty = "MEDIAN"
        self.background.undersampleStyle = "REDUCE_INTERP_ORDER"
        self.background.algorithm = "AKIMA_SPLINE"


class InterpImageConfig(pexConfig.Config):
    """How to interpolate over defects."""

    useFallbackValueAtEdge = pexConfig.Field[bool](
        doc="Use a fallback value in long defects at the border of the image.", dtype=bool, default=True
    )
    fallbackValueType = pexConfig.ChoiceField[str](
        doc="Statistic of the good pixels to use as the fallback value.",
        dtype=str,
        default="MEDIAN",
        allowed={"MEAN": "Mean.", "MEDIAN": "Median.", "MEANCLIP": "Clipped mean.", "USER": "fallbackUserValue."},
    )
    fallbackUserValue = pexConfig.Field[float](doc="Fallback value when fallbackValueType is USER.", dtype=float, default=0.0)
    negativeFallbackAllowed = pexConfig.Field[bool](doc="Allow a fallback value below zero; else use zero.", dtype=bool, default=False)
    transpose = pexConfig.Field[bool](doc="Interpolate along columns instead of rows.", dtype=bool, default=False)

    def validate(self) -> None:
        """Check the fallback value."""
        super().validate()
        if self.fallbackValueType == "USER" and self.fallbackUserValue < 0 and not self.negativeFallbackAllowed:
            raise ValueError(f"fallbackUserValue is {self.fallbackUserValue}, but negativeFallbackAllowed is not set")


class RepairConfig(pexConfig.Config):
    """How to repair an exposure."""

    doInterpolate = pexConfig.Field[bool](doc="Interpolate over defects?", dtype=bool, default=True)
    doCosmicRay = pexConfig.Field[bool](doc="Find and remove cosmic rays?", dtype=bool, default=True)
    cosmicray = pexConfig.ConfigField[FindCosmicRaysConfig](doc="Cosmic rays.", dtype=FindCosmicRaysConfig)
    interp = pexConfig.ConfigField[InterpImageConfig](doc="Interpolation over defects.", dtype=InterpImageConfig)

    def setDefaults(self) -> None:
        """Take the clipped mean, of either sign, as the fallback value."""
        super().setDefaults()
        self.interp.useFallbackValueAtEdge = True
        self.interp.fallbackValueType = "MEANCLIP"
        self.interp.negativeFallbackAllowed = True
