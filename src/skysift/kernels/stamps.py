"""One source's view of an image in which all other sources are hidden by noise."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit


class Overlay(NamedTuple):
    """A private image with every source hidden, and what is needed to show one source at a time.

    `image` is changed while a source is shown and is as before once it is hidden again, so one thread has one of these.
    """

    image: np.ndarray
    """float32 (h, w): the pixels with all footprints replaced by noise."""
    spans: np.ndarray
    """int32 (m, 3): y, x0, x1 (inclusive) of all footprints, element coordinates, inside the image."""
    first: np.ndarray
    """int64 (n,): first span of each source."""
    last: np.ndarray
    """int64 (n,): one past the last span of each source."""
    start: np.ndarray
    """int64 (n,): where each source's pixels begin in `own` and `hidden`."""
    own: np.ndarray
    """float32 (p,): the sources' own pixels in span order."""
    hidden: np.ndarray
    """float32 (p,): the noise at the same pixels."""


@njit(cache=True, nogil=True, error_model="numpy")
def put_spans(image, spans, first, last, values, start):
    """Write `values[start:]`, in span order, to the pixels of `spans[first:last]`."""
    at = start
    for s in range(first, last):
        y = spans[s, 0]
        for x in range(spans[s, 1], spans[s, 2] + 1):
            image[y, x] = values[at]
            at += 1


@njit(cache=True, nogil=True, error_model="numpy")
def take_spans(image, spans, values):
    """Read the pixels of all `spans` into `values`, in span order."""
    at = 0
    for s in range(len(spans)):
        y = spans[s, 0]
        for x in range(spans[s, 1], spans[s, 2] + 1):
            values[at] = image[y, x]
            at += 1


@njit(cache=True, nogil=True, error_model="numpy")
def put_noise(image, variance, spans, seed, quantiles, mean, scatter, values):
    """Write normal noise to the pixels of `spans` and, in span order, into `values`; that of a pixel depends on the seed and on where it is, and on nothing else.

    Parameters
    ----------
    image, variance : float32 (h, w)
        Image, changed in place; variance.
    spans : int32 (m, 3)
        See `Overlay`.
    seed : uint64
        Seed.
    quantiles : float64 (4097,)
        Quantiles of the normal distribution at multiples of 1/4096.
    mean : float
        Mean of the noise.
    scatter : float
        Its standard deviation; negative for that of the variance.
    values : float32 (p,)
        Filled.
    """
    at = 0
    for s in range(len(spans)):
        y = spans[s, 0]
        for x in range(spans[s, 1], spans[s, 2] + 1):
            # The mixing function of SplitMix64 (Steele, Lea & Flood 2014).
            bits = seed + (np.uint64(y) * np.uint64(image.shape[1]) + np.uint64(x) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
            bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            bits ^= bits >> np.uint64(31)
            cell = np.int64(bits >> np.uint64(52))
            part = np.float64(np.int64(bits >> np.uint64(28)) & 0xFFFFFF) / 16777216.0
            deviate = quantiles[cell] + part * (quantiles[cell + 1] - quantiles[cell])
            sigma = scatter if scatter >= 0.0 else math.sqrt(max(variance[y, x], 0.0))
            values[at] = mean + sigma * deviate
            image[y, x] = values[at]
            at += 1


@njit(cache=True, nogil=True, error_model="numpy")
def show(view, i):
    """Put the own pixels of source `i` into the view's image."""
    put_spans(view.image, view.spans, view.first[i], view.last[i], view.own, view.start[i])


@njit(cache=True, nogil=True, error_model="numpy")
def hide(view, i):
    """Undo `show`."""
    put_spans(view.image, view.spans, view.first[i], view.last[i], view.hidden, view.start[i])


@njit(cache=True, nogil=True, error_model="numpy")
def mask_footprints(mask, spans, first, last, x, y):
    """Combine the mask over footprints and over the 3 x 3 pixels around positions.

    Parameters
    ----------
    mask : int32 (h, w)
        Bit mask.
    spans, first, last : arrays
        See `Overlay`.
    x, y : float64 (n,)
        Positions, element coordinates; NaN gives 0.

    Returns
    -------
    anywhere, any_centre, all_centre : int32 (n,)
        OR over the footprint; OR and AND over the 3 x 3 pixels that lie in the image.
    """
    n = len(first)
    height, width = mask.shape
    anywhere = np.zeros(n, np.int32)
    any_centre = np.zeros(n, np.int32)
    all_centre = np.zeros(n, np.int32)
    for i in range(n):
        bits = np.int32(0)
        for s in range(first[i], last[i]):
            for column in range(spans[s, 1], spans[s, 2] + 1):
                bits |= mask[spans[s, 0], column]
        anywhere[i] = bits
        if not (abs(x[i]) < 1e9 and abs(y[i]) < 1e9):
            continue
        xi = int(np.floor(x[i] + 0.5))
        yi = int(np.floor(y[i] + 0.5))
        some = np.int32(0)
        every = np.int32(-1)
        found = False
        for row in range(max(0, yi - 1), min(height, yi + 2)):
            for column in range(max(0, xi - 1), min(width, xi + 2)):
                some |= mask[row, column]
                every &= mask[row, column]
                found = True
        if found:
            any_centre[i] = some
            all_centre[i] = every
    return anywhere, any_centre, all_centre
