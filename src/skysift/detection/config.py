"""Configuration of detection: the fields of the LSST `SourceDetectionConfig` and `SkyObjectsConfig`, and of `find_sources`."""

from __future__ import annotations

import lsst.pex.config as pexConfig

from skysift.background.config import BackgroundConfig

__all__ = ["FindSourcesConfig", "SkyObjectsConfig", "SourceDetectionConfig"]


class SourceDetectionConfig(pexConfig.Config):
    """How to find footprints above a threshold in a smoothed image."""

    minPixels = pexConfig.RangeField(
        doc="Drop footprints of fewer pixels than this, counted before they are grown.", dtype=int, default=1, min=0
    )
    isotropicGrow = pexConfig.Field[bool](doc="Grow footprints with a circle, else with a diamond.", dtype=bool, default=True)
    combinedGrow = pexConfig.Field[bool](
        doc="Grow all footprints together and merge those that then touch, else each on its own.", dtype=bool, default=True
    )
    nSigmaToGrow = pexConfig.Field[float](doc="Grow footprints by this many sigmas of the PSF; 0 does not.", dtype=float, default=2.4)
    returnOriginalFootprints = pexConfig.Field[bool](
        doc="Grow footprints for the mask only, and return them as they were found.", dtype=bool, default=False
    )
    thresholdValue = pexConfig.RangeField(doc="Threshold, in the unit of thresholdType.", dtype=float, default=5.0, min=0.0)
    includeThresholdMultiplier = pexConfig.RangeField(
        doc="Keep only footprints with a pixel that reaches this many times the threshold.", dtype=float, default=1.0, min=0.0
    )
    thresholdType = pexConfig.ChoiceField[str](
        doc="Unit of the threshold.",
        dtype=str,
        default="pixel_stdev",
        allowed={
            "variance": "The square root of the variance of the smoothed image.",
            "stdev": "The clipped standard deviation of the smoothed image.",
            "value": "The image's own unit.",
            "pixel_stdev": "The standard deviation of each pixel, from the variance plane.",
        },
    )
    thresholdPolarity = pexConfig.ChoiceField[str](
        doc="Sign of the sources to find.",
        dtype=str,
        default="positive",
        allowed={"positive": "Positive.", "negative": "Negative.", "both": "Both."},
    )
    adjustBackground = pexConfig.Field[float](doc="Constant added to the re-estimated background.", dtype=float, default=0.0)
    reEstimateBackground = pexConfig.Field[bool](
        doc="Fit the background again without the pixels detected, and subtract it.", dtype=bool, default=True
    )
    doApplyFlatBackgroundRatio = pexConfig.Field[bool](
        doc="Re-estimate the background on the image multiplied by the ratio of background to photometric flat field.",
        dtype=bool,
        default=False,
    )
    background = pexConfig.ConfigField[BackgroundConfig](doc="How to re-estimate the background.", dtype=BackgroundConfig)
    tempLocalBackground = pexConfig.ConfigField[BackgroundConfig](
        doc="The small-scale background subtracted from the smoothed image while peaks are found.", dtype=BackgroundConfig
    )
    doTempLocalBackground = pexConfig.Field[bool](
        doc="Find peaks on the smoothed image without its small-scale background.", dtype=bool, default=True
    )
    tempWideBackground = pexConfig.ConfigField[BackgroundConfig](
        doc="The large-scale background taken out of the image during detection.", dtype=BackgroundConfig
    )
    doTempWideBackground = pexConfig.Field[bool](
        doc="Take a large-scale background out of the image during detection.", dtype=bool, default=False
    )
    nPeaksMaxSimple = pexConfig.Field[int](
        doc="Footprints of up to this many peaks keep the peaks they had before the local background was subtracted.", dtype=int, default=1
    )
    nSigmaForKernel = pexConfig.Field[float](doc="Full width of the smoothing kernel in sigmas.", dtype=float, default=7.0)
    statsMask = pexConfig.ListField[str](
        doc="Mask planes of pixels left out of the statistics of the image.", dtype=str, default=["BAD", "SAT", "EDGE", "NO_DATA"]
    )
    excludeMaskPlanes = pexConfig.ListField[str](
        doc="Mask planes of pixels that are set to zero in the smoothed image.", dtype=str, default=[]
    )

    def setDefaults(self) -> None:
        """Set the cells of the two temporary backgrounds."""
        self.tempLocalBackground.binSize = 64
        self.tempLocalBackground.useApprox = False
        self.tempWideBackground.binSize = 512
        self.tempWideBackground.useApprox = False
        self.tempWideBackground.ignoredPixelMask = [
            plane for plane in self.tempWideBackground.ignoredPixelMask if not plane.startswith("DETECTED")
        ]


class SkyObjectsConfig(pexConfig.Config):
    """Where to put objects on empty sky."""

    avoidMask = pexConfig.ListField[str](
        doc="Mask planes to keep away from.", dtype=str, default=["DETECTED", "DETECTED_NEGATIVE", "BAD", "NO_DATA"]
    )
    growMask = pexConfig.RangeField(doc="Grow the pixels to avoid by this radius, pixels.", dtype=int, default=0, min=0)
    sourceRadius = pexConfig.Field[float](doc="Radius of a sky object, pixels.", dtype=float, default=8.0)
    nSources = pexConfig.RangeField(doc="Number of sky objects wanted.", dtype=int, default=100, min=0)
    nTrialSources = pexConfig.RangeField(
        doc="Number of positions to try; None means nSources times nTrialSourcesMultiplier.", dtype=int, default=None, optional=True, min=0
    )
    nTrialSourcesMultiplier = pexConfig.RangeField(doc="Trials per sky object wanted.", dtype=int, default=5, min=1)


class FindSourcesConfig(pexConfig.Config):
    """How `find_sources` filters the image, judges peaks and splits blends."""

    threshold = pexConfig.RangeField(
        doc="Least signal-to-noise ratio of a source in the image filtered with the PSF.", dtype=float, default=5.0, min=0.0
    )
    maskPlanes = pexConfig.ListField[str](doc="Mask planes of pixels that count as missing.", dtype=str, default=["BAD", "CR", "NO_DATA"])
    saturatedMaskPlanes = pexConfig.ListField[str](
        doc="Mask planes of saturated pixels; a group of them is never more than one source.", dtype=str, default=["SAT"]
    )
    minScore = pexConfig.Field[float](
        doc="Least score of a peak in the test against bumps of noise on brighter sources; higher is purer, lower more complete.",
        dtype=float,
        default=0.0,
    )
    hiddenThreshold = pexConfig.RangeField(
        doc="Least significance of what a bright source's mirror image leaves over, for a source hidden beside it; 0 looks for none.",
        dtype=float,
        default=5.0,
        min=0.0,
    )
    asymmetry = pexConfig.RangeField(
        doc="Fraction of its brightness by which a single source may differ from its mirror image.", dtype=float, default=0.03, min=0.0
    )
    nSigmaToGrow = pexConfig.RangeField(
        doc="Grow the pixels above the threshold by this many sigmas of the PSF.", dtype=float, default=2.4, min=0.0
    )
