"""Drawing sums of elliptical Gaussians into an image."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

__all__ = ["add_gaussians"]


@njit(cache=True, nogil=True)
def add_gaussians(image, x, y, amplitude, ixx, iyy, ixy, radius):
    """Add point-sampled elliptical Gaussians of unit integral times `amplitude` to `image`.

    Parameters
    ----------
    image
        float64 (ny, nx), changed in place.
    x, y
        float64 (n,): centres, pixels of the array.
    amplitude
        float64 (n,): flux of each.
    ixx, iyy, ixy
        float64 (n,): second moments, pixel^2.
    radius
        float64 (n,): half size of the square that is drawn, pixels.
    """
    ny, nx = image.shape
    for k in range(x.size):
        det = ixx[k] * iyy[k] - ixy[k] * ixy[k]
        if not det > 0.0 or amplitude[k] == 0.0:
            continue
        a = iyy[k] / det
        b = -ixy[k] / det
        c = ixx[k] / det
        norm = amplitude[k] / (2.0 * math.pi * math.sqrt(det))
        x0 = max(0, int(math.ceil(x[k] - radius[k])))
        x1 = min(nx - 1, int(math.floor(x[k] + radius[k])))
        y0 = max(0, int(math.ceil(y[k] - radius[k])))
        y1 = min(ny - 1, int(math.floor(y[k] + radius[k])))
        if x1 < x0:
            continue
        # Along a row the ratio of neighbouring pixels is itself a geometric series, so one exponential a row is enough.
        step = math.exp(-a)
        for j in range(y0, y1 + 1):
            dy = j - y[k]
            peak = int(round(x[k] - b * dy / a))
            peak = min(max(peak, x0), x1)
            dx = peak - x[k]
            start = norm * math.exp(-0.5 * (a * dx * dx + 2.0 * b * dx * dy + c * dy * dy))
            value = start
            ratio = math.exp(-0.5 * a * (2.0 * dx + 1.0) - b * dy)
            for i in range(peak, x1 + 1):
                image[j, i] += value
                value *= ratio
                ratio *= step
            value = start
            ratio = math.exp(0.5 * a * (2.0 * dx - 1.0) + b * dy)
            for i in range(peak - 1, x0 - 1, -1):
                value *= ratio
                ratio *= step
                image[j, i] += value


def reach(amplitude: np.ndarray, variance: np.ndarray, floor: float) -> np.ndarray:
    """Radius beyond which a round Gaussian stays below `floor`, at least four and at most nine sigma."""
    sigma = np.sqrt(variance)
    central = np.maximum(np.abs(amplitude) / (2.0 * np.pi * variance), 1e-300)
    wanted = sigma * np.sqrt(2.0 * np.log(np.maximum(central / floor, 1.0)))
    return np.clip(wanted, 4.0 * sigma, 9.0 * sigma)
