"""The loops of the sky estimate: binning, growth of masks with brightness, and sums over cells."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["bin_image", "cell_sums", "grow_with_brightness"]


@njit(cache=True, nogil=True)
def bin_image(image, mask, bad_bits, floor, block):
    """Mean of the good, finite pixels of each block of ``block x block`` pixels.

    Parameters
    ----------
    image
        float32 array ``[y, x]``, C-contiguous.
    mask
        int32 array of the same shape.
    bad_bits
        Pixels with any of these bits are left out.
    floor
        Pixels below this value are left out too.
    block
        Side of a block, pixels; blocks at the far borders may be smaller.

    Returns
    -------
    mean, count, scatter
        float32 arrays: mean of the good pixels (0 without any), their number, and the sum of their squared deviations from it.
    """
    height, width = image.shape
    ny, nx = (height + block - 1) // block, (width + block - 1) // block
    mean = np.zeros((ny, nx), np.float32)
    count = np.zeros((ny, nx), np.float32)
    scatter = np.zeros((ny, nx), np.float32)
    full = np.float32(block * block)
    whole = width // block
    low = np.float32(max(floor, -3.4e38))
    high = np.float32(3.4e38)
    for j in range(ny):
        y0, y1 = j * block, min((j + 1) * block, height)
        bits = np.int32(0)
        trouble = np.int32(0)
        for y in range(y0, y1):
            row, mask_row = image[y], mask[y]
            for x in range(width):
                bits |= mask_row[x]
                trouble += np.int32(not ((row[x] >= low) & (row[x] <= high)))
        clean = (bits & bad_bits) == 0 and trouble == 0 and y1 - y0 == block
        for i in range(nx):
            x0, x1 = i * block, min((i + 1) * block, width)
            if clean and i < whole:
                pivot = image[y0, x0]
                first = np.float32(0)
                second = np.float32(0)
                for y in range(y0, y1):
                    for x in range(x0, x1):
                        d = image[y, x] - pivot
                        first += d
                        second += d * d
                mean[j, i] = pivot + first / full
                count[j, i] = full
                scatter[j, i] = max(second - first * first / full, np.float32(0))
                continue
            n = 0
            start = 0.0
            total = 0.0
            square = 0.0
            for y in range(y0, y1):
                for x in range(x0, x1):
                    if (mask[y, x] & bad_bits) != 0 or not (image[y, x] >= low and image[y, x] <= high):
                        continue
                    if n == 0:
                        start = np.float64(image[y, x])
                    d = np.float64(image[y, x]) - start
                    n += 1
                    total += d
                    square += d * d
            if n > 0:
                mean[j, i] = start + total / n
                count[j, i] = n
                scatter[j, i] = max(square - total * total / n, 0.0)
    return mean, count, scatter


@njit(cache=True, nogil=True)
def grow_with_brightness(significance, threshold, radius, power, largest):
    """Pixels within a distance of a significant pixel that grows with its significance, on both sides of zero alike.

    A pixel of significance ``|s| > threshold`` reaches ``radius * (|s| / threshold)**power`` pixels. Reaches are spread with a two-pass
    chamfer transform (Borgefors 1986, weights 0.955 and 1.369).

    Parameters
    ----------
    significance
        float32 array ``[y, x]``.
    threshold, radius, power
        See above.
    largest
        Upper limit of a reach.

    Returns
    -------
    grown
        bool array ``[y, x]``.
    """
    height, width = significance.shape
    reach = np.full((height + 2, width + 2), np.float32(-1e30))
    straight, diagonal = np.float32(0.955), np.float32(1.369)
    for y in range(height):
        for x in range(width):
            s = np.abs(significance[y, x])
            if s > threshold:
                reach[y + 1, x + 1] = min(radius * (s / threshold) ** power, largest)
    for y in range(1, height + 1):
        up, row = reach[y - 1], reach[y]
        for x in range(1, width + 1):
            row[x] = max(row[x], max(up[x] - straight, max(up[x - 1], up[x + 1]) - diagonal))
        for x in range(1, width + 1):
            row[x] = max(row[x], row[x - 1] - straight)
    grown = np.empty((height, width), np.bool_)
    for y in range(height, 0, -1):
        down, row = reach[y + 1], reach[y]
        for x in range(1, width + 1):
            row[x] = max(row[x], max(down[x] - straight, max(down[x - 1], down[x + 1]) - diagonal))
        for x in range(width, 0, -1):
            row[x] = max(row[x], row[x + 1] - straight)
        for x in range(width):
            grown[y - 1, x] = row[x + 1] >= 0
    return grown


@njit(cache=True, nogil=True)
def cell_sums(values, weights, excluded, edges_y, edges_x):
    """Weighted sums over the cells of a grid.

    Parameters
    ----------
    values, weights
        float32 arrays ``[y, x]``.
    excluded
        bool array ``[y, x]``: pixels to leave out.
    edges_y, edges_x
        int64 arrays of cell edges.

    Returns
    -------
    sums
        float64 array ``(ny, nx, 2)``: sums of w and of w v over the pixels kept.
    """
    ny, nx = edges_y.size - 1, edges_x.size - 1
    sums = np.zeros((ny, nx, 2))
    for j in range(ny):
        for y in range(edges_y[j], edges_y[j + 1]):
            for i in range(nx):
                w0 = 0.0
                w1 = 0.0
                for x in range(edges_x[i], edges_x[i + 1]):
                    w = 0.0 if excluded[y, x] else np.float64(weights[y, x])
                    w0 += w
                    w1 += w * np.float64(values[y, x])
                sums[j, i, 0] += w0
                sums[j, i, 1] += w1
    return sums
