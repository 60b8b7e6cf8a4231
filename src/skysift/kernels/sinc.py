"""Apertures that are exact for band-limited images: sums with the coefficients whose spectrum is the aperture's inside the pixel band.

Bickerton & Lupton 2013 (MNRAS 431, 1275).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from skysift.kernels.stamps import hide, show

_SUMS = {"reassoc", "contract", "nsz"}


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def bank_sums(view, variance, xs, ys, bank):
    """Sums with a circular aperture's coefficients, interpolated between sub-pixel shifts.

    Parameters
    ----------
    view : Overlay
        The image and n sources.
    variance : float32 (h, w)
        Variance.
    xs, ys : float64 (n,)
        Centres, element coordinates.
    bank : float32 (m, m, k, k)
        Coefficients at shifts `(y, x) = (0.5 j / (m - 1), 0.5 i / (m - 1))`, k odd; negative shifts are the mirrored coefficients.

    Returns
    -------
    result : float64 (n, 2)
        Flux and its variance, over the coefficients that lie in the image.
    clipped : bool (n,)
        Some coefficients lie off the image.
    """
    n = len(xs)
    height, width = view.image.shape
    steps, size = bank.shape[0] - 1, bank.shape[2]
    half = size // 2
    result = np.full((n, 2), np.nan)
    clipped = np.ones(n, np.bool_)
    row_weights = np.empty(size, np.float32)
    for i in range(n):
        if not (abs(xs[i]) < 1e9 and abs(ys[i]) < 1e9):
            continue
        xi = int(math.floor(xs[i] + 0.5))
        yi = int(math.floor(ys[i] + 0.5))
        if xi < -size or yi < -size or xi > width + size or yi > height + size:
            continue
        tx = xs[i] - xi
        ty = ys[i] - yi
        step_x = 1 if tx >= 0.0 else -1
        step_y = 1 if ty >= 0.0 else -1
        gx = 2.0 * steps * abs(tx)
        gy = 2.0 * steps * abs(ty)
        ix = min(int(gx), steps - 1)
        iy = min(int(gy), steps - 1)
        gx -= ix
        gy -= iy
        w00 = np.float32((1.0 - gy) * (1.0 - gx))
        w01 = np.float32((1.0 - gy) * gx)
        w10 = np.float32(gy * (1.0 - gx))
        w11 = np.float32(gy * gx)
        left = max(0, half - xi)
        right = min(size, width + half - xi)
        clipped[i] = xi - half < 0 or yi - half < 0 or xi + half >= width or yi + half >= height
        show(view, i)
        s = 0.0
        t = 0.0
        for v in range(size):
            y = yi + step_y * (v - half)
            if y < 0 or y >= height:
                continue
            b00 = bank[iy, ix, v]
            b01 = bank[iy, ix + 1, v]
            b10 = bank[iy + 1, ix, v]
            b11 = bank[iy + 1, ix + 1, v]
            if step_x > 0:
                for u in range(size):
                    row_weights[u] = w00 * b00[u] + w01 * b01[u] + w10 * b10[u] + w11 * b11[u]
            else:
                for u in range(size):
                    row_weights[size - 1 - u] = w00 * b00[u] + w01 * b01[u] + w10 * b10[u] + w11 * b11[u]
            if left < right:
                pixels = view.image[y, xi - half + left : xi - half + right]
                noises = variance[y, xi - half + left : xi - half + right]
                weights = row_weights[left:right]
                for u in range(len(weights)):
                    c = np.float64(weights[u])
                    s += c * pixels[u]
                    t += c * c * noises[u]
        hide(view, i)
        result[i, 0] = s
        result[i, 1] = t
    return result, clipped


@njit(cache=True, nogil=True, error_model="numpy")
def ellipse_spectra(jinc, jinc_step, size, dx, dy, a, b, theta, out):
    """Fill half spectra (the form of `irfft2`) of elliptical apertures shifted by fractions of a pixel.

    Parameters
    ----------
    jinc : float64 (t,)
        Table of `J1(z) / z` at `z = 0, 1 / jinc_step, ...`, long enough for the largest ellipse.
    jinc_step : float
        Entries of the table per unit of z.
    size : int
        Width of the coefficient image, odd.
    dx, dy : float64 (n,)
        Shifts, pixels.
    a, b, theta : float64 (n,)
        Semi-axes, pixels, and position angle of a, radians.
    out : complex128 (n, size, size // 2 + 1)
        The spectra.
    """
    for i in range(len(a)):
        cos = math.cos(theta[i])
        sin = math.sin(theta[i])
        area2 = 2.0 * math.pi * a[i] * b[i]
        step = complex(math.cos(2.0 * math.pi * dx[i] / size), -math.sin(2.0 * math.pi * dx[i] / size))
        for v in range(size):
            ky = (v if v <= size // 2 else v - size) / size
            phase = complex(math.cos(2.0 * math.pi * ky * dy[i]), -math.sin(2.0 * math.pi * ky * dy[i])) * area2
            for u in range(size // 2 + 1):
                kx = u / size
                along = a[i] * (cos * kx + sin * ky)
                across = b[i] * (cos * ky - sin * kx)
                z = 2.0 * math.pi * math.sqrt(along * along + across * across) * jinc_step
                k = int(z)
                value = jinc[k] + (z - k) * (jinc[k + 1] - jinc[k])
                out[i, v, u] = value * phase
                phase *= step


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def coefficient_sums(view, variance, rows, x0, y0, coefficients, result, clipped):
    """Sums with one wrapped coefficient image (centre at `[0, 0]`) per source.

    Parameters
    ----------
    view : Overlay
        The image and its sources.
    variance : float32 (h, w)
        Variance.
    rows : int64 (m,)
        Sources to do.
    x0, y0 : int64 (m,)
        Pixel of each coefficient image's centre, element coordinates.
    coefficients : float64 (m, k, k)
        As `irfft2` gives them.
    result : float64 (n, 2)
        Flux and its variance, filled at `rows`.
    clipped : bool (n,)
        Some coefficients lie off the image, filled at `rows`.
    """
    height, width = view.image.shape
    size = coefficients.shape[1]
    half = size // 2
    for i in range(len(rows)):
        show(view, rows[i])
        s = 0.0
        t = 0.0
        for v in range(-half, half + 1):
            y = y0[i] + v
            if y < 0 or y >= height:
                continue
            c = coefficients[i, v if v >= 0 else v + size]
            for side in range(2):
                low = max(0 if side else -half, -x0[i])
                high = min(half if side else -1, width - 1 - x0[i]) + 1
                if low < high:
                    wrap = 0 if side else size
                    weights = c[low + wrap : high + wrap]
                    pixels = view.image[y, x0[i] + low : x0[i] + high]
                    noises = variance[y, x0[i] + low : x0[i] + high]
                    for u in range(len(weights)):
                        s += weights[u] * pixels[u]
                        t += weights[u] * weights[u] * noises[u]
        hide(view, rows[i])
        result[rows[i], 0] = s
        result[rows[i], 1] = t
        clipped[rows[i]] = x0[i] < half or y0[i] < half or x0[i] + half >= width or y0[i] + half >= height
