"""Connected components of thresholded images, and their peaks.

Pixels above a threshold are gathered into horizontal runs, and runs that touch on adjacent rows are joined by union-find
(Rosenfeld and Pfaltz 1966). Components are numbered by their first pixel in raster order.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["find_footprints", "find_peaks", "label_mask", "label_spans"]


@njit(cache=True, nogil=True)
def _grown(values, size):
    larger = np.empty(size, values.dtype)
    larger[: values.size] = values
    return larger


@njit(cache=True, nogil=True)
def _append_runs(words, above, row, n, y, x0, x1):
    # `words` views the bytes of `above` eight at a time; the bytes past the image are zero and end the last run.
    x = 0
    while x < above.size:
        if x & 7 == 0 and words[x >> 3] == 0:
            x += 8
        elif above[x] == 0:
            x += 1
        else:
            y[n] = row
            x0[n] = x
            while above[x] != 0:
                x += 1
            x1[n] = x - 1
            n += 1
    return n


@njit(cache=True, nogil=True)
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def _connect(y, x0, x1, reach):
    n = y.size
    label = np.arange(n).astype(np.int32)
    above_start = above_end = 0
    start = 0
    while start < n:
        end = start
        while end < n and y[end] == y[start]:
            end += 1
        if above_end > above_start and y[above_start] == y[start] - 1:
            p = above_start
            for k in range(start, end):
                while p < above_end and x1[p] < x0[k] - reach:
                    p += 1
                q = p
                while q < above_end and x0[q] <= x1[k] + reach:
                    a = _root(label, q)
                    b = _root(label, k)
                    if a < b:
                        label[b] = a
                    elif b < a:
                        label[a] = b
                    q += 1
                p = max(p, q - 1)
        above_start = start
        above_end = end
        start = end
    count = 0
    # A run's parent always precedes it, so one forward pass replaces parents by component numbers.
    for i in range(n):
        if label[i] == i:
            label[i] = count
            count += 1
        else:
            label[i] = label[label[i]]
    return label, count


@njit(cache=True, nogil=True)
def _scatter(y, x0, x1, label, index, n_kept):
    offset = np.zeros(n_kept + 1, np.int64)
    for i in range(label.size):
        if index[label[i]] >= 0:
            offset[index[label[i]] + 1] += 1
    for i in range(n_kept):
        offset[i + 1] += offset[i]
    total = offset[n_kept]
    out_y = np.empty(total, np.int32)
    out_x0 = np.empty(total, np.int32)
    out_x1 = np.empty(total, np.int32)
    position = offset[:-1].copy()
    for i in range(label.size):
        j = index[label[i]]
        if j >= 0:
            k = position[j]
            position[j] += 1
            out_y[k] = y[i]
            out_x0[k] = x0[i]
            out_x1[k] = x1[i]
    return out_y, out_x0, out_x1, offset


@njit(cache=True, nogil=True)
def _sort_peaks(x, y, value, start, end):
    # Shell sort with the gaps of Knuth (1973): most footprints have few peaks, and one with very many still ends soon.
    gap = 1
    while gap < (end - start) // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(start + gap, end):
            v, px, py = value[i], x[i], y[i]
            j = i
            while j - gap >= start:
                w = value[j - gap]
                if w > v or (w == v and (x[j - gap] < px or (x[j - gap] == px and y[j - gap] < py))):
                    break
                value[j] = w
                x[j] = x[j - gap]
                y[j] = y[j - gap]
                j -= gap
            value[j] = v
            x[j] = px
            y[j] = py
        gap //= 3


@njit(cache=True, nogil=True)
def find_peaks(image, negative, y, x0, x1, span_offset):
    """Find the peaks of footprints.

    Parameters
    ----------
    image : float32[:, ::1]
        The image, usually smoothed.
    negative : bool
        Find minima.
    y, x0, x1 : int32[::1]
        Spans of all footprints, x1 inclusive, in pixels of `image` and inside it; a footprint has at least one.
    span_offset : int64[::1]
        Offsets of the footprints in the spans.

    Returns
    -------
    peak_x, peak_y : int32[::1]
        Pixels of which no neighbour in the image is higher (lower), the outermost rows and columns of the image excepted; where a footprint has none,
        its highest (lowest) pixel. Sorted by decreasing value within a footprint, then by x and y. A NaN is no peak, unless there is nothing else.
    peak_value : float32[::1]
        The image at the peaks.
    peak_offset : int64[::1]
        Offsets of the footprints in the peaks.
    """
    sign = np.float32(-1.0 if negative else 1.0)
    height, width = image.shape
    n_footprints = span_offset.size - 1
    peak_x = np.empty(n_footprints + 16, np.int32)
    peak_y = np.empty(n_footprints + 16, np.int32)
    peak_value = np.empty(n_footprints + 16, np.float32)
    peak_offset = np.zeros(n_footprints + 1, np.int64)
    n = 0
    for f in range(n_footprints):
        first = n
        for s in range(span_offset[f], span_offset[f + 1]):
            row = y[s]
            if row == 0 or row == height - 1:
                continue
            needed = n + x1[s] - x0[s] + 1
            if needed > peak_x.size:
                size = max(needed, 2 * peak_x.size)
                peak_x = _grown(peak_x, size)
                peak_y = _grown(peak_y, size)
                peak_value = _grown(peak_value, size)
            x = max(x0[s], 1)
            last = min(x1[s], width - 2)
            while x <= last:
                v = sign * image[row, x]
                right = sign * image[row, x + 1]
                if right > v:
                    x += 1
                    continue
                if not (
                    np.isnan(v)
                    or sign * image[row, x - 1] > v
                    or sign * image[row - 1, x] > v
                    or sign * image[row + 1, x] > v
                    or sign * image[row - 1, x - 1] > v
                    or sign * image[row - 1, x + 1] > v
                    or sign * image[row + 1, x - 1] > v
                    or sign * image[row + 1, x + 1] > v
                ):
                    peak_x[n] = x
                    peak_y[n] = row
                    peak_value[n] = image[row, x]
                    n += 1
                # A pixel lower than its left neighbour need not be looked at.
                x += 2 if right < v else 1
        if n == first:
            if n == peak_x.size:
                peak_x = _grown(peak_x, 2 * n)
                peak_y = _grown(peak_y, 2 * n)
                peak_value = _grown(peak_value, 2 * n)
            peak_x[n] = x0[span_offset[f]]
            peak_y[n] = y[span_offset[f]]
            for s in range(span_offset[f], span_offset[f + 1]):
                for x in range(x0[s], x1[s] + 1):
                    v = sign * image[y[s], x]
                    best = sign * image[peak_y[n], peak_x[n]]
                    if v > best or (np.isnan(best) and not np.isnan(v)):
                        peak_x[n] = x
                        peak_y[n] = y[s]
            peak_value[n] = image[peak_y[n], peak_x[n]]
            n += 1
        elif n - first > 1:
            _sort_peaks(peak_x, peak_y, peak_value, first, n)
        peak_offset[f + 1] = n
    return peak_x[:n].copy(), peak_y[:n].copy(), peak_value[:n].copy(), peak_offset


@njit(cache=True, nogil=True)
def find_footprints(image, threshold, variance, negative, multiplier, min_pixels, x_origin, y_origin):
    """Find the 8-connected regions of an image above a threshold, and the peaks in them.

    Parameters
    ----------
    image : float32[:, ::1]
        The image, usually smoothed. NaN is below every threshold.
    threshold : float
        Least value of a pixel of a footprint; with `variance`, in units of the pixel's standard deviation.
    variance : float32[:, ::1]
        Variance of each pixel, or an array of shape (0, 0) for a threshold in the units of the image. Negative or NaN variance is never above.
    negative : bool
        Look for regions below ``-threshold``.
    multiplier : float
        Keep only footprints with a pixel that reaches ``threshold * multiplier``.
    min_pixels : int
        Keep only footprints of at least this many pixels.
    x_origin, y_origin : int
        Position of the first element of `image`, added to the results.

    Returns
    -------
    y, x0, x1 : int32[::1]
        Spans of all footprints, x1 inclusive, by footprint and then in raster order.
    span_offset : int64[::1]
        Footprint i has the spans ``span_offset[i]:span_offset[i + 1]``. Footprints are ordered by their first pixel.
    peak_x, peak_y, peak_value
        See `find_peaks`.
    peak_offset : int64[::1]
        Offsets of the footprints in the peaks.

    Notes
    -----
    The rules are those of LSST's ``FootprintSet``. Deviates are compared as ``image**2 >= threshold**2 * variance`` in float64.
    """
    height, width = image.shape
    per_pixel = variance.size > 0
    sign = np.float32(-1.0 if negative else 1.0)
    square = threshold * threshold
    padded = (width // 8 + 1) * 8
    above = np.zeros(padded, np.uint8)
    words = above.view(np.uint64)
    capacity = width + 1024
    y = np.empty(capacity, np.int32)
    x0 = np.empty(capacity, np.int32)
    x1 = np.empty(capacity, np.int32)
    n = 0
    for row in range(height):
        if not per_pixel:
            for x in range(width):
                above[x] = sign * image[row, x] >= threshold
        elif threshold >= 0.0:
            for x in range(width):
                value = np.float64(sign * image[row, x])
                v = np.float64(variance[row, x])
                above[x] = (value >= 0.0) & (v >= 0.0) & (value * value >= square * v)
        else:
            for x in range(width):
                above[x] = sign * image[row, x] >= threshold * np.sqrt(np.float64(variance[row, x]))
        if n + width // 2 + 1 > capacity:
            capacity = 2 * capacity + width
            y = _grown(y, capacity)
            x0 = _grown(x0, capacity)
            x1 = _grown(x1, capacity)
        n = _append_runs(words, above, row, n, y, x0, x1)
    y, x0, x1 = y[:n], x0[:n], x1[:n]

    label, count = _connect(y, x0, x1, 1)
    area = np.zeros(count, np.int64)
    bright = np.full(count, multiplier == 1.0)
    for i in range(n):
        area[label[i]] += x1[i] - x0[i] + 1
        if not bright[label[i]]:
            for x in range(x0[i], x1[i] + 1):
                limit = threshold * multiplier
                if per_pixel:
                    limit *= np.sqrt(np.float64(variance[y[i], x]))
                if sign * image[y[i], x] >= limit:
                    bright[label[i]] = True
    index = np.empty(count, np.int64)
    n_kept = 0
    for i in range(count):
        index[i] = -1
        if bright[i] and area[i] >= min_pixels:
            index[i] = n_kept
            n_kept += 1
    out_y, out_x0, out_x1, span_offset = _scatter(y, x0, x1, label, index, n_kept)
    peak_x, peak_y, peak_value, peak_offset = find_peaks(image, negative, out_y, out_x0, out_x1, span_offset)
    out_y += np.int32(y_origin)
    out_x0 += np.int32(x_origin)
    out_x1 += np.int32(x_origin)
    peak_x += np.int32(x_origin)
    peak_y += np.int32(y_origin)
    return out_y, out_x0, out_x1, span_offset, peak_x, peak_y, peak_value, peak_offset


@njit(cache=True, nogil=True)
def label_mask(mask):
    """Find the 8-connected regions of a mask.

    Parameters
    ----------
    mask : bool[:, ::1]
        The pixels to group.

    Returns
    -------
    y, x0, x1 : int32[::1]
        Spans of all regions, x1 inclusive, by region and then in raster order.
    span_offset : int64[::1]
        Region i has the spans ``span_offset[i]:span_offset[i + 1]``. Regions are ordered by their first pixel.
    """
    height, width = mask.shape
    above = np.zeros((width // 8 + 1) * 8, np.uint8)
    words = above.view(np.uint64)
    capacity = width + 1024
    y = np.empty(capacity, np.int32)
    x0 = np.empty(capacity, np.int32)
    x1 = np.empty(capacity, np.int32)
    n = 0
    for row in range(height):
        for x in range(width):
            above[x] = mask[row, x]
        if n + width // 2 + 1 > capacity:
            capacity = 2 * capacity + width
            y = _grown(y, capacity)
            x0 = _grown(x0, capacity)
            x1 = _grown(x1, capacity)
        n = _append_runs(words, above, row, n, y, x0, x1)
    y, x0, x1 = y[:n], x0[:n], x1[:n]
    label, count = _connect(y, x0, x1, 1)
    return _scatter(y, x0, x1, label, np.arange(count), count)


@njit(cache=True, nogil=True)
def label_spans(y, x0, x1, reach):
    """Number the connected components of a normalized set of spans.

    Parameters
    ----------
    y, x0, x1 : int32[::1]
        The spans in raster order, x1 inclusive, not overlapping.
    reach : int
        1: runs on adjacent rows that touch diagonally are connected (8-connected); 0: they are not (4-connected).

    Returns
    -------
    label : int32[::1]
        Component of each span, numbered by the first span.
    count : int
        Number of components.
    """
    return _connect(y, x0, x1, reach)
