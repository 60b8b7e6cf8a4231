"""Interpolation over runs of bad pixels along the rows of an image."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["interpolate_runs"]


@njit(cache=True, nogil=True)
def _predict(row, left, right, pattern, weights, fallback):
    """Weighted sum of the up to four good pixels around a run, or the mean of its finite neighbours, or the fallback value."""
    total = 0.0
    if pattern & 1:
        total += weights[0] * row[left - 2]
    if pattern & 2:
        total += weights[1] * row[left - 1]
    if pattern & 4:
        total += weights[2] * row[right + 1]
    if pattern & 8:
        total += weights[3] * row[right + 2]
    if np.isfinite(total):
        return total
    total = 0.0
    n = 0
    if pattern & 2 and np.isfinite(row[left - 1]):
        total += row[left - 1]
        n += 1
    if pattern & 4 and np.isfinite(row[right + 1]):
        total += row[right + 1]
        n += 1
    return total / n if n > 0 else fallback


@njit(cache=True, nogil=True)
def interpolate_runs(image, variance, bad, table, fallback, fallback_at_edge, square_variance, n_interpolated):
    """Fill the runs of bad pixels of each row from up to two good pixels on each side, in place.

    Parameters
    ----------
    image, variance
        float32 arrays ``[y, x]``, changed in place; an empty `variance` is skipped.
    bad
        bool array ``[y, x]``: pixels to fill.
    table
        float64 array ``(16, n + 1, m, 4)`` of weights: by the pattern of usable good pixels (bits: second left, left, right, second right),
        by the length of the run (the last entry is for all longer runs), by the position in the run (for the last entry: by the distance
        from the left end, then from `m // 2` on by the distance from the right end).
    fallback
        Value where a row has no good pixel, or far from the good side of a run at the border.
    fallback_at_edge
        Use the fallback value in runs at the border that are longer than `n_interpolated`.
    square_variance
        Propagate the variance with squared weights; else interpolate it like the image.
    n_interpolated
        Number of pixels next to the good side of a run at the border that are interpolated nevertheless.
    """
    height, width = image.shape
    longest = table.shape[1] - 1
    reach = table.shape[2] // 2
    squared = np.empty(4)
    for y in range(height):
        x = 0
        row = image[y]
        flags = bad[y]
        while x < width:
            if not flags[x]:
                x += 1
                continue
            left = x
            while x < width and flags[x]:
                x += 1
            right = x - 1
            at_left, at_right = left == 0, right == width - 1
            first, last = left, right
            if at_left and at_right:
                row[:] = fallback
                continue
            pattern = 0
            if (at_left or at_right) and fallback_at_edge and right - left + 1 > n_interpolated:
                # Pixels set to the fallback value serve as good ones for those that are left.
                if at_left:
                    first = right - n_interpolated + 1
                    row[left:first] = fallback
                    pattern |= 3 if first > 1 else 2
                else:
                    last = left + n_interpolated - 1
                    row[last + 1 : right + 1] = fallback
                    pattern |= 12 if last + 2 < width else 4
            if not at_left:
                pattern |= 2
                if left > 1 and not flags[left - 2]:
                    pattern |= 1
            if not at_right:
                pattern |= 4
                if right < width - 2 and not flags[right + 2]:
                    pattern |= 8
            length = last - first + 1
            for k in range(length):
                if length < longest:
                    weights = table[pattern, length, k]
                elif k < length - 1 - k:
                    weights = table[pattern, longest, min(k, reach - 1)]
                else:
                    weights = table[pattern, longest, reach + min(length - 1 - k, reach - 1)]
                row[first + k] = _predict(row, first, last, pattern, weights, fallback)
                if variance.size > 0:
                    if square_variance:
                        squared[:] = weights * weights
                        variance[y, first + k] = _predict(variance[y], first, last, pattern, squared, np.inf)
                    else:
                        variance[y, first + k] = _predict(variance[y], first, last, pattern, weights, np.inf)
