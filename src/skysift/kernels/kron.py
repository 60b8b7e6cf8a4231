"""The first radial moment of sources in their elliptical radius: Kron 1980 (ApJS 43, 305)."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from skysift.kernels.aperture import ellipse_row
from skysift.kernels.stamps import hide, show

RADIUS_GOOD = 0
RADIUS_OFF_IMAGE = 1
RADIUS_BAD = 2


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def kron_radii(view, xs, ys, a, b, theta, n_sigma, n_iter, max_radius):
    """Kron radii: the mean elliptical radius weighted with the image inside a scaled ellipse.

    Parameters
    ----------
    view : Overlay
        The image and n sources.
    xs, ys : float64 (n,)
        Centres, element coordinates.
    a, b, theta : float64 (n,)
        Semi-axes of the sources' one-sigma ellipses, pixels, and position angle of a, radians.
    n_sigma : float
        Scale of the ellipse inside which the radius is measured.
    n_iter : int
        Most iterations; each takes the last radius for the size of the ellipse.
    max_radius : float
        A larger radius is bad.

    Returns
    -------
    result : float64 (n, 2)
        Geometric mean radius `sqrt(a b)` of the Kron ellipse and that of the last ellipse inside which it was measured, pixels.
    status : int64 (n,)
        `RADIUS_*`.
    """
    n = len(xs)
    height, width = view.image.shape
    result = np.full((n, 2), np.nan)
    status = np.full(n, RADIUS_BAD, np.int64)
    for i in range(n):
        if not (abs(xs[i]) < 1e9 and abs(ys[i]) < 1e9 and 0.0 < b[i] <= a[i] < 1e6):
            continue
        cos = math.cos(theta[i])
        sin = math.sin(theta[i])
        ratio = a[i] / b[i]
        size = math.sqrt(a[i] * b[i])
        show(view, i)
        for _ in range(n_iter):
            major = n_sigma * size * math.sqrt(ratio)
            minor = major / ratio
            ixx = (major * cos) ** 2 + (minor * sin) ** 2
            iyy = (major * sin) ** 2 + (minor * cos) ** 2
            ixy = (major * major - minor * minor) * sin * cos
            result[i, 1] = n_sigma * size
            reach = math.sqrt(iyy)
            y_low = int(math.ceil(ys[i] - reach))
            y_high = int(math.floor(ys[i] + reach))
            s = 0.0
            sr = 0.0
            off = y_low < 0 or y_high >= height
            if not off:
                for y in range(y_low, y_high + 1):
                    left, right = ellipse_row(y, xs[i], ys[i], ixx, ixy, iyy)
                    if left <= right and (left < 0 or right >= width):
                        off = True
                        break
                    if left > right:
                        continue
                    dy = y - ys[i]
                    pixels = view.image[y, left : right + 1]
                    for k in range(len(pixels)):
                        dx = left + k - xs[i]
                        u = cos * dx + sin * dy
                        v = (cos * dy - sin * dx) * ratio
                        s += pixels[k]
                        sr += pixels[k] * math.sqrt(u * u + v * v)
                # The mean radius within the pixel at the centre is not that of its middle.
                x, y = int(math.floor(xs[i] + 0.5)), int(math.floor(ys[i] + 0.5))
                dx, dy = x - xs[i], y - ys[i]
                d2 = dx * dx + dy * dy
                if d2 < 0.25 and not off:
                    u = cos * dx + sin * dy
                    v = (cos * dy - sin * dx) * ratio
                    r2 = u * u + v * v
                    mean2 = r2 + (0.38259771 * (1.0 + math.sqrt(0.5 * d2))) ** 2
                    left, right = ellipse_row(y, xs[i], ys[i], ixx, ixy, iyy)
                    if left <= x <= right:
                        sr += view.image[y, x] * (math.sqrt(mean2) - math.sqrt(r2))
            if off:
                status[i] = RADIUS_OFF_IMAGE
                break
            if not (s > 0.0 and sr > 0.0):
                status[i] = RADIUS_BAD
                break
            radius = sr / s / math.sqrt(ratio)
            if not radius <= max_radius:
                status[i] = RADIUS_BAD
                break
            result[i, 0] = radius
            status[i] = RADIUS_GOOD
            if radius <= size:
                break
            size = radius
        hide(view, i)
        if status[i] != RADIUS_GOOD:
            result[i, 0] = np.nan
    return result, status
