"""Sharing out the pixels of blends."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["flood_labels", "spans_by_label"]


@njit(cache=True, nogil=True)
def _push(heap, size, key, value, pixel):
    i = size
    while i > 0:
        above = (i - 1) // 2
        if key[above] >= value:
            break
        key[i] = key[above]
        heap[i] = heap[above]
        i = above
    key[i] = value
    heap[i] = pixel


@njit(cache=True, nogil=True)
def _pop(heap, size, key):
    value, pixel = key[size], heap[size]
    i = 0
    while True:
        below = 2 * i + 1
        if below >= size:
            break
        if below + 1 < size and key[below + 1] > key[below]:
            below += 1
        if key[below] <= value:
            break
        key[i] = key[below]
        heap[i] = heap[below]
        i = below
    key[i] = value
    heap[i] = pixel


@njit(cache=True, nogil=True)
def flood_labels(image, labels, seed_y, seed_x, seed_label, seed_region, heap, key):
    """Share out regions among seeds: water runs downhill from the seeds, the highest pixel first.

    Parameters
    ----------
    image : float32[:, ::1]
        Heights; NaN is lowest.
    labels : int32[:, ::1]
        -1 in the pixels to share out, 0 outside; changed in place to the label of the seed from which each pixel is reached first. Pixels that no
        seed reaches stay -1.
    seed_y, seed_x, seed_label : int32[::1]
        Pixels, inside the regions, and labels above zero of the seeds.
    seed_region : int64[::1]
        The region of each seed, not decreasing; one region after the other keeps the heap small.
    heap : int64[::1]
        Work space, one element per pixel to share out.
    key : float32[::1]
        Likewise.

    Notes
    -----
    Marker-based watershed by priority flooding (Meyer 1994, Signal Processing 38, 113).
    """
    height, width = image.shape
    lowest = np.float32(-3.4e38)
    for seed in range(seed_y.size):
        if labels[seed_y[seed], seed_x[seed]] == -1:
            labels[seed_y[seed], seed_x[seed]] = seed_label[seed]
    seed = 0
    while seed < seed_y.size:
        size = 0
        region = seed_region[seed]
        while seed < seed_y.size and seed_region[seed] == region:
            y, x = seed_y[seed], seed_x[seed]
            if labels[y, x] == seed_label[seed]:
                value = image[y, x]
                _push(heap, size, key, value if value > lowest else lowest, np.int64(y) * width + x)
                size += 1
            seed += 1
        while size > 0:
            pixel = heap[0]
            size -= 1
            if size > 0:
                _pop(heap, size, key)
            y, x = pixel // width, pixel % width
            for j in range(max(y - 1, 0), min(y + 1, height - 1) + 1):
                for k in range(max(x - 1, 0), min(x + 1, width - 1) + 1):
                    if labels[j, k] == -1:
                        labels[j, k] = labels[y, x]
                        value = image[j, k]
                        _push(heap, size, key, value if value > lowest else lowest, np.int64(j) * width + k)
                        size += 1


@njit(cache=True, nogil=True)
def spans_by_label(labels, y, x0, x1):
    """Cut spans where the label changes.

    Parameters
    ----------
    labels : int32[:, ::1]
        Label of each pixel; pixels with a label of zero or less are left out.
    y, x0, x1 : int32[::1]
        Spans, x1 inclusive, in the array's own coordinates.

    Returns
    -------
    label, y, x0, x1 : int32[::1]
        The pieces, in the order of the spans.
    """
    capacity = 2 * y.size + 1024
    out = np.empty((4, capacity), np.int32)
    n = 0
    for s in range(y.size):
        row = labels[y[s]]
        x = x0[s]
        while x <= x1[s]:
            label = row[x]
            start = x
            while x <= x1[s] and row[x] == label:
                x += 1
            if label <= 0:
                continue
            if n == out.shape[1]:
                larger = np.empty((4, 2 * n), np.int32)
                larger[:, :n] = out
                out = larger
            out[0, n] = label
            out[1, n] = y[s]
            out[2, n] = start
            out[3, n] = x - 1
            n += 1
    return out[0, :n].copy(), out[1, :n].copy(), out[2, :n].copy(), out[3, :n].copy()
