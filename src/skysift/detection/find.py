"""Sources by a matched filter: one footprint for each, blends split."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skysift.detection.smooth import get_psf
from skysift.footprint import PEAK_DTYPE, FootprintArrays, FootprintSet
from skysift.geom import Box2I

if TYPE_CHECKING:
    from skysift.detection.config import FindSourcesConfig
    from skysift.image import Exposure

__all__ = ["SOURCE_PEAK_DTYPE", "find_sources"]

SOURCE_PEAK_DTYPE = np.dtype([*PEAK_DTYPE.descr, ("parent", "i8")])
"""Peaks of `find_sources`: with the number of the blend that a source was split from, 0 for none."""

_BRIGHT = 14.0
"""Peaks of this significance are no noise, and need no help to be located."""
_WINDOW = 1.4
"""Width of the window that locates fainter ones, and the longest way there, sigmas of the PSF."""
_FARTHEST = 1.6
_SCORE = np.array([1.4, 0.92, 1.83, 0.95])
_SCORE_LIMIT = 6.5
"""Weights and limit of the score of peaks, by logistic regression on simulated exposures of stars and galaxies."""
_LEAST_WEIGHT = 0.3
"""A pixel is known if this part of the (squared) kernel lies on pixels that are there."""
_MANY_MISSING = 0.01
_STRIPE = 512
"""Rows that are filtered at a time."""
_NEAREST = 1.375
"""Two sources are at least this many sigmas of the PSF apart."""


@dataclass(frozen=True)
class _Filtered:
    """The image before (`pixels`, its variance `noise`) and after the filter, in a frame of half a kernel; positions count from its corner."""

    image: np.ndarray
    there: np.ndarray
    value: np.ndarray
    variance: np.ndarray
    frame: int
    sigma: float


@dataclass(frozen=True)
class _Sources:
    """Positions, peak pixels and significance of sources."""

    fx: np.ndarray
    fy: np.ndarray
    x: np.ndarray
    y: np.ndarray
    significance: np.ndarray

    def take(self, which: np.ndarray) -> _Sources:
        return _Sources(self.fx[which], self.fy[which], self.x[which], self.y[which], self.significance[which])


def find_sources(exposure: Exposure, config: FindSourcesConfig | None = None, *, sigma: float | None = None) -> FootprintSet:
    """Find the sources of an exposure whose sky has been subtracted.

    The image is filtered with the Gaussian nearest to its PSF; missing pixels carry no weight. Peaks above the threshold are judged against
    the brighter sources around them, and sources too close to a brighter one to make a peak are looked for in what its mirror image leaves over.
    The pixels above the threshold, grown, are shared out among the sources by a watershed.

    Parameters
    ----------
    exposure
        The exposure, which is not changed. Without a variance plane, the noise is estimated.
    config
        How to find; None means the defaults.
    sigma
        Width of the PSF instead of that of ``exposure.psf``, pixels.

    Returns
    -------
    footprints
        One footprint with one peak per source, by row and column of the peak; footprints do not overlap. A peak has the position to a
        fraction of a pixel in `f_x` and `f_y`, the signal-to-noise ratio in `significance`, the filtered image in `peakValue` (the amplitude of a
        Gaussian of unit sum under the source, times its area), and in `parent` the number (from 1) of the blend it was split from, or 0.

    Raises
    ------
    PsfGenerationError
        When the width of the PSF is not known.

    Notes
    -----
    The matched filter is that of e.g. Zackay and Ofek (2017, ApJ 836, 187); the watershed that of Meyer (1994).
    """
    if config is None:
        from skysift.detection.config import FindSourcesConfig

        config = FindSourcesConfig()
    width = get_psf(exposure, sigma).sigma()
    filtered = _filter(exposure, config, width)
    if filtered is None:
        return _footprints(_no_sources(), np.empty((4, 0), np.int32), np.empty(0, np.int64), exposure.bbox, None)
    sources = _judged_peaks(exposure, filtered, config)
    sources = _with_hidden(filtered, sources, config)
    return _share_out(exposure.bbox, filtered, sources, config)


def _no_sources() -> _Sources:
    return _Sources(np.empty(0), np.empty(0), np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0))


def _filter(exposure: Exposure, config: FindSourcesConfig, sigma: float) -> _Filtered | None:
    """Filter the image; None if no pixel is there."""
    from skysift.kernels.convolve import correlate_separable, gaussian_taps
    from skysift.kernels.detection import normalize_filtered, prepare_pixels

    image = np.ascontiguousarray(exposure.image.array, np.float32)
    if exposure.masked_image.has_variance:
        variance = np.ascontiguousarray(exposure.variance.array, np.float32)
    else:
        from skysift.image.noise import estimate_variance

        variance = np.ascontiguousarray(estimate_variance(image, exposure.mask, gain=exposure.gain), np.float32)
    half = max(math.ceil(3.5 * sigma), 2)
    mask = np.ascontiguousarray(exposure.mask.array)
    bits = np.int32(exposure.mask.bitmask(config.maskPlanes, ignore_missing=True))
    taps = gaussian_taps(sigma, half)
    no_flags = np.empty((0, 0), np.int32)
    height, shape = image.shape[0], (image.shape[0] + 2 * half, image.shape[1] + 2 * half)
    value, noise, there = np.empty(shape, np.float32), np.empty(shape, np.float32), np.zeros(shape, np.uint8)
    for edge in (np.s_[:half], np.s_[height + half :]):
        value[edge] = noise[edge] = 0
    # In stripes, since big arrays that are needed only here would cost more to get than to fill.
    scratch = [np.empty((min(_STRIPE, height) + 4 * half, shape[1]), np.float32) for _ in range(4)]
    absences = [np.empty((0, 2), np.int32)]
    for begin in range(0, height, _STRIPE):
        end = min(begin + _STRIPE, height)
        first, last = max(begin - half, 0), min(end + half, height)
        pixels, weights, out, out_noise = (array[: last - first + 2 * half] for array in scratch)
        absent = prepare_pixels(image[first:last], variance[first:last], mask[first:last], bits, pixels, weights)
        correlate_separable(pixels, weights, no_flags, taps, taps, out, out_noise, no_flags)
        whole, stripe = slice(begin + half, end + half), slice(begin - first + half, end - first + half)
        value[whole], noise[whole], there[whole] = out[stripe], out_noise[stripe], weights[stripe] > 0
        absences.append(absent[(absent[:, 0] >= stripe.start) & (absent[:, 0] < stripe.stop)] + np.array([first, 0], np.int32))
    missing = np.concatenate(absences)
    if len(missing) == image.size:
        return None
    square = (taps * taps / (taps * taps).sum()).astype(np.float32)
    rows, columns = (_frame_weight(size, square) for size in image.shape)
    if len(missing) > _MANY_MISSING * image.size:
        # So many are not taken off the weight one by one.
        weight, no_plane = np.empty(shape, np.float32), np.empty((0, 0), np.float32)
        double = square.astype(np.float64)
        correlate_separable(there.astype(np.float32), no_plane, no_flags, double, double, weight, no_plane, no_flags)
        with np.errstate(divide="ignore", invalid="ignore"):
            value /= weight
            noise /= weight * weight
        value[weight < _LEAST_WEIGHT] = noise[weight < _LEAST_WEIGHT] = np.nan
        rows, columns, missing = (rows > 0).astype(np.float32), (columns > 0).astype(np.float32), missing[:0]
    normalize_filtered(value, noise, rows, columns, missing, square, _LEAST_WEIGHT)
    return _Filtered(image, there, value, noise, half, sigma)


def _frame_weight(size: int, square: np.ndarray) -> np.ndarray:
    """Part of the squared kernel, in one dimension, that lies on the image for each pixel; 0 in the frame."""
    half = square.size // 2
    weight = np.zeros(size + 2 * half, np.float32)
    weight[half : half + size] = np.convolve(np.ones(size), square, mode="full")[half : half + size]
    return weight


def _judged_peaks(exposure: Exposure, filtered: _Filtered, config: FindSourcesConfig) -> _Sources:
    """The peaks that are sources of their own, the most significant first."""
    from skysift.kernels.detection import assess_peaks, locate_peaks, scan_peaks

    x, y = scan_peaks(filtered.value, filtered.variance, config.threshold)
    height = filtered.value[y, x].astype(np.float64)
    significance = height / np.sqrt(np.maximum(filtered.variance[y, x].astype(np.float64), 1e-300))
    chosen = _one_per_saturated_group(exposure, filtered, config, x, y, height)
    x, y, significance = x[chosen], y[chosen], significance[chosen]
    order = np.lexsort((x, y, -significance))
    x, y, significance = x[order], y[order], significance[order]
    value, variance, sigma = filtered.value, filtered.variance, filtered.sigma
    fx, fy, shift = locate_peaks(value, filtered.image, filtered.there, x, y, significance, _BRIGHT, _WINDOW * sigma, _FARTHEST * sigma)
    limit = _SCORE_LIMIT + config.minScore
    keep = assess_peaks(value, variance, x, y, fx, fy, significance, shift, sigma, _SCORE, limit, _BRIGHT)
    sources = _Sources(fx, fy, x, y, significance).take(keep)
    return sources.take(_apart(sources.fx, sources.fy, _NEAREST * sigma))


def _apart(fx: np.ndarray, fy: np.ndarray, nearest: float) -> np.ndarray:
    """Which positions to keep, of two that are too near to each other the first."""
    keep = np.ones(fx.size, bool)
    order = np.argsort(fy, kind="stable")
    x, y = fx[order], fy[order]
    pairs = [np.empty((2, 0), np.int64)]
    for shift in range(1, fx.size):
        dx, dy = x[shift:] - x[:-shift], y[shift:] - y[:-shift]
        if not (dy <= nearest).any():
            break
        first = np.flatnonzero(dx * dx + dy * dy <= nearest * nearest)
        pairs.append(order[[first, first + shift]])
    lower, higher = np.sort(np.concatenate(pairs, axis=1), axis=0)
    for k in np.lexsort((higher, lower)):
        # Pairs come by their first member, so one that has lost already takes no other with it.
        if keep[lower[k]]:
            keep[higher[k]] = False
    return keep


def _one_per_saturated_group(
    exposure: Exposure, filtered: _Filtered, config: FindSourcesConfig, x: np.ndarray, y: np.ndarray, value: np.ndarray
) -> np.ndarray:
    """Indices of the peaks, of those in each group of saturated pixels (and touching it) only the highest."""
    bits = exposure.mask.bitmask(config.saturatedMaskPlanes, ignore_missing=True)
    if bits == 0 or x.size == 0:
        return np.arange(x.size)
    from skysift.kernels.detection import group_peaks

    flags = np.ascontiguousarray(exposure.mask.array)
    frame = np.int32(filtered.frame)
    group = group_peaks(flags, np.int32(bits), np.zeros(flags.shape, np.int32), x - frame, y - frame)
    grouped = np.flatnonzero(group > 0)
    grouped = grouped[np.lexsort((-value[grouped], group[grouped]))]
    _, highest = np.unique(group[grouped], return_index=True)
    return np.sort(np.concatenate([np.flatnonzero(group == 0), grouped[highest]]))


def _label_at(y: np.ndarray, x0: np.ndarray, x1: np.ndarray, label: np.ndarray, at_x: np.ndarray, at_y: np.ndarray) -> np.ndarray:
    """Label of the span (of spans that do not overlap) that holds each pixel, -1 for none."""
    if y.size == 0 or at_x.size == 0:
        return np.full(at_x.size, -1)
    stride = int(max(x1.max(), at_x.max())) + 2
    start = y.astype(np.int64) * stride + x0
    order = np.argsort(start)
    found = np.maximum(np.searchsorted(start[order], at_y.astype(np.int64) * stride + at_x, side="right") - 1, 0)
    span = order[found]
    return np.where((y[span] == at_y) & (x0[span] <= at_x) & (at_x <= x1[span]), label[span], -1)


def _with_hidden(filtered: _Filtered, sources: _Sources, config: FindSourcesConfig) -> _Sources:
    """The sources, and those hidden beside them."""
    if config.hiddenThreshold == 0 or sources.fx.size == 0:
        return sources
    from skysift.kernels.detection import find_hidden

    hidden = find_hidden(
        filtered.value,
        filtered.variance,
        filtered.there,
        sources.fx,
        sources.fy,
        sources.significance,
        filtered.sigma,
        config.hiddenThreshold,
        config.asymmetry,
    )
    if len(hidden) == 0:
        return sources
    hidden = hidden[np.argsort(-hidden[:, 2], kind="stable")]
    fx, fy = hidden[:, 0], hidden[:, 1]
    both = _Sources(
        np.concatenate([sources.fx, fx]),
        np.concatenate([sources.fy, fy]),
        np.concatenate([sources.x, np.floor(fx + 0.5).astype(np.int32)]),
        np.concatenate([sources.y, np.floor(fy + 0.5).astype(np.int32)]),
        np.concatenate([sources.significance, hidden[:, 2]]),
    )
    return both.take(_apart(both.fx, both.fy, _NEAREST * filtered.sigma))


def _share_out(bbox: Box2I, filtered: _Filtered, sources: _Sources, config: FindSourcesConfig) -> FootprintSet:
    """Footprints of the sources: the regions above the threshold, grown, and shared out where several sources are in one."""
    from skysift.kernels.label import find_footprints
    from skysift.kernels.split import flood_labels, spans_by_label

    order = np.lexsort((sources.x, sources.y))
    sources = sources.take(order)
    y, x0, x1, offset, *_ = find_footprints(filtered.value, config.threshold, filtered.variance, False, 1.0, 1, 0, 0)
    empty = np.empty(0, SOURCE_PEAK_DTYPE)
    height, width = filtered.value.shape
    inner = Box2I.from_min_max((filtered.frame, filtered.frame), (width - filtered.frame - 1, height - filtered.frame - 1))
    regions = FootprintSet.from_arrays(FootprintArrays(y, x0, x1, offset, empty, np.zeros(offset.size, np.int64), inner))
    regions = regions.grown(int(config.nSigmaToGrow * filtered.sigma + 0.5))
    spans = regions.arrays
    owner = spans.span_footprint
    region = _label_at(spans.y, spans.x0, spans.x1, owner, sources.x, sources.y)
    sources, region = sources.take(region >= 0), region[region >= 0]

    count = np.bincount(region, minlength=len(regions))
    single = np.full(len(regions), -1)
    single[region] = np.arange(region.size)
    alone = count[owner] == 1
    shared = count[owner] > 1
    pieces = np.stack([single[owner[alone]] + 1, spans.y[alone], spans.x0[alone], spans.x1[alone]]).astype(np.int32)
    if shared.any():
        from skysift.kernels.spans import paint_spans

        labels = np.zeros((height, width), np.int32)
        blend = spans.y[shared], spans.x0[shared], spans.x1[shared]
        paint_spans(labels, *blend, np.full(blend[0].size, -1, np.int32), 0, 0, False)
        seeds = np.flatnonzero(count[region] > 1)
        seeds = seeds[np.argsort(region[seeds], kind="stable")]
        area = int((blend[2].astype(np.int64) - blend[1] + 1).sum())
        work = np.empty(area, np.int64), np.empty(area, np.float32)
        flood_labels(filtered.value, labels, sources.y[seeds], sources.x[seeds], (seeds + 1).astype(np.int32), region[seeds], *work)
        pieces = np.concatenate([pieces, np.stack(spans_by_label(labels, *blend))], axis=1)
    blends = np.where(count > 1, np.cumsum(count > 1), 0)
    return _footprints(sources, pieces, blends[region], bbox, filtered)


def _footprints(sources: _Sources, pieces: np.ndarray, parent: np.ndarray, bbox: Box2I, filtered: _Filtered | None) -> FootprintSet:
    """The set of footprints, of pieces (4, n) of label, y, x0, x1; those of one label are in raster order."""
    n = sources.fx.size
    pieces = pieces[:, np.argsort(pieces[0], kind="stable")]
    peaks = np.empty(n, SOURCE_PEAK_DTYPE)
    shift_x, shift_y = bbox.min_x, bbox.min_y
    if filtered is not None:
        shift_x, shift_y = shift_x - filtered.frame, shift_y - filtered.frame
        peaks["peakValue"] = filtered.value[sources.y, sources.x]
    peaks["id"] = np.arange(1, n + 1)
    peaks["f_x"], peaks["f_y"] = sources.fx + shift_x, sources.fy + shift_y
    peaks["i_x"], peaks["i_y"] = sources.x + shift_x, sources.y + shift_y
    peaks["significance"] = sources.significance
    peaks["parent"] = parent
    offset = np.concatenate([[0], np.cumsum(np.bincount(pieces[0], minlength=n + 1)[1:])]).astype(np.int64)
    return FootprintSet.from_arrays(
        FootprintArrays(
            pieces[1] + np.int32(shift_y),
            pieces[2] + np.int32(shift_x),
            pieces[3] + np.int32(shift_x),
            offset,
            peaks,
            np.arange(n + 1, dtype=np.int64),
            bbox,
        )
    )
