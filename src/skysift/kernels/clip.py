"""Quantiles by partial selection, and sigma-clipped moments."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

__all__ = ["clip_moments", "clip_sample", "quantile_sample", "select_quantile"]

IQR_TO_SIGMA = 0.741301109252801
SAMPLE = 256


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
def _quartiles(values, n, work):
    """Quartiles of values[:n], in linear time.

    A sample of the values brackets each quartile, one pass without unpredictable branches collects the values in the brackets, and only those are
    searched. A quartile that its bracket misses is searched for among all.
    """
    result = np.empty(3)
    if n < 4 * SAMPLE:
        for i in range(n):
            work[0, i] = values[i]
        low = 0
        for j in range(3):
            result[j], low = select_quantile(work[0], n, 0.25 * (j + 1), low)
        return result[0], result[1], result[2]
    stride = n // SAMPLE
    for i in range(SAMPLE):
        work[0, i] = values[i * stride]
    bounds = np.empty(6, dtype=values.dtype)
    low = 0
    for j in range(3):
        fraction = 0.25 * (j + 1)
        margin = 3.0 * math.sqrt(fraction * (1.0 - fraction) * SAMPLE)
        for side in range(2):
            rank = int(fraction * SAMPLE + (2 * side - 1) * margin)
            bounds[2 * j + side] = _select(work[0], rank, low, SAMPLE - 1)
            low = rank
    a0, a1, b0, b1, c0, c1 = bounds
    na = nb = nc = below_a = below_b = below_c = 0
    for i in range(n):
        v = values[i]
        work[0, na] = v
        work[1, nb] = v
        work[2, nc] = v
        na += (v >= a0) & (v <= a1)
        nb += (v >= b0) & (v <= b1)
        nc += (v >= c0) & (v <= c1)
        below_a += v < a0
        below_b += v < b0
        below_c += v < c0
    for j, inside, below in ((0, na, below_a), (1, nb, below_b), (2, nc, below_c)):
        position = 0.25 * (j + 1) * (n - 1)
        k = int(position)
        rank = k - below
        if rank >= 0 and rank + 1 < inside:
            row = work[j]
            value = np.float64(_select(row, rank, 0, inside - 1))
            upper = row[rank + 1]
            for i in range(rank + 2, inside):
                upper = min(upper, row[i])
            result[j] = value + (position - k) * (np.float64(upper) - value)
        else:
            for i in range(n):
                work[j, i] = values[i]
            result[j] = select_quantile(work[j], n, 0.25 * (j + 1), 0)[0]
    return result[0], result[1], result[2]


@njit(cache=True, nogil=True)
def clip_moments(values, weights, work, n, nsigma, niter):
    """Clipped mean and variance of values[:n]; returns also the number kept and the last centre and half width. `work` has three rows of n or more."""
    q1, centre, q3 = _quartiles(values, n, work)
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
    work = np.empty((3, values.size), dtype=values.dtype)
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
