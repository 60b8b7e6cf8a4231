"""Footprints above a threshold, by the steps of the LSST `SourceDetectionTask`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from skysift.background import BackgroundList, fit_background, subtract_background
from skysift.detection.smooth import convolve_image, get_psf
from skysift.errors import InputError
from skysift.footprint import FootprintArrays, FootprintSet, Threshold

if TYPE_CHECKING:
    from skysift.detection.config import SourceDetectionConfig
    from skysift.image import Exposure, Image, Mask, MaskedImage

__all__ = ["Detections", "apply_threshold", "detect_footprints", "finalize_footprints", "temporary_background", "update_peaks"]


@dataclass
class Detections:
    """What `detect_footprints` found.

    Attributes
    ----------
    positive, negative
        The footprints; None for a sign that was not asked for.
    positive_threshold, negative_threshold
        The thresholds that were applied last, in the unit of the smoothed image for the types "stdev" and "value".
    factor, factor_neg
        What the thresholds were multiplied by.
    background
        What was subtracted from the image for good.
    sigma
        Standard deviation of the smoothing kernel, pixels.
    kernel_width
        Full width of the smoothing kernel, pixels.
    n_grow
        Number of pixels by which footprints were grown.
    """

    positive: FootprintSet | None = None
    negative: FootprintSet | None = None
    positive_threshold: Threshold | None = None
    negative_threshold: Threshold | None = None
    factor: float = 1.0
    factor_neg: float = 1.0
    background: BackgroundList = field(default_factory=BackgroundList)
    sigma: float = float("nan")
    kernel_width: int = 0
    n_grow: int = 0

    @property
    def num_pos(self) -> int:
        """Number of positive footprints."""
        return 0 if self.positive is None else len(self.positive)

    @property
    def num_pos_peaks(self) -> int:
        """Number of peaks of the positive footprints."""
        return 0 if self.positive is None else self.positive.n_peaks

    @property
    def num_neg(self) -> int:
        """Number of negative footprints."""
        return 0 if self.negative is None else len(self.negative)

    @property
    def num_neg_peaks(self) -> int:
        """Number of peaks of the negative footprints."""
        return 0 if self.negative is None else self.negative.n_peaks


def make_threshold(
    middle: MaskedImage, config: SourceDetectionConfig, positive: bool, factor: float = 1.0, deviation: float | None = None
) -> Threshold:
    """Make the threshold that the configuration asks for.

    Parameters
    ----------
    middle
        The smoothed image; the type "stdev" needs its clipped standard deviation.
    config
        Value, type and multiplier.
    positive
        The sign of the sources.
    factor
        Multiplies the value.
    deviation
        The clipped standard deviation, if it is known already.

    Returns
    -------
    threshold
        Of type "value" if the configured type is "stdev", else of the configured type.
    """
    value, kind = config.thresholdValue, config.thresholdType
    if kind == "stdev":
        value *= clipped_deviation(middle, config) if deviation is None else deviation
        kind = "value"
    return Threshold(value * factor, kind, positive, config.includeThresholdMultiplier)


def clipped_deviation(middle: MaskedImage, config: SourceDetectionConfig) -> float:
    """Clipped standard deviation of the pixels without a bit of ``config.statsMask``."""
    from skysift.statistics import clipped_stats

    return clipped_stats(middle.image.array[~middle.mask.has(config.statsMask)])[1]


def _signs(config: SourceDetectionConfig) -> tuple[bool, bool]:
    """Whether positive and negative footprints are needed; those of both signs are, to fit the background without them."""
    return (
        config.thresholdPolarity != "negative" or config.reEstimateBackground,
        config.thresholdPolarity != "positive" or config.reEstimateBackground,
    )


def apply_threshold(middle: MaskedImage, config: SourceDetectionConfig, factor: float = 1.0, factor_neg: float | None = None) -> Detections:
    """Find the footprints of both signs (as far as they are needed) in a smoothed image.

    Parameters
    ----------
    middle
        The smoothed image.
    config
        Threshold and signs.
    factor, factor_neg
        What to multiply the thresholds by; None for the negative one means the same as the positive one.

    Returns
    -------
    detections
        Footprints before growing, with peaks, and the thresholds.
    """
    if config.thresholdType == "pixel_stdev" and not middle.has_variance:
        raise InputError(
            "the threshold is in standard deviations of the pixels, but the exposure has no variance",
            hint="set thresholdType to 'stdev', or give the exposure a variance plane",
        )
    factor_neg = factor if factor_neg is None else factor_neg
    detections = Detections(factor=factor, factor_neg=factor_neg)
    deviation = clipped_deviation(middle, config) if config.thresholdType == "stdev" else None
    positive, negative = _signs(config)
    if positive:
        detections.positive_threshold = make_threshold(middle, config, True, factor, deviation)
        detections.positive = FootprintSet.detect(middle, detections.positive_threshold, min_pixels=config.minPixels)
    if negative:
        detections.negative_threshold = make_threshold(middle, config, False, factor_neg, deviation)
        detections.negative = FootprintSet.detect(middle, detections.negative_threshold, min_pixels=config.minPixels)
    return detections


def update_peaks(footprints: FootprintSet, middle: MaskedImage, threshold: Threshold, config: SourceDetectionConfig) -> FootprintSet:
    """Find the peaks of blended footprints again, in a smoothed image that has lost its local background.

    Parameters
    ----------
    footprints
        Footprints with peaks; those of up to ``config.nPeaksMaxSimple`` peaks keep them.
    middle
        The smoothed image without its local background.
    threshold
        The threshold of that image.
    config
        Also the least number of pixels of a region that gives peaks.

    Returns
    -------
    footprints
        The same footprints with new peaks, sorted by decreasing value. Where the image no longer reaches the threshold in a footprint, its
        brightest peak is all that is left.

    Notes
    -----
    The LSST method is `lsst.meas.algorithms.SourceDetectionTask.updatePeaks`, which does not sort.
    """
    arrays = footprints.arrays
    blended = arrays.n_peaks > config.nPeaksMaxSimple
    if not blended.any():
        return footprints
    new = [_peaks_inside(arrays, i, middle, threshold, config.minPixels) for i in np.flatnonzero(blended).tolist()]
    owner = arrays.peak_footprint
    kept = ~blended[owner]
    peaks = np.concatenate([arrays.peaks[kept], *new])
    owner = np.concatenate([owner[kept], np.repeat(np.flatnonzero(blended), [piece.size for piece in new])])
    # A stable sort keeps the order within each footprint.
    peaks = peaks[np.argsort(owner, kind="stable")]
    peaks["id"] = np.arange(1, peaks.size + 1)
    offset = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(arrays)))]).astype(np.int64)
    return FootprintSet.from_arrays(replace(arrays, peaks=peaks, peak_offset=offset))


def _peaks_inside(arrays: FootprintArrays, i: int, middle: MaskedImage, threshold: Threshold, min_pixels: int) -> np.ndarray:
    """Peaks of the regions of `middle` above the threshold in the bounding box of footprint `i`, as far as they lie in the footprint."""
    spans = slice(int(arrays.span_offset[i]), int(arrays.span_offset[i + 1]))
    y, x0, x1 = arrays.y[spans], arrays.x0[spans], arrays.x1[spans]
    old = arrays.peaks[arrays.peak_offset[i] : arrays.peak_offset[i + 1]]
    x_min = int(x0.min())
    found = FootprintSet.detect(middle[x_min : int(x1.max()) + 1, int(y[0]) : int(y[-1]) + 1], threshold, min_pixels=min_pixels)
    peaks = found.arrays.peaks
    # Spans are sorted; the last one that begins at or before a pixel is the only one that can hold it.
    width = int(x1.max()) - x_min + 2
    start = (y.astype(np.int64) - y[0]) * width + (x0 - x_min)
    pixel = (peaks["i_y"].astype(np.int64) - y[0]) * width + (peaks["i_x"] - x_min)
    span = np.maximum(np.searchsorted(start, pixel, side="right") - 1, 0)
    peaks = peaks[(y[span] == peaks["i_y"]) & (x0[span] <= peaks["i_x"]) & (peaks["i_x"] <= x1[span])]
    if peaks.size == 0:
        return old[:1]
    return peaks[np.lexsort((peaks["i_y"], peaks["i_x"], -peaks["peakValue"].astype(np.float64)))]


def finalize_footprints(
    mask: Mask, detections: Detections, sigma: float, config: SourceDetectionConfig, n_sigma_to_grow: float | None = None
) -> None:
    """Grow the footprints in place and set DETECTED and DETECTED_NEGATIVE in their pixels.

    Parameters
    ----------
    mask
        Mask of the exposure, changed in place.
    detections
        Its footprints are replaced by the grown ones, unless ``config.returnOriginalFootprints``.
    sigma
        Standard deviation of the PSF, pixels.
    config
        How to grow.
    n_sigma_to_grow
        Grow by this many sigmas instead of by ``config.nSigmaToGrow``.
    """
    n_sigma = config.nSigmaToGrow if n_sigma_to_grow is None else n_sigma_to_grow
    detections.n_grow = max(int(n_sigma * sigma + 0.5), 0)
    for name, plane in (("positive", "DETECTED"), ("negative", "DETECTED_NEGATIVE")):
        footprints = getattr(detections, name)
        if footprints is None:
            continue
        grown = footprints
        if detections.n_grow > 0:
            if config.combinedGrow:
                grown = footprints.grown(detections.n_grow, isotropic=config.isotropicGrow)
            else:
                grown = footprints.copy()
                for footprint in grown:
                    footprint.dilate(detections.n_grow, "circle" if config.isotropicGrow else "manhattan")
        mask.add_plane(plane)
        grown.set_mask(mask, plane)
        if not config.returnOriginalFootprints:
            setattr(detections, name, grown)


def set_peak_significance(footprints: FootprintSet, middle: MaskedImage, threshold: Threshold, config: SourceDetectionConfig) -> None:
    """Fill the column `significance` of the peaks: their value in standard deviations, positive for negative sources too.

    Parameters
    ----------
    footprints
        Peaks to fill, in place.
    middle
        The smoothed image; "pixel_stdev" uses its variance at the peak.
    threshold
        The threshold, from which "stdev" takes the standard deviation.
    config
        The type of the threshold; "value" and "variance" give 0.
    """
    peaks = footprints.arrays.peaks
    value = peaks["peakValue"].astype(np.float64) * (1.0 if threshold.polarity else -1.0)
    if config.thresholdType == "pixel_stdev":
        x0, y0 = middle.xy0
        with np.errstate(divide="ignore", invalid="ignore"):
            peaks["significance"] = value / np.sqrt(middle.variance.array[peaks["i_y"] - y0, peaks["i_x"] - x0].astype(np.float64))
    elif config.thresholdType == "stdev":
        peaks["significance"] = value * config.thresholdValue / threshold.value if threshold.value > 0 else np.nan
    else:
        peaks["significance"] = 0.0


@contextmanager
def temporary_background(exposure: Exposure, config: SourceDetectionConfig) -> Iterator[None]:
    """Take the wide background out of an exposure for a while, if the configuration asks for it.

    Pixels without data are set to the median of the others meanwhile. On leaving, the image is what it was, bit by bit.

    Parameters
    ----------
    exposure
        Its image plane is changed inside the context.
    config
        ``doTempWideBackground``, ``tempWideBackground`` and ``statsMask``.
    """
    if not config.doTempWideBackground:
        yield
        return
    from skysift.statistics import quantiles

    image = exposure.image.array
    original = image.copy()
    try:
        subtract_background(exposure, config.tempWideBackground, stats=False)
        empty = exposure.mask.has("NO_DATA")
        if empty.any():
            image[empty] = quantiles(image[~empty & ~exposure.mask.has(config.statsMask)], [0.5])[0]
        yield
    finally:
        image[...] = original


def detect_footprints(
    exposure: Exposure,
    config: SourceDetectionConfig | None = None,
    *,
    do_smooth: bool = True,
    sigma: float | None = None,
    clear_mask: bool = True,
    background: BackgroundList | None = None,
    background_to_photometric_ratio: Image | None = None,
) -> Detections:
    """Find the footprints of sources above a threshold.

    Parameters
    ----------
    exposure
        The exposure, changed in place: its mask gets EDGE where the smoothing kernel does not fit, DETECTED and DETECTED_NEGATIVE; with
        ``config.reEstimateBackground``, the new background is subtracted from its image.
    config
        How to detect; None means the defaults.
    do_smooth
        Smooth the image with the PSF before the threshold is applied.
    sigma
        Width of the PSF instead of that of ``exposure.psf``, pixels.
    clear_mask
        Clear DETECTED and DETECTED_NEGATIVE first.
    background
        Backgrounds subtracted before, to which a new one is appended.
    background_to_photometric_ratio
        See `skysift.background.subtract_background`.

    Returns
    -------
    detections
        Footprints, thresholds, background. Nothing found is a set of no footprints.

    Raises
    ------
    PsfGenerationError
        When the width of the PSF is not known.
    InputError
        When the image is smaller than the smoothing kernel, or lacks the variance that the threshold needs.
    AlgorithmError
        When a background cannot be fitted, as nothing is left unmasked.

    Notes
    -----
    The LSST method is `lsst.meas.algorithms.SourceDetectionTask.detectFootprints`.
    """
    if config is None:
        from skysift.detection.config import SourceDetectionConfig

        config = SourceDetectionConfig()
    if clear_mask:
        exposure.mask.clear(["DETECTED", "DETECTED_NEGATIVE"])
    psf = get_psf(exposure, sigma, config.nSigmaForKernel)
    with temporary_background(exposure, config):
        middle, width = convolve_image(exposure.masked_image, psf, do_smooth)
        if config.excludeMaskPlanes:
            middle.image.array[middle.mask.has(config.excludeMaskPlanes)] = 0.0
        detections = apply_threshold(middle, config)
        for footprints in (detections.positive, detections.negative):
            if footprints is not None:
                footprints.region = exposure.bbox
        if config.doTempLocalBackground:
            _find_peaks_above_local_background(exposure, middle, detections, config)
        finalize_footprints(exposure.mask, detections, width, config)
    detections.sigma, detections.kernel_width = width, psf.size
    detections.background = BackgroundList() if background is None else background
    for footprints, threshold in (
        (detections.positive, detections.positive_threshold),
        (detections.negative, detections.negative_threshold),
    ):
        if footprints is not None and threshold is not None:
            set_peak_significance(footprints, middle, threshold, config)
    if config.reEstimateBackground:
        _subtract_new_background(exposure, detections, config, background_to_photometric_ratio)
    _drop_unwanted(exposure.mask, detections, config)
    return detections


def _find_peaks_above_local_background(
    exposure: Exposure, middle: MaskedImage, detections: Detections, config: SourceDetectionConfig
) -> None:
    """Subtract the local background of the exposure from the smoothed image, and find the peaks of blends again."""
    fit_background(exposure.masked_image, config.tempLocalBackground).subtract_from(middle.image)
    deviation = clipped_deviation(middle, config) if config.thresholdType == "stdev" else None
    positive, negative = config.thresholdPolarity != "negative", config.thresholdPolarity != "positive"
    if positive and detections.positive is not None:
        detections.positive_threshold = make_threshold(middle, config, True, deviation=deviation)
        detections.positive = update_peaks(detections.positive, middle, detections.positive_threshold, config)
    if negative and detections.negative is not None:
        detections.negative_threshold = make_threshold(middle, config, False, deviation=deviation)
        detections.negative = update_peaks(detections.negative, middle, detections.negative_threshold, config)


def _subtract_new_background(exposure: Exposure, detections: Detections, config: SourceDetectionConfig, ratio: Image | None) -> None:
    """Fit the background without the detected pixels, and subtract it and ``config.adjustBackground``."""
    settings = config.background
    if settings.doApplyFlatBackgroundRatio != config.doApplyFlatBackgroundRatio:
        from skysift.background.config import BackgroundConfig

        settings = BackgroundConfig(**settings.toDict() | {"doApplyFlatBackgroundRatio": config.doApplyFlatBackgroundRatio})
    subtract_background(exposure, settings, detections.background, background_to_photometric_ratio=ratio)
    if config.adjustBackground:
        detections.background[-1].__iadd__(config.adjustBackground)
        exposure.image.array -= np.float32(config.adjustBackground)


def _drop_unwanted(mask: Mask, detections: Detections, config: SourceDetectionConfig) -> None:
    """Forget the footprints and the mask bits of the sign that was only needed for the background."""
    if config.thresholdPolarity == "positive":
        if config.reEstimateBackground:
            mask.clear("DETECTED_NEGATIVE")
        detections.negative = None
    elif config.thresholdPolarity == "negative":
        if config.reEstimateBackground:
            mask.clear("DETECTED")
        detections.positive = None
