"""Is a source a point or a small round galaxy: the fit of the PSF against fits of the PSF convolved with exponential profiles."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from skysift.kernels.stamps import hide, show

_SUMS = {"reassoc", "contract", "nsz"}


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def blur(stamp, variance, half, rows, out):
    """Convolve a stamp with a round Gaussian, for the middle (2 half + 1)^2 pixels only.

    Parameters
    ----------
    stamp : float32 (k, k)
        Image, k odd; zero beyond its edge.
    variance : float
        Of the Gaussian, pixels squared.
    half : int
        Half size of the result.
    rows : float32 (k, 2 half + 1)
        Scratch.
    out : float32 (2 half + 1, 2 half + 1)
        The result.
    """
    size = stamp.shape[0]
    middle = size // 2
    width = 2 * half + 1
    reach = min(max(1, int(math.ceil(4.0 * math.sqrt(variance)))), size)
    taps = np.empty(reach + 1, np.float32)
    if variance < 0.3:
        # Too narrow to be sampled: the three taps that have the right variance.
        reach = 1
        taps[0] = 1.0 - variance
        taps[1] = 0.5 * variance
    else:
        total = 0.0
        for t in range(reach + 1):
            taps[t] = math.exp(-0.5 * t * t / variance)
            total += taps[t] if t == 0 else 2.0 * taps[t]
        for t in range(reach + 1):
            taps[t] /= total
    for v in range(size):
        for u in range(width):
            rows[v, u] = 0.0
        for t in range(-reach, reach + 1):
            weight = taps[abs(t)]
            offset = middle - half + t
            for u in range(max(0, -offset), min(width, size - offset)):
                rows[v, u] += weight * stamp[v, u + offset]
    for v in range(width):
        for u in range(width):
            out[v, u] = 0.0
        for t in range(-reach, reach + 1):
            row = v + middle - half + t
            if 0 <= row < size:
                weight = taps[abs(t)]
                for u in range(width):
                    out[v, u] += weight * rows[row, u]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def fit_gain(model, data, weight, half):
    """Reduction of chi squared by the best flux and (small) shift of a model, and the flux.

    Parameters
    ----------
    model : float32 (2 half + 5, 2 half + 5)
        The model with a margin of 2 pixels.
    data, weight : float32 (2 half + 1, 2 half + 1)
        Pixels and their inverse variances.
    half : int
        Half size of the window.

    Returns
    -------
    gain, flux : float
        Zero where the fit is singular.
    """
    pp = px = py = xx = xy = yy = dp = dx = dy = 0.0
    for v in range(2 * half + 1):
        for u in range(2 * half + 1):
            w = weight[v, u]
            f = model[v + 2, u + 2]
            gx = (8.0 * (model[v + 2, u + 1] - model[v + 2, u + 3]) - model[v + 2, u] + model[v + 2, u + 4]) / 12.0
            gy = (8.0 * (model[v + 1, u + 2] - model[v + 3, u + 2]) - model[v, u + 2] + model[v + 4, u + 2]) / 12.0
            wf = w * f
            wd = w * data[v, u]
            pp += wf * f
            px += wf * gx
            py += wf * gy
            xx += w * gx * gx
            xy += w * gx * gy
            yy += w * gy * gy
            dp += wd * f
            dx += wd * gx
            dy += wd * gy
    c00 = xx * yy - xy * xy
    c01 = xy * py - px * yy
    c02 = px * xy - xx * py
    det = pp * c00 + px * c01 + py * c02
    if not det > 0.0:
        return 0.0, 0.0
    c11 = pp * yy - py * py
    c12 = px * py - pp * xy
    c22 = pp * xx - px * px
    flux = (c00 * dp + c01 * dx + c02 * dy) / det
    shift_x = (c01 * dp + c11 * dx + c12 * dy) / det
    shift_y = (c02 * dp + c12 * dx + c22 * dy) / det
    return flux * dp + shift_x * dx + shift_y * dy, flux


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def model_gains(view, variance, mask, bad_bits, stamps, x0, y0, sigma, sizes, mixture, model_error):
    """Compare point source and round exponential galaxies: the reduction of chi squared by each.

    Exponentials are mixtures of Gaussians whose variances are a factor 4 apart, so that those of sizes a factor 2 apart share them.

    Parameters
    ----------
    view : Overlay
        The image and n sources.
    variance, mask : float32, int32 (h, w)
        Variance; bit mask.
    bad_bits : int
        Pixels with any of these bits are left out, like those that are not finite or have no variance.
    stamps : float32 (n, k, k)
        PSF of unit sum at each source.
    x0, y0 : int32 (n,)
        Element coordinates of the stamps' `[0, 0]`.
    sigma : float64 (n,)
        Width of the PSF, pixels.
    sizes : float64 (m + g - 1,)
        Variances of the Gaussians in units of `sigma^2`, g the length of `mixture`.
    mixture : float64 (g,)
        Weights of the Gaussians of one exponential.
    model_error : float
        Relative error of the PSF model, added to the noise in quadrature.

    Returns
    -------
    gains : float64 (n, m + 1)
        Reduction of chi squared by the point source, then by the m galaxies; NaN where there are no pixels.
    """
    n, size = stamps.shape[0], stamps.shape[1]
    height, width = view.image.shape
    n_models = len(sizes) - len(mixture) + 1
    gains = np.full((n, n_models + 1), np.nan)
    largest = max(1, size // 2 - 2)
    data_store = np.empty((2 * largest + 1) ** 2, np.float32)
    weight_store = np.empty((2 * largest + 1) ** 2, np.float32)
    rows_store = np.empty(size * (2 * largest + 5), np.float32)
    blurred_store = np.empty(len(sizes) * (2 * largest + 5) ** 2, np.float32)
    model_store = np.empty((2 * largest + 5) ** 2, np.float32)
    for i in range(n):
        if not 0.1 < sigma[i] < 1e3:
            continue
        half = min(largest, max(3, int(math.ceil(6.0 * sigma[i]))))
        edge = 2 * half + 1
        wide = edge + 4
        data = data_store[: edge * edge].reshape((edge, edge))
        weight = weight_store[: edge * edge].reshape((edge, edge))
        rows = rows_store[: size * wide].reshape((size, wide))
        blurred = blurred_store[: len(sizes) * wide * wide].reshape((len(sizes), wide, wide))
        model = model_store[: wide * wide].reshape((wide, wide))
        corner = size // 2 - half
        p = stamps[i]
        show(view, i)
        used = 0
        spp = 0.0
        spi = 0.0
        for v in range(edge):
            for u in range(edge):
                row = y0[i] + corner + v
                column = x0[i] + corner + u
                data[v, u] = 0.0
                weight[v, u] = 0.0
                if row < 0 or column < 0 or row >= height or column >= width:
                    continue
                value = view.image[row, column]
                noise = variance[row, column]
                if abs(value) < 1e30 and 0.0 < noise < 1e30 and (mask[row, column] & bad_bits) == 0:
                    data[v, u] = value
                    weight[v, u] = noise
                    f = p[corner + v, corner + u]
                    spp += f * f
                    spi += f * value
                    used += 1
        hide(view, i)
        if used < 9 or not spp > 0.0:
            continue
        uncertainty = model_error * spi / spp
        for v in range(edge):
            for u in range(edge):
                if weight[v, u] > 0.0:
                    weight[v, u] = 1.0 / (weight[v, u] + (uncertainty * p[corner + v, corner + u]) ** 2)
        for v in range(wide):
            for u in range(wide):
                model[v, u] = p[corner + v - 2, corner + u - 2]
        gains[i, 0] = fit_gain(model, data, weight, half)[0]
        for g in range(len(sizes)):
            blur(p, sizes[g] * sigma[i] * sigma[i], half + 2, rows, blurred[g])
        for k in range(n_models):
            for v in range(wide):
                for u in range(wide):
                    total = np.float32(0.0)
                    for g in range(len(mixture)):
                        total += np.float32(mixture[g]) * blurred[k + g, v, u]
                    model[v, u] = total
            gains[i, k + 1] = fit_gain(model, data, weight, half)[0]
    return gains
