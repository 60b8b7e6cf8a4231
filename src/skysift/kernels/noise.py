"""Sky noise on a mesh, and the variance plane that follows from it."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from skysift.kernels.background import BINS, moments, quantiles

__all__ = ["noise_cells", "spread_variance"]

ONE_SIGMA_BELOW = 0.15865525393145707
TWO_SIGMA_BELOW = 0.02275013194817921
IQR_TO_SIGMA = 0.741301109252801


@njit(cache=True, nogil=True)
def noise_cells(image, usable, cell, step, lag):
    """Level and scatter of the cells of an image.

    Parameters
    ----------
    image
        float32 (height, width).
    usable
        bool (rows used, width), or (0, 0) if every finite pixel is.
    cell
        Side of a cell, pixels; the last cells of a row or column may be smaller.
    step
        Every how many-th row is used; along rows, every pixel.
    lag
        Distance, pixels, beyond which noise is taken to be independent.

    Returns
    -------
    numpy.ndarray
        float64 (4, ny, nx): median; clipped standard deviation of ``(a[x] - (a[x-k] + a[x+k]) / 2) / sqrt(1.5)`` with k the `lag`, and with k = 1;
        difference of the quantiles one and two standard deviations below the median of a Gaussian.
        NaN in cells with fewer than 8 pixels to use. Pixels that equal all four neighbours are not used: they are filled in, not measured.
    """
    height, width = image.shape
    ny, nx = (height + cell - 1) // cell, (width + cell - 1) // cell
    result = np.full((4, ny, nx), np.nan)
    room = ((cell + step - 1) // step) * cell
    sample = np.empty((3, room + 1), dtype=np.float32)
    store = np.empty(room + 1, dtype=np.float32)
    index = np.empty(room, dtype=np.uint16)
    counts = np.empty(BINS, dtype=np.int64)
    keep = np.empty(width, dtype=np.bool_)
    count = np.zeros(3, dtype=np.int64)
    masked = usable.size > 0
    for j in range(ny):
        for i in range(nx):
            x0, x1 = i * cell, min((i + 1) * cell, width)
            count[:] = 0
            for y in range((j * cell + step - 1) // step * step, min((j + 1) * cell, height), step):
                above, row, below = image[max(y - 1, 0)], image[y], image[min(y + 1, height - 1)]
                n = count[0]
                for x in range(x0, x1):
                    v = row[x]
                    filled = (above[x] == v) & (below[x] == v) & (row[max(x - 1, 0)] == v) & (row[min(x + 1, width - 1)] == v)
                    keep[x] = np.isfinite(v) & (not filled)
                    if masked:
                        keep[x] &= usable[y // step, x]
                    sample[0, n] = v
                    n += keep[x]
                count[0] = n
                for which, k in ((1, lag), (2, 1)):
                    values = sample[which]
                    n = count[which]
                    for x in range(max(x0, k), min(x1, width - k)):
                        difference = row[x] - np.float32(0.5) * (row[x - k] + row[x + k])
                        good = keep[x] & np.isfinite(difference)
                        if masked:
                            good &= usable[y // step, x - k] & usable[y // step, x + k]
                        values[n] = difference
                        n += good
                    count[which] = n
            if count[0] >= 8:
                second, first, result[0, j, i] = quantiles(
                    sample[0], count[0], (TWO_SIGMA_BELOW, ONE_SIGMA_BELOW, 0.5), index, store, counts
                )
                result[3, j, i] = first - second
            for which in (1, 2):
                n = count[which]
                if n >= 8:
                    lower, centre, upper = quantiles(sample[which], n, (0.25, 0.5, 0.75), index, store, counts)
                    half_width = 3.0 * IQR_TO_SIGMA * (upper - lower)
                    for _ in range(3):
                        _, centre, variance = moments(sample[which], n, centre, half_width)
                        half_width = 3.0 * math.sqrt(variance)
                    result[which, j, i] = math.sqrt(variance / 1.5)
    return result


@njit(cache=True, nogil=True)
def spread_variance(image, sky, variance, cell, inverse_gain, floor, result):
    """Variance of each pixel: that of the sky, interpolated bilinearly, and that of the light above the sky.

    Parameters
    ----------
    image
        float32 (height, width).
    sky, variance
        float32 (ny, nx): level and variance of the sky in each cell, finite.
    cell
        Side of a cell, pixels.
    inverse_gain
        Counts per electron; 0 if not known.
    floor
        Lowest variance.
    result
        float32 (height, width), the variance to fill.
    """
    height, width = image.shape
    ny, nx = sky.shape
    per_count, lowest = np.float32(inverse_gain), np.float32(floor)
    sky_row = np.empty(nx, dtype=np.float32)
    variance_row = np.empty(nx, dtype=np.float32)
    fraction = np.empty(width, dtype=np.float32)
    for x in range(width):
        fraction[x] = ((x + 0.5) / cell + 0.5) % 1.0
    for y in range(height):
        v = min(max((y + 0.5) / cell - 0.5, 0.0), ny - 1.0)
        j = min(int(v), max(ny - 2, 0))
        k, f = min(j + 1, ny - 1), np.float32(v - j)
        for i in range(nx):
            sky_row[i] = sky[j, i] + f * (sky[k, i] - sky[j, i])
            variance_row[i] = variance[j, i] + f * (variance[k, i] - variance[j, i])
        for i in range(nx + 1):
            left, right = max(i - 1, 0), min(i, nx - 1)
            part = slice(max((2 * i - 1) * cell // 2, 0), min((2 * i + 1) * cell // 2, width))
            level, level_step = sky_row[left], sky_row[right] - sky_row[left]
            noise, noise_step = variance_row[left], variance_row[right] - variance_row[left]
            pixels, target, weight = image[y, part], result[y, part], fraction[part]
            for x in range(target.size):
                value = noise + weight[x] * noise_step
                light = pixels[x] - (level + weight[x] * level_step)
                if not ((light > 0) & (light < np.float32(np.inf))):
                    light = np.float32(0)
                value += light * per_count
                target[x] = value if value > lowest else lowest
