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
    bank : float32 (m, m, k, w)
        Coefficients at shifts `(y, x) = (0.5 j / (m - 1), 0.5 i / (m - 1))`, k odd; negative shifts are the mirrored coefficients. Columns from k
        on are zero: rows of whole vectors are faster.

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
    columns = bank.shape[3]
    row_weights, mirrored = np.zeros(columns, np.float32), np.zeros(columns, np.float32)
    for i in range(n):
        if not (abs(xs[i]) < 1e9 and abs(ys[i]) < 1e9):
            continue
        xi = int(math.floor(xs[i] + 0.5))
        yi = int(math.floor(ys[i] + 0.5))
        if xi < -size or yi < -size or xi > width + size or yi > height + size:
            continue
        tx = xs[i] - xi
        ty = ys[i] - yi
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
        right = min(columns, width + half - xi)
        clipped[i] = xi - half < 0 or yi - half < 0 or xi + half >= width or yi + half >= height
        show(view, i)
        s = 0.0
        t = 0.0
        for v in range(size):
            y = yi + step_y * (v - half)
            if y < 0 or y >= height or left >= right:
                continue
            b00 = bank[iy, ix, v]
            b01 = bank[iy, ix + 1, v]
            b10 = bank[iy + 1, ix, v]
            b11 = bank[iy + 1, ix + 1, v]
            for u in range(columns):
                row_weights[u] = w00 * b00[u] + w01 * b01[u] + w10 * b10[u] + w11 * b11[u]
            weights = row_weights[left:right]
            if tx < 0.0:
                for u in range(size):
                    mirrored[size - 1 - u] = row_weights[u]
                weights = mirrored[left:right]
            pixels = view.image[y, xi - half + left : xi - half + right]
            noises = variance[y, xi - half + left : xi - half + right]
            for u in range(len(weights)):
                c = np.float64(weights[u])
                s += c * pixels[u]
                t += c * c * noises[u]
        hide(view, i)
        result[i, 0] = s
        result[i, 1] = t
    return result, clipped


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def ellipse_spectra(jinc, jinc_step, dx, dy, a, b, theta, out):
    """Fill half spectra (the form of `irfft2`) of elliptical apertures shifted off the first pixel.

    Parameters
    ----------
    jinc : float64 (t,)
        Table of `J1(z) / z` at `z = 0, 1 / jinc_step, ...`, long enough for the largest ellipse.
    jinc_step : float
        Entries of the table per unit of z.
    dx, dy : float64 (n,)
        Shifts, pixels.
    a, b, theta : float64 (n,)
        Semi-axes, pixels, and position angle of a, radians.
    out : float32 (n, k, k + 1)
        The spectra of k x k pixels, k odd, real and imaginary parts in turn.
    """
    size = out.shape[1]
    half = size // 2
    z = np.empty(half + 1)
    x_real, x_imag = np.empty(half + 1), np.empty(half + 1)
    for i in range(len(a)):
        cos = math.cos(theta[i])
        sin = math.sin(theta[i])
        area2 = 2.0 * math.pi * a[i] * b[i]
        unit = 2.0 * math.pi * jinc_step / size
        xx = unit * unit * ((a[i] * cos) ** 2 + (b[i] * sin) ** 2)
        yy = unit * unit * ((a[i] * sin) ** 2 + (b[i] * cos) ** 2)
        xy = unit * unit * (a[i] ** 2 - b[i] ** 2) * sin * cos
        for u in range(half + 1):
            x_real[u] = area2 * math.cos(2.0 * math.pi * u * dx[i] / size)
            x_imag[u] = -area2 * math.sin(2.0 * math.pi * u * dx[i] / size)
        for row in range(size):
            v = row if row <= half else row - size
            y_real = math.cos(2.0 * math.pi * v * dy[i] / size)
            y_imag = -math.sin(2.0 * math.pi * v * dy[i] / size)
            for u in range(half + 1):
                z[u] = math.sqrt(max(0.0, xx * u * u + 2.0 * xy * u * v + yy * v * v))
            target = out[i, row]
            for u in range(half + 1):
                k = int(z[u])
                value = jinc[k] + (z[u] - k) * (jinc[k + 1] - jinc[k])
                target[2 * u] = value * (x_real[u] * y_real - x_imag[u] * y_imag)
                target[2 * u + 1] = value * (x_real[u] * y_imag + x_imag[u] * y_real)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def coefficient_sums(view, variance, rows, x0, y0, coefficients, result, clipped):
    """Sums with one coefficient image per source.

    Parameters
    ----------
    view : Overlay
        The image and its sources.
    variance : float32 (h, w)
        Variance.
    rows : int64 (m,)
        Sources to do.
    x0, y0 : int64 (m,)
        Element coordinates of each coefficient image's `[0, 0]`.
    coefficients : float32 (m, k, k)
        The coefficients.
    result : float64 (n, 2)
        Flux and its variance, filled at `rows`.
    clipped : bool (n,)
        Some coefficients lie off the image, filled at `rows`.
    """
    height, width = view.image.shape
    size = coefficients.shape[1]
    for i in range(len(rows)):
        low, high = max(0, -x0[i]), min(size, width - x0[i])
        show(view, rows[i])
        s = 0.0
        t = 0.0
        if low < high:
            for v in range(max(0, -y0[i]), min(size, height - y0[i])):
                weights = coefficients[i, v, low:high]
                pixels = view.image[y0[i] + v, x0[i] + low : x0[i] + high]
                noises = variance[y0[i] + v, x0[i] + low : x0[i] + high]
                for u in range(len(weights)):
                    c = np.float64(weights[u])
                    s += c * pixels[u]
                    t += c * c * noises[u]
        hide(view, rows[i])
        result[rows[i], 0] = s
        result[rows[i], 1] = t
        clipped[rows[i]] = x0[i] < 0 or y0[i] < 0 or x0[i] + size > width or y0[i] + size > height
