"""Peaks of an image, and centroid, size and Gaussian flux at each of them."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

__all__ = ["local_maxima", "measure_peaks"]


@njit(cache=True, nogil=True)
def local_maxima(image, threshold, border):
    """Pixels above `threshold` and above all eight neighbours.

    Parameters
    ----------
    image
        (ny, nx) float32; NaN is never a peak and never hides one.
    threshold
        Same unit as the image.
    border
        Pixels to leave out at each edge, at least 1.

    Returns
    -------
    x, y
        int64 (n,), in raster order.
    """
    ny, nx = image.shape
    xs = np.empty(256, np.int64)
    ys = np.empty(256, np.int64)
    n = 0
    for j in range(border, ny - border):
        for i in range(border, nx - border):
            v = image[j, i]
            if not v > threshold:
                continue
            if (
                image[j, i - 1] >= v
                or image[j, i + 1] >= v
                or image[j - 1, i] >= v
                or image[j + 1, i] >= v
                or image[j - 1, i - 1] >= v
                or image[j - 1, i + 1] >= v
                or image[j + 1, i - 1] >= v
                or image[j + 1, i + 1] >= v
            ):
                continue
            if n == xs.size:
                xs = np.concatenate((xs, np.empty(n, np.int64)))
                ys = np.concatenate((ys, np.empty(n, np.int64)))
            xs[n] = i
            ys[n] = j
            n += 1
    return xs[:n].copy(), ys[:n].copy()


@njit(cache=True, nogil=True)
def measure_peaks(image, x, y, half, sigma):
    """Centroid, size and Gaussian PSF flux in a square cut-out around each position.

    Parameters
    ----------
    image
        (ny, nx) float32.
    x, y
        int64 (n,): pixel at the middle of each cut-out, which is clipped to the image.
    half
        Half size of the cut-out, pixels.
    sigma
        Of the Gaussian PSF, pixels.

    Returns
    -------
    table
        float64 (n, 5): centroid x and y, width in x and y, flux; NaN where the cut-out has no usable sum.
    """
    ny, nx = image.shape
    out = np.full((x.size, 5), np.nan)
    for k in range(x.size):
        x0, x1 = max(0, x[k] - half), min(nx, x[k] + half + 1)
        y0, y1 = max(0, y[k] - half), min(ny, y[k] + half + 1)
        s = sx = sy = 0.0
        for j in range(y0, y1):
            for i in range(x0, x1):
                v = float(image[j, i])
                s += v
                sx += v * i
                sy += v * j
        if not s > 0.0:
            continue
        cx, cy = sx / s, sy / s
        ff = fx = fy = fp = pp = 0.0
        for j in range(y0, y1):
            for i in range(x0, x1):
                v = float(image[j, i])
                dx, dy = i - cx, j - cy
                ff += v * v
                fx += v * v * dx * dx
                fy += v * v * dy * dy
                p = math.exp(-0.5 * (dx * dx + dy * dy) / (sigma * sigma))
                fp += v * p
                pp += p * p
        out[k, 0], out[k, 1] = cx, cy
        out[k, 2], out[k, 3] = math.sqrt(fx / ff), math.sqrt(fy / ff)
        if pp > 0.0:
            out[k, 4] = fp / pp * (2.0 * math.pi * sigma * sigma)
    return out
