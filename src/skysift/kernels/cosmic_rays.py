"""Cosmic rays: pixels that stand above their neighbours more sharply than the PSF allows."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["find_hits", "grow_hits", "label_hits", "replacement_values"]


@njit(cache=True, nogil=True)
def _cosmic_ray_estimate(image, variance, mask, unusable, y, x, sharpness, background, min_sigma, c3):
    """The value that the neighbours of a pixel suggest if it is a cosmic ray, else NaN.

    Pairs of neighbours with a bad pixel are no evidence: a dead pixel would make all its neighbours look bright.
    """
    value = np.float64(image[y, x])
    if not value >= 0.0 or value < -min_sigma:
        return np.nan
    noise = np.sqrt(np.float64(variance[y, x]))
    peak = value - background - c3 * noise
    above = min_sigma < 0.0
    estimate = np.nan
    for dy, dx, k in ((-1, 0, 0), (0, -1, 1), (-1, -1, 2), (-1, 1, 2)):
        if ((mask[y + dy, x + dx] | mask[y - dy, x - dx]) & unusable) != 0:
            continue
        mean = 0.5 * (np.float64(image[y + dy, x + dx]) + np.float64(image[y - dy, x - dx]))
        above |= value >= mean + min_sigma * noise
        if np.isnan(estimate):
            spread = 0.5 * np.sqrt(np.float64(variance[y + dy, x + dx]) + np.float64(variance[y - dy, x - dx]))
            if sharpness[k] * peak > mean - background + c3 * spread:
                estimate = mean
    return estimate if above else np.nan


@njit(cache=True, nogil=True)
def find_hits(image, variance, mask, bad_bits, interpolated_bit, sharpness, background, min_sigma, c3, most):
    """Find the pixels that look like cosmic rays, row by row.

    A pixel found is replaced at once by what its neighbours suggest, so that the pixels after it are judged without it; the image is
    restored at the end.

    Parameters
    ----------
    image, variance
        float32 arrays ``[y, x]``; `image` is changed and restored.
    mask
        int32 array ``[y, x]``.
    bad_bits
        Pixels with any of these bits are no cosmic rays.
    interpolated_bit
        Pixels with a neighbour with this bit are no cosmic rays.
    sharpness
        float64 array of the PSF's relative brightness beside its centre, times a factor: along y, along x, along the diagonals.
    background
        Level of the sky.
    min_sigma, c3
        Thresholds in standard deviations; see `skysift.repair.find_cosmic_rays`.
    most
        Largest number of pixels to find.

    Returns
    -------
    y, x
        int32 arrays of the pixels found, in raster order.
    complete
        False when there were more than `most`.
    """
    height, width = image.shape
    capacity = min(most, 4096)
    found_y = np.empty(capacity, np.int32)
    found_x = np.empty(capacity, np.int32)
    original = np.empty(capacity, np.float32)
    n = 0
    complete = True
    inner = max(width - 2, 0)
    candidate = np.zeros(inner + 1, np.uint8)
    unusable = bad_bits & ~interpolated_bit
    half, zero, slack = np.float32(0.5), np.float32(0.0), np.float32(1e-6)
    factor = np.float32(0.9999 * max(min_sigma, 0.0) ** 2)
    floor = np.float32(max(-min_sigma, 0.0) * 0.9999)
    for y in range(1, height - 1):
        if inner == 0 or not complete:
            break
        # A fast look at the row in single precision, a little too generous; what passes is judged exactly below.
        a0, a1, a2 = image[y - 1, :inner], image[y - 1, 1 : inner + 1], image[y - 1, 2:]
        b0, b1, b2 = image[y, :inner], image[y, 1 : inner + 1], image[y, 2:]
        c0, c1, c2 = image[y + 1, :inner], image[y + 1, 1 : inner + 1], image[y + 1, 2:]
        v = variance[y, 1 : inner + 1]
        any_candidate = np.uint8(0)
        if min_sigma >= 0.0:
            for x in range(inner):
                lowest = half * min(min(a1[x] + c1[x], b0[x] + b2[x]), min(a0[x] + c2[x], c0[x] + a2[x]))
                excess = b1[x] - lowest + slack * b1[x]
                # A NaN must pass to the exact test, hence the negation.
                flag = np.uint8((b1[x] >= zero) & (not (excess * np.abs(excess) < factor * v[x])))
                candidate[x] = flag
                any_candidate |= flag
        else:
            for x in range(inner):
                flag = np.uint8(b1[x] >= floor)
                candidate[x] = flag
                any_candidate |= flag
        if any_candidate == 0:
            continue
        for x in range(1, inner + 1):
            if candidate[x - 1] == 0:
                continue
            estimate = _cosmic_ray_estimate(image, variance, mask, unusable, y, x, sharpness, background, min_sigma, c3)
            if np.isnan(estimate) or (mask[y, x] & bad_bits) != 0:
                continue
            around = np.int32(0)
            for j in range(y - 1, y + 2):
                for i in range(x - 1, x + 2):
                    if j != y or i != x:
                        around |= mask[j, i]
            if (around & interpolated_bit) != 0:
                continue
            if n >= most:
                complete = False
                break
            if n == capacity:
                capacity = min(2 * capacity, most)
                found_y = np.concatenate((found_y, np.empty(capacity - n, np.int32)))
                found_x = np.concatenate((found_x, np.empty(capacity - n, np.int32)))
                original = np.concatenate((original, np.empty(capacity - n, np.float32)))
            found_y[n] = y
            found_x[n] = x
            original[n] = image[y, x]
            n += 1
            image[y, x] = estimate
            candidate[x] = 1
    for k in range(n):
        image[found_y[k], found_x[k]] = original[k]
    return found_y[:n].copy(), found_x[:n].copy(), complete


@njit(cache=True, nogil=True)
def _root(parent, k):
    while parent[k] != k:
        parent[k] = parent[parent[k]]
        k = parent[k]
    return k


@njit(cache=True, nogil=True)
def label_hits(y, x):
    """Groups of pixels that touch, also at corners.

    Parameters
    ----------
    y, x
        int32 arrays of pixels in raster order.

    Returns
    -------
    label
        int32 array: number of each pixel's group, in the order of the groups' first pixels.
    n
        Number of groups.
    """
    n = y.size
    parent = np.arange(n)
    above = 0
    for k in range(n):
        if k > 0 and y[k - 1] == y[k] and x[k - 1] == x[k] - 1:
            parent[_root(parent, k)] = _root(parent, k - 1)
        while above < k and (y[above] < y[k] - 1 or (y[above] == y[k] - 1 and x[above] < x[k] - 1)):
            above += 1
        m = above
        while m < k and y[m] == y[k] - 1 and x[m] <= x[k] + 1:
            a, b = _root(parent, m), _root(parent, k)
            parent[max(a, b)] = min(a, b)
            m += 1
    label = np.empty(n, np.int32)
    number = np.full(n, -1, np.int32)
    count = 0
    for k in range(n):
        root = _root(parent, k)
        if number[root] < 0:
            number[root] = count
            count += 1
        label[k] = number[root]
    return label, count


@njit(cache=True, nogil=True)
def grow_hits(image, variance, mask, unusable, state, y, x, label, sharpness, background, min_sigma, most):
    """Look once beside the pixels of cosmic rays for more of their pixels.

    Parameters
    ----------
    image, variance
        float32 arrays ``[y, x]``; pixels added are replaced in `image` by what their neighbours suggest.
    mask, unusable
        int32 array ``[y, x]``, and the bits of pixels that are no evidence for their neighbours.
    state
        uint8 array ``[y, x]``: 1 for pixels of cosmic rays; updated.
    y, x, label
        int32 arrays: the pixels known and their group.
    sharpness, background, min_sigma
        As in `find_hits`.
    most
        Largest number of pixels to add.

    Returns
    -------
    y, x, label
        The pixels added and their group.
    complete
        False when there were more than `most`.
    """
    height, width = image.shape
    limit = min(most, 8 * y.size)
    new_y = np.empty(limit, np.int32)
    new_x = np.empty(limit, np.int32)
    new_label = np.empty(limit, np.int32)
    n = 0
    for k in range(y.size):
        if y[k] < 2 or y[k] >= height - 2:
            continue
        for j in range(y[k] - 1, y[k] + 2):
            for i in range(max(x[k] - 1, 2), min(x[k] + 1, width - 3) + 1):
                if state[j, i] != 0:
                    continue
                estimate = _cosmic_ray_estimate(image, variance, mask, unusable, j, i, sharpness, background, min_sigma, 0.0)
                if np.isnan(estimate):
                    continue
                if n == limit:
                    return new_y[:n].copy(), new_x[:n].copy(), new_label[:n].copy(), False
                new_y[n] = j
                new_x[n] = i
                new_label[n] = label[k]
                n += 1
                state[j, i] = 1
                image[j, i] = estimate
    return new_y[:n].copy(), new_x[:n].copy(), new_label[:n].copy(), True


@njit(cache=True, nogil=True)
def _across_gap(image, mask, bad_bits, state, y, x, dy, dx, reach):
    """Linear interpolation between the nearest clean pixels in one direction and its opposite; NaN if one is farther than `reach`."""
    height, width = image.shape
    total = 0.0
    weight = 0.0
    for sign in (-1, 1):
        found = False
        for step in range(1, reach + 1):
            j, i = y + sign * step * dy, x + sign * step * dx
            if j < 0 or j >= height or i < 0 or i >= width:
                break
            if state[j, i] == 0 and (mask[j, i] & bad_bits) == 0 and np.isfinite(image[j, i]):
                total += np.float64(image[j, i]) / step
                weight += 1.0 / step
                found = True
                break
        if not found:
            return np.nan
    return total / weight


@njit(cache=True, nogil=True)
def replacement_values(image, variance, mask, bad_bits, state, y, x, background, reach):
    """Values to put in place of the pixels of cosmic rays.

    Each of the four directions whose neighbours at distances 1 and 2 are clean on both sides gives an interpolated value; the least that
    is not far below the sky is taken, and corrected for being the least of several noisy ones. Without such a direction the value
    is the mean of linear interpolations across the gap along the row and the column, and at last the sky.

    Parameters
    ----------
    image, variance
        float32 arrays ``[y, x]``.
    mask
        int32 array ``[y, x]``.
    bad_bits
        Pixels with any of these bits are not clean.
    state
        uint8 array ``[y, x]``: 1 for pixels of cosmic rays.
    y, x
        int32 arrays of the pixels to replace.
    background
        Level of the sky.
    reach
        Largest distance of the interpolation across a gap, pixels.

    Returns
    -------
    values
        float32 array, one per pixel.
    """
    height, width = image.shape
    step_y = (0, 1, 1, 1)
    step_x = (1, 0, 1, -1)
    # Expected least of n standard normal values.
    least = (0.0, 0.0, 0.5641895835, 0.8462843753, 1.0293753730)
    values = np.empty(y.size, np.float32)
    for k in range(y.size):
        best = np.inf
        spread = 0.0
        accepted = 0
        for direction in range(4):
            dy, dx = step_y[direction], step_x[direction]
            y_low, y_high = y[k] - 2 * dy, y[k] + 2 * dy
            x_low, x_high = min(x[k] - 2 * dx, x[k] + 2 * dx), max(x[k] - 2 * dx, x[k] + 2 * dx)
            if y_low < 0 or y_high >= height or x_low < 0 or x_high >= width:
                continue
            near, far = 0.7737, -0.2737
            if direction >= 2:
                near, far = 0.7358, -0.2358
            value = 0.0
            noise = 0.0
            clean = True
            for step in (-2, -1, 1, 2):
                j, i = y[k] + step * dy, x[k] + step * dx
                if state[j, i] != 0 or (mask[j, i] & bad_bits) != 0 or not np.isfinite(image[j, i]):
                    clean = False
                    break
                w = near if abs(step) == 1 else far
                value += w * np.float64(image[j, i])
                noise += w * w * np.float64(variance[j, i])
            if not clean or value <= background - 2.0 * np.sqrt(noise):
                continue
            accepted += 1
            if value < best:
                best = value
                spread = np.sqrt(noise)
        if accepted > 0:
            correction = least[accepted] * spread
            values[k] = best + (correction if np.isfinite(correction) else 0.0)
            continue
        along_row = _across_gap(image, mask, bad_bits, state, y[k], x[k], 0, 1, reach)
        along_column = _across_gap(image, mask, bad_bits, state, y[k], x[k], 1, 0, reach)
        if np.isfinite(along_row) and np.isfinite(along_column):
            values[k] = 0.5 * (along_row + along_column)
        elif np.isfinite(along_row):
            values[k] = along_row
        elif np.isfinite(along_column):
            values[k] = along_column
        else:
            values[k] = background
    return values
