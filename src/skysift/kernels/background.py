"""Statistics of the good pixels of each tile of an image: mean, quartiles and clipped mean, in one pass over the image."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["BINS", "COLUMNS", "moments", "quantiles", "tile_statistics"]

COLUMNS = ("n", "mean", "variance", "median", "iqr", "clip_mean", "clip_variance", "clip_n")
"""What the last axis of `tile_statistics` holds."""

BINS = 1024
"""Most bins of a histogram for quantiles."""

_SAMPLES = 63


@njit(cache=True, nogil=True)
def _gather(image, mask, bad_bits, y0, y1, x0, x1, buffer):
    """Copy the good, finite pixels of a tile to `buffer`, longer by one than they; return their number and whether a good pixel was not finite."""
    n = 0
    poisoned = False
    has_mask = mask.size > 0
    largest = np.float32(3.4e38)
    for y in range(y0, y1):
        row = image[y, x0:x1]
        width = row.size
        bits = np.int32(0)
        if has_mask:
            mask_row = mask[y, x0:x1]
            for x in range(width):
                bits |= mask_row[x]
            bits &= bad_bits
        trouble = False
        for x in range(width):
            trouble |= not (np.abs(row[x]) <= largest)
        if bits == 0 and not trouble:
            buffer[n : n + width] = row
            n += width
            continue
        for x in range(width):
            good = bits == 0 or (mask[y, x0 + x] & bad_bits) == 0
            finite = np.abs(row[x]) <= largest
            buffer[n] = row[x]
            n += int(good & finite)
            poisoned |= good & (not finite)
    return n, poisoned


@njit(cache=True, nogil=True)
def _select(values, k, left, right):
    """The element of rank `k`, by Hoare's quickselect among the elements from `left` to `right`; reorders them."""
    while left < right:
        pivot = values[(left + right) // 2]
        i, j = left, right
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                swap = values[i]
                values[i] = values[j]
                values[j] = swap
                i += 1
                j -= 1
        if k <= j:
            right = j
        elif k >= i:
            left = i
        else:
            break
    return np.float64(values[k])


@njit(cache=True, nogil=True)
def quantiles(buffer, n, fractions, index, store, counts):
    """Three exact quantiles, with linear interpolation between ranks, from a histogram and a selection in the few bins that matter.

    Parameters
    ----------
    buffer
        float32 array whose first `n` values, finite, are meant; one or more.
    n
        Their number.
    fractions
        Tuple of three ascending fractions in [0, 1].
    index, store, counts
        To work in: uint16 ``(n,)``, float32 ``(n + 1,)`` and int64 ``(BINS,)``.

    Returns
    -------
    tuple of float
        The quantiles.
    """
    size = min(n, _SAMPLES)
    step = n // size
    for i in range(size):
        store[i] = buffer[i * step]
    low = _select(store, size // 4, 0, size - 1)
    high = _select(store, (3 * size) // 4, 0, size - 1)
    width = max(high - low, 1e-6 * max(abs(low), abs(high)), 1e-30)
    bins = min(max(n // 4, 64), BINS)
    origin = np.float32(low - width)
    scale = np.float32((bins - 1) / (3.0 * width))
    top = np.float32(bins - 1)
    for i in range(n):
        b = (buffer[i] - origin) * scale
        b = b if b > 0 else np.float32(0)
        index[i] = np.uint16(b if b < top else top)
    counts[:bins] = 0
    for i in range(n):
        counts[index[i]] += 1

    # Each quantile lies between two ranks. The values in the bins of these ranks are kept, and the ranks among them noted.
    ranks = np.empty(6, np.int64)
    for q in range(3):
        ranks[2 * q] = int(fractions[q] * (n - 1))
        ranks[2 * q + 1] = min(ranks[2 * q] + 1, n - 1)
    seen = 0
    kept = 0
    q = 0
    for b in range(bins):
        count = counts[b]
        counts[b] = 0
        while q < 6 and ranks[q] < seen + count:
            ranks[q] -= seen - kept
            counts[b] = 1
            q += 1
        seen += count
        kept += count * counts[b]
    kept = 0
    for i in range(n):
        store[kept] = buffer[i]
        kept += counts[index[i]]
    result = np.empty(3)
    start = 0
    for q in range(3):
        position = fractions[q] * (n - 1)
        below = _select(store, ranks[2 * q], start, kept - 1)
        above = _select(store, ranks[2 * q + 1], ranks[2 * q], kept - 1)
        result[q] = below + (position - int(position)) * (above - below)
        start = ranks[2 * q + 1]
    return result[0], result[1], result[2]


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def moments(buffer, n, centre, half_width):
    """Number, mean and unbiased variance of those of the first `n` values of `buffer` that lie within `half_width` of `centre`."""
    count = 0.0
    first = 0.0
    second = 0.0
    for i in range(n):
        d = np.float64(buffer[i]) - centre
        w = 1.0 if np.abs(d) <= half_width else 0.0
        d *= w
        count += w
        first += d
        second += d * d
    if count == 0.0:
        return 0.0, np.nan, np.nan
    mean = first / count
    variance = max(second / count - mean * mean, 0.0) * count / (count - 1.0) if count > 1.0 else np.nan
    return count, centre + mean, variance


@njit(cache=True, nogil=True)
def tile_statistics(image, mask, bad_bits, nan_safe, edges_y, edges_x, with_quartiles, with_clipped, nsigma, niter):
    """Statistics of each tile of an image.

    Parameters
    ----------
    image
        float32 array ``[y, x]``, C-contiguous.
    mask
        int32 array of the same shape, or an empty one for no mask.
    bad_bits
        Pixels with any of these mask bits are left out.
    nan_safe
        Leave non-finite pixels out; else they make their tile NaN.
    edges_y, edges_x
        int64 arrays: tile ``(j, i)`` covers rows ``edges_y[j]:edges_y[j + 1]`` and columns ``edges_x[i]:edges_x[i + 1]``.
    with_quartiles
        Compute the median and the interquartile range.
    with_clipped
        Compute the clipped mean and variance; needs `with_quartiles`.
    nsigma, niter
        Half width of the clip in standard deviations, and its number of iterations.

    Returns
    -------
    statistics
        float64 array ``(ny, nx, 8)`` with the columns of `COLUMNS`; NaN where there was no good pixel or where it was not asked for.
    """
    ny, nx = edges_y.size - 1, edges_x.size - 1
    out = np.full((ny, nx, 8), np.nan)
    size = 1
    for j in range(ny):
        for i in range(nx):
            size = max(size, (edges_y[j + 1] - edges_y[j]) * (edges_x[i + 1] - edges_x[i]))
    buffer = np.empty(size + 1, np.float32)
    store = np.empty(size + 1, np.float32)
    index = np.empty(size, np.uint16)
    counts = np.empty(BINS, np.int64)
    for j in range(ny):
        for i in range(nx):
            cell = out[j, i]
            n, poisoned = _gather(image, mask, bad_bits, edges_y[j], edges_y[j + 1], edges_x[i], edges_x[i + 1], buffer)
            cell[0] = n
            if n == 0 or (poisoned and not nan_safe):
                continue
            if with_quartiles:
                lower, centre, upper = quantiles(buffer, n, (0.25, 0.5, 0.75), index, store, counts)
                cell[3] = centre
                cell[4] = upper - lower
            else:
                centre = np.float64(buffer[0])
            _, cell[1], cell[2] = moments(buffer, n, centre, np.inf)
            if with_clipped:
                # The first clip uses the Gaussian equivalent of the interquartile range: sigma = 0.7413 IQR.
                half_width = nsigma * 0.741301109252801 * cell[4]
                for k in range(niter):
                    if k > 0 and cell[7] > 1.0:
                        half_width = nsigma * np.sqrt(cell[6])
                    cell[7], centre, cell[6] = moments(buffer, n, centre, half_width)
                cell[5] = centre
    return out
