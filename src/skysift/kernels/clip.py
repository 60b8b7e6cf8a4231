"""Quantiles by partial selection and sigma-clipped moments, of one sample and of the cells of an image."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

__all__ = ["clip_sample", "clip_tiles", "quantile_sample"]

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
def _quantile(work, n, fraction, low):
    """Quantile of work[:n] by linear interpolation between order statistics; everything below `low` is known to be smaller."""
    position = fraction * (n - 1)
    k = min(int(position), n - 1)
    value = float(_select(work, k, low, n - 1))
    rest = position - k
    if rest > 0.0:
        upper = work[k + 1]
        for i in range(k + 2, n):
            if work[i] < upper:
                upper = work[i]
        value += rest * (float(upper) - value)
    return value, k


@njit(cache=True, nogil=True)
def _clip(values, weights, work, n, nsigma, niter):
    """Clipped mean and variance of values[:n]; returns also the number kept and the last centre and half width."""
    for i in range(n):
        work[i] = values[i]
    q1, low = _quantile(work, n, 0.25, 0)
    centre, low = _quantile(work, n, 0.5, low)
    q3, low = _quantile(work, n, 0.75, low)
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
    return _clip(values, weights, work, values.size, nsigma, niter)


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
        result[j], low = _quantile(values, values.size, fractions[j], low)
    return result


@njit(cache=True, nogil=True)
def clip_tiles(image, mask, bad, x_edges, y_edges, step, nsigma, niter):
    """Sigma-clipped moments of the cells of an image.

    Parameters
    ----------
    image
        float32 (height, width).
    mask
        int32 (height, width), or (0, 0) for none.
    bad
        Bits of the pixels to leave out.
    x_edges, y_edges
        int64 (nx + 1,), (ny + 1,): where cells begin and end, array indices.
    step
        Every how many-th pixel, along rows and columns, is used.
    nsigma, niter
        As in `clip_sample`.

    Returns
    -------
    numpy.ndarray
        float64 (4, ny, nx): clipped mean, clipped standard deviation, number used before clipping, median. NaN, NaN, 0, NaN in cells without a
        finite pixel.
    """
    ny, nx = y_edges.size - 1, x_edges.size - 1
    result = np.full((4, ny, nx), np.nan)
    largest_y = largest_x = 0
    for j in range(ny):
        largest_y = max(largest_y, y_edges[j + 1] - y_edges[j])
    for i in range(nx):
        largest_x = max(largest_x, x_edges[i + 1] - x_edges[i])
    values = np.empty(((largest_y + step - 1) // step) * ((largest_x + step - 1) // step), dtype=np.float32)
    work = np.empty_like(values)
    none = np.empty(0, dtype=np.float32)
    masked = mask.size > 0
    for j in range(ny):
        for i in range(nx):
            n = 0
            for y in range(y_edges[j], y_edges[j + 1], step):
                for x in range(x_edges[i], x_edges[i + 1], step):
                    v = image[y, x]
                    if np.isfinite(v) and not (masked and mask[y, x] & bad):
                        values[n] = v
                        n += 1
            result[2, j, i] = n
            if n > 0:
                mean, variance, _, _, _ = _clip(values, none, work, n, nsigma, niter)
                result[0, j, i] = mean
                result[1, j, i] = math.sqrt(variance)
                result[3, j, i] = _quantile(work, n, 0.5, 0)[0]
    return result
