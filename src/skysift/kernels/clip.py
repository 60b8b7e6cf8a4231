"""Quantiles by partial selection, and sigma-clipped moments."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

__all__ = ["clip_moments", "clip_sample", "quantile_sample", "select_quantile"]

IQR_TO_SIGMA = 0.741301109252801


@njit(cache=True, nogil=True)
def _select(work, k, low, high):
    """Partition work[low:high + 1] so that work[k] holds the value it would hold after sorting (Hoare's selection, median of three)."""
    while high > low + 1:
        middle = (low + high) >> 1
        a, b, c = work[low], work[middle], work[high]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while work[i] < pivot:
                i += 1
            while work[j] > pivot:
                j -= 1
            if i <= j:
                work[i], work[j] = work[j], work[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            return work[k]
    if high == low + 1 and work[high] < work[low]:
        work[low], work[high] = work[high], work[low]
    return work[k]


@njit(cache=True, nogil=True)
def select_quantile(work, n, fraction, low):
    """Quantile of work[:n] by linear interpolation between order statistics; everything below `low` is known to be smaller."""
    position = fraction * (n - 1)
    k = min(int(position), n - 1)
    value = np.float64(_select(work, k, low, n - 1))
    rest = position - k
    if rest > 0.0:
        upper = work[k + 1]
        for i in range(k + 2, n):
            if work[i] < upper:
                upper = work[i]
        value += rest * (np.float64(upper) - value)
    return value, k


@njit(cache=True, nogil=True)
def clip_moments(values, weights, work, n, nsigma, niter):
    """Clipped mean and variance of values[:n]; returns also the number kept and the last centre and half width."""
    for i in range(n):
        work[i] = values[i]
    q1, low = select_quantile(work, n, 0.25, 0)
    centre, low = select_quantile(work, n, 0.5, low)
    q3, low = select_quantile(work, n, 0.75, low)
    first = nsigma * IQR_TO_SIGMA * (q3 - q1)
    half = first
    weighted = weights.size > 0
    mean, variance, kept = centre, np.nan, n
    last_centre, last_half = centre, half
    for iteration in range(niter):
        if iteration > 0:
            centre = mean
            half = first if kept == 1 else nsigma * math.sqrt(variance)
        last_centre, last_half = centre, half
        s0 = s1 = s2 = ww = 0.0
        kept = 0
        for i in range(n):
            d = values[i] - centre
            if abs(d) <= half:
                kept += 1
                if weighted:
                    w = weights[i]
                    s0 += w
                    ww += w * w
                    s1 += w * d
                    s2 += w * d * d
                else:
                    s1 += d
                    s2 += d * d
        if not weighted:
            s0 = ww = float(kept)
        if kept == 0 or s0 == 0.0:
            return np.nan, np.nan, 0, last_centre, last_half
        shift = s1 / s0
        mean = centre + shift
        room = s0 * s0 - ww
        variance = max(s2 / s0 - shift * shift, 0.0) * s0 * s0 / room if room > 0.0 else np.nan
    return mean, variance, kept, last_centre, last_half


@njit(cache=True, nogil=True)
def clip_sample(values, weights, nsigma, niter):
    """Sigma-clipped moments of a sample.

    Parameters
    ----------
    values
        Finite numbers, (n,), n > 0, contiguous.
    weights
        Weights of the same type, (n,), or an empty array for none.
    nsigma, niter
        Half width in standard deviations, and number of passes (at least one).

    Returns
    -------
    mean, variance : float
        Of the values kept in the last pass; the variance is unbiased, NaN if one value is left.
    kept : int
        How many they are.
    centre, half_width : float
        What was kept in the last pass.
    """
    work = np.empty_like(values)
    return clip_moments(values, weights, work, values.size, nsigma, niter)


@njit(cache=True, nogil=True)
def quantile_sample(values, fractions):
    """Quantiles of a sample, by partial selection.

    Parameters
    ----------
    values
        Finite numbers, (n,), n > 0; partly sorted in place.
    fractions
        Fractions in [0, 1], ascending, (m,) float64.

    Returns
    -------
    numpy.ndarray
        (m,) float64, linearly interpolated.
    """
    result = np.empty(fractions.size)
    low = 0
    for j in range(fractions.size):
        result[j], low = select_quantile(values, values.size, fractions[j], low)
    return result
