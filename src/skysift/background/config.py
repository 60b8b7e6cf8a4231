"""Configuration of the background fit: the fields of the LSST `SubtractBackgroundConfig`."""

from __future__ import annotations

import lsst.pex.config as pexConfig

__all__ = ["BackgroundConfig"]


class BackgroundConfig(pexConfig.Config):
    """How to estimate and interpolate the background of an image."""

    statisticsProperty = pexConfig.ChoiceField[str](
        doc="Statistic of the good pixels of each cell.",
        dtype=str,
        default="MEANCLIP",
        allowed={"MEANCLIP": "Clipped mean.", "MEAN": "Mean.", "MEDIAN": "Median."},
    )
    undersampleStyle = pexConfig.ChoiceField[str](
        doc="What to do when there are too few cells for the interpolation.",
        dtype=str,
        default="REDUCE_INTERP_ORDER",
        allowed={
            "THROW_EXCEPTION": "Raise an error.",
            "REDUCE_INTERP_ORDER": "Use a lower order of interpolation.",
            "INCREASE_NXNYSAMPLE": "Use more and smaller cells (approximation only).",
        },
    )
    binSize = pexConfig.RangeField(doc="Side of a cell, pixels.", dtype=int, default=128, min=1)
    binSizeX = pexConfig.RangeField(doc="Width of a cell, pixels; 0 means binSize.", dtype=int, default=0, min=0)
    binSizeY = pexConfig.RangeField(doc="Height of a cell, pixels; 0 means binSize.", dtype=int, default=0, min=0)
    algorithm = pexConfig.ChoiceField[str](
        doc="How to interpolate between the cells; not used with useApprox.",
        dtype=str,
        default="AKIMA_SPLINE",
        optional=True,
        allowed={
            "CONSTANT": "A step function, cell by cell.",
            "LINEAR": "Linear interpolation.",
            "NATURAL_SPLINE": "Cubic spline with zero second derivative at its ends.",
            "AKIMA_SPLINE": "Cubic spline that resists outlying cells.",
            "NONE": "No background.",
        },
    )
    ignoredPixelMask = pexConfig.ListField[str](
        doc="Mask planes of pixels to ignore.",
        dtype=str,
        default=["BAD", "EDGE", "DETECTED", "DETECTED_NEGATIVE", "NO_DATA"],
        itemCheck=lambda plane: plane != "",
    )
    isNanSafe = pexConfig.Field[bool](doc="Ignore NaN pixels; else they make their cell NaN.", dtype=bool, default=False)
    useApprox = pexConfig.Field[bool](doc="Fit a Chebyshev polynomial to the cells instead of interpolating.", dtype=bool, default=True)
    approxOrderX = pexConfig.Field[int](doc="Order of the Chebyshev polynomial.", dtype=int, default=6)
    approxOrderY = pexConfig.Field[int](doc="Order in y: -1 (the order in x) or the same as in x.", dtype=int, default=-1)
    weighting = pexConfig.Field[bool](doc="Weight the cells of the Chebyshev fit with their inverse error.", dtype=bool, default=True)
    doApplyFlatBackgroundRatio = pexConfig.Field[bool](
        doc="Fit and subtract on the image multiplied by the ratio of background to photometric flat field.", dtype=bool, default=False
    )
    doFilterSuperPixels = pexConfig.Field[bool](doc="Median-filter the cells.", dtype=bool, default=False)
    superPixelFilterSize = pexConfig.RangeField(doc="Side of the median filter, cells.", dtype=int, default=3, min=1)

    def validate(self) -> None:
        """Check that the two Chebyshev orders agree."""
        super().validate()
        if self.approxOrderY not in (-1, self.approxOrderX):
            raise ValueError(f"approxOrderY is {self.approxOrderY}; it must be -1 or approxOrderX ({self.approxOrderX})")


class SkyConfig(pexConfig.Config):
    """How to estimate the sky between the sources of an image."""

    cellSize = pexConfig.RangeField(doc="Side of a cell of the sky model, pixels.", dtype=int, default=128, min=4)
    ignoredPixelMask = pexConfig.ListField[str](
        doc="Mask planes of pixels to ignore. Planes set by detection do not belong here: they would take out one side of the noise.",
        dtype=str,
        default=["BAD", "SAT", "CR", "NO_DATA", "SUSPECT", "VIGNETTED", "STREAK"],
    )
    threshold = pexConfig.RangeField(
        doc="Blocks that differ from the sky by more than this many standard deviations, above or below, are left out.",
        dtype=float,
        default=2.5,
        min=1.0,
    )
    growRadius = pexConfig.RangeField(doc="Reach around a block at the threshold, blocks.", dtype=float, default=1.6, min=0.0)
    growPower = pexConfig.RangeField(
        doc="Power of the brightness with which the reach grows; 3/11 is exact for the r**(-11/3) wings of a seeing disk.",
        dtype=float,
        default=0.3,
        min=0.0,
        max=1.0,
    )
    iterations = pexConfig.RangeField(doc="Number of times to repeat masking and fitting.", dtype=int, default=3, min=1)
    smoothing = pexConfig.RangeField(
        doc="Strength of the smoothing of the cells: structure of a wavelength of L cells is damped by 1 + smoothing * (2 pi / L)**4.",
        dtype=float,
        default=0.3,
        min=0.0,
    )
