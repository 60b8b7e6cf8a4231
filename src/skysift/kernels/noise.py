"""Sky noise on a mesh, and the variance plane that follows from it."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from skysift.kernels.clip import clip_moments, select_quantile

__all__ = ["noise_cells", "spread_variance"]

ONE_SIGMA_BELOW = 0.15865525393145707
TWO_SIGMA_BELOW = 0.02275013194817921


@njit(cache=True, nogil=True)
def noise_cells(image, usable, cell, step, lag):
    """Level and scatter of the cells of an image.

    Parameters
    ----------
    image
        float32 (height, width).
    usable
        bool (height, width), or (0, 0) if every finite pixel is.
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
    sample = np.empty((3, room), dtype=np.float32)
    work = np.empty((3, room), dtype=np.float32)
    none = np.empty(0, dtype=np.float32)
    count = np.zeros(3, dtype=np.int64)
    masked = usable.size > 0
    for j in range(ny):
        for i in range(nx):
            count[:] = 0
            for y in range(j * cell, min((j + 1) * cell, height), step):
                below, above = max(y - 1, 0), min(y + 1, height - 1)
                for x in range(i * cell, min((i + 1) * cell, width)):
                    v = image[y, x]
                    if not np.isfinite(v) or (masked and not usable[y, x]):
                        continue
                    same = image[below, x] == v and image[above, x] == v
                    if same and image[y, max(x - 1, 0)] == v and image[y, min(x + 1, width - 1)] == v:
                        continue
                    sample[0, count[0]] = v
                    count[0] += 1
                    for which, k in ((1, lag), (2, 1)):
                        left, right = x - k, x + k
                        if left < 0 or right >= width or (masked and not (usable[y, left] and usable[y, right])):
                            continue
                        difference = v - np.float32(0.5) * (image[y, left] + image[y, right])
                        if np.isfinite(difference):
                            sample[which, count[which]] = difference
                            count[which] += 1
            if count[0] >= 8:
                second, rank = select_quantile(sample[0], count[0], TWO_SIGMA_BELOW, 0)
                first, rank = select_quantile(sample[0], count[0], ONE_SIGMA_BELOW, rank)
                result[0, j, i] = select_quantile(sample[0], count[0], 0.5, rank)[0]
                result[3, j, i] = first - second
            for which in (1, 2):
                if count[which] >= 8:
                    _, variance, _, _, _ = clip_moments(sample[which], none, work, count[which], 3.0, 3)
                    result[which, j, i] = math.sqrt(variance / 1.5)
    return result


@njit(cache=True, nogil=True)
def spread_variance(image, sky, variance, cell, inverse_gain, floor):
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

    Returns
    -------
    numpy.ndarray
        float32 (height, width).
    """
    height, width = image.shape
    ny, nx = sky.shape
    result = np.empty((height, width), dtype=np.float32)
    sky_row = np.empty(nx, dtype=np.float32)
    variance_row = np.empty(nx, dtype=np.float32)
    index = np.empty(width, dtype=np.int32)
    fraction = np.empty(width, dtype=np.float32)
    for x in range(width):
        u = min(max((x + 0.5) / cell - 0.5, 0.0), nx - 1.0)
        index[x] = min(int(u), max(nx - 2, 0))
        fraction[x] = u - index[x]
    last = nx - 1
    for y in range(height):
        v = min(max((y + 0.5) / cell - 0.5, 0.0), ny - 1.0)
        j = min(int(v), max(ny - 2, 0))
        k, f = min(j + 1, ny - 1), np.float32(v - j)
        for i in range(nx):
            sky_row[i] = sky[j, i] + f * (sky[k, i] - sky[j, i])
            variance_row[i] = variance[j, i] + f * (variance[k, i] - variance[j, i])
        for x in range(width):
            i = index[x]
            right = min(i + 1, last)
            g = fraction[x]
            value = variance_row[i] + g * (variance_row[right] - variance_row[i])
            if inverse_gain > 0.0:
                light = image[y, x] - (sky_row[i] + g * (sky_row[right] - sky_row[i]))
                if light > 0.0 and light < np.float32(np.inf):
                    value += light * np.float32(inverse_gain)
            result[y, x] = max(value, np.float32(floor))
    return result
