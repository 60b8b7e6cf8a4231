"""The loops of the sky estimate: binning, growth of masks with brightness, and sums over cells."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["bin_image", "cell_sums", "grow_with_brightness"]


@njit(cache=True, nogil=True)
def _mean_and_scatter(image, mask, bad_bits, low, high):
    """Mean of the good pixels of a few, their number, and the sum of their squared deviations from the mean."""
    n = 0
    pivot = 0.0
    total = 0.0
    square = 0.0
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            value = image[y, x]
            if (mask[y, x] & bad_bits) == 0 and value >= low and value <= high:
                if n == 0:
                    pivot = np.float64(value)
                d = np.float64(value) - pivot
                n += 1
                total += d
                square += d * d
    if n == 0:
        return 0.0, 0, 0.0
    return pivot + total / n, n, max(square - total * total / n, 0.0)


@njit(cache=True, nogil=True)
def bin_image(image, mask, bad_bits, floor, level, block, mean, count, scatter):
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
    level
        A typical value, for sums of small numbers.
    block
        Side of a block, pixels; blocks at the far borders may be smaller.
    mean, count, scatter
        float32 arrays to fill: mean of the good pixels (0 without any), their number, and the sum of their squared deviations from it.
    """
    height, width = image.shape
    ny, nx = mean.shape
    low = np.float32(max(floor, -3.4e38))
    high = np.float32(3.4e38)
    level = np.float32(level)
    bad_bits = np.int32(bad_bits)
    bad = np.empty(nx * block, np.int32)
    first = np.empty(nx * block, np.float32)
    second = np.empty(nx * block, np.float32)
    flags = np.empty(nx, np.int32)
    # Columns of pixels are summed first, all along the rows; the sums of the blocks are then every so many of the running sums.
    for j in range(ny):
        y0, y1 = j * block, min((j + 1) * block, height)
        bad[:] = 0
        bad[width:] = 1
        first[:] = 0
        second[:] = 0
        for y in range(y0, y1):
            row, mask_row = image[y], mask[y]
            for x in range(width):
                value = row[x]
                bad[x] |= (mask_row[x] & bad_bits) | np.int32(not ((value >= low) & (value <= high)))
                d = value - level
                first[x] += d
                second[x] += d * d
        n = np.float32((y1 - y0) * block)
        share = np.float32(1) / n
        means, scatters = mean[j], scatter[j]
        for i in range(nx):
            flag, s1, s2 = np.int32(0), np.float32(0), np.float32(0)
            part = slice(i * block, (i + 1) * block)
            bad_part, first_part, second_part = bad[part], first[part], second[part]
            for k in range(block):
                flag |= bad_part[k]
                s1 += first_part[k]
                s2 += second_part[k]
            flags[i] = flag
            means[i] = level + s1 * share
            s2 -= s1 * s1 * share
            scatters[i] = s2 if s2 > 0 else np.float32(0)
        count[j] = n
        for i in range(nx):
            if flags[i] != 0:
                x0, x1 = i * block, min((i + 1) * block, width)
                mean[j, i], count[j, i], scatter[j, i] = _mean_and_scatter(image[y0:y1, x0:x1], mask[y0:y1, x0:x1], bad_bits, low, high)


@njit(cache=True, nogil=True)
def _spread_down(above, row, straight, diagonal):
    """Let the reaches of one row spread to the next one."""
    for x in range(1, row.size - 1):
        side = above[x - 1] if above[x - 1] > above[x + 1] else above[x + 1]
        side -= diagonal
        value = above[x] - straight
        value = value if value > side else side
        row[x] = value if value > row[x] else row[x]


@njit(cache=True, nogil=True)
def _spread_along(row, work, forward, straight, farthest):
    """Let the reaches of a row spread along it to one side; the distance doubles from pass to pass."""
    n = row.size
    step = 1
    while step < n and step * straight <= farthest:
        work[:] = row
        loss = np.float32(step * straight)
        source, target = (work[: n - step], row[step:]) if forward else (work[step:], row[: n - step])
        for x in range(target.size):
            value = source[x] - loss
            target[x] = value if value > target[x] else target[x]
        step *= 2


@njit(cache=True, nogil=True)
def grow_with_brightness(significance, threshold, radius, power, largest, reach, grown):
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
    reach
        float32 array to work in, larger than `significance` by two in both directions.
    grown
        bool array ``[y, x]`` to fill.
    """
    height, width = significance.shape
    straight, diagonal = np.float32(0.955), np.float32(1.369)
    limit, scale, exponent = np.float32(threshold), np.float32(radius * threshold**-power), np.float32(power)
    farthest = np.float32(0)
    reach[:] = np.float32(-1e30)
    for y in range(height):
        for x in range(width):
            s = np.abs(significance[y, x])
            if s > limit:
                value = min(scale * s**exponent, np.float32(largest))
                farthest = max(farthest, value)
                reach[y + 1, x + 1] = value
    work = np.empty(width + 2, np.float32)
    for y in range(1, height + 1):
        _spread_down(reach[y - 1], reach[y], straight, diagonal)
        _spread_along(reach[y], work, True, straight, farthest)
    for y in range(height, 0, -1):
        row = reach[y]
        _spread_down(reach[y + 1], row, straight, diagonal)
        _spread_along(row, work, False, straight, farthest)
        for x in range(width):
            grown[y - 1, x] = row[x + 1] >= 0


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
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
                part = slice(edges_x[i], edges_x[i + 1])
                value, weight, left_out = values[y, part], weights[y, part], excluded[y, part]
                w0 = 0.0
                w1 = 0.0
                for x in range(value.size):
                    w = 0.0 if left_out[x] else np.float64(weight[x])
                    w0 += w
                    w1 += w * np.float64(value[x])
                sums[j, i, 0] += w0
                sums[j, i, 1] += w1
    return sums
