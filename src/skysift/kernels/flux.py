"""Fluxes with the PSF or a Gaussian as the weight."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from skysift.kernels.moments import MAX_RADIUS, SCRATCH, weighted_sums
from skysift.kernels.stamps import hide, show

_SUMS = {"reassoc", "contract", "nsz"}


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def psf_fluxes(view, variance, mask, bad_bits, stamps, x0, y0):
    """Fluxes with the PSF as the only weight: `sum(p I) / sum(p^2)`.

    Parameters
    ----------
    view : Overlay
        The image and n sources.
    variance, mask : float32, int32 (h, w)
        Variance; bit mask.
    bad_bits : int
        Pixels with any of these bits are left out.
    stamps : float32 (n, k, k)
        PSF of unit sum at each source.
    x0, y0 : int32 (n,)
        Element coordinates of the stamps' `[0, 0]`.

    Returns
    -------
    result : float64 (n, 4)
        Flux, its error, effective area `sum(p)^2 / sum(p^2)`, chi squared.
    counts : int64 (n, 2)
        Pixels used; pixels of the stamp in the image.
    """
    n, size = stamps.shape[0], stamps.shape[1]
    height, width = view.image.shape
    result = np.full((n, 4), np.nan)
    counts = np.zeros((n, 2), np.int64)
    kept = np.empty((3, size), np.float32)
    for i in range(n):
        show(view, i)
        p = stamps[i]
        u_low, u_high = max(0, -x0[i]), min(size, width - x0[i])
        v_low, v_high = max(0, -y0[i]), min(size, height - y0[i])
        if u_high > u_low and v_high > v_low:
            counts[i, 1] = (u_high - u_low) * (v_high - v_low)
        sp = spp = spi = sppv = sii_v = spi_v = spp_v = 0.0
        used = 0
        for v in range(v_low, v_high):
            if u_low >= u_high:
                break
            row = y0[i] + v
            weights = p[v, u_low:u_high]
            pixels = view.image[row, x0[i] + u_low : x0[i] + u_high]
            noises = variance[row, x0[i] + u_low : x0[i] + u_high]
            if bad_bits == 0:
                used += len(weights)
            else:
                bits = mask[row, x0[i] + u_low : x0[i] + u_high]
                for u in range(len(weights)):
                    good = (bits[u] & bad_bits) == 0
                    kept[0, u] = weights[u] if good else 0.0
                    kept[1, u] = pixels[u] if good else 0.0
                    kept[2, u] = noises[u] if good else 1.0
                    used += good
                weights, pixels, noises = kept[0, : len(bits)], kept[1, : len(bits)], kept[2, : len(bits)]
            for u in range(len(weights)):
                f = np.float64(weights[u])
                value = np.float64(pixels[u])
                noise = np.float64(noises[u])
                sp += f
                spp += f * f
                spi += f * value
                sppv += f * f * noise
                sii_v += value * value / noise
                spi_v += f * value / noise
                spp_v += f * f / noise
        counts[i, 0] = used
        if used > 0 and spp > 0.0:
            flux = spi / spp
            result[i, 0] = flux
            result[i, 1] = math.sqrt(sppv) / spp
            result[i, 2] = sp * sp / spp
            result[i, 3] = sii_v - flux * (2.0 * spi_v - flux * spp_v)
        hide(view, i)
    return result, counts


@njit(cache=True, nogil=True, error_model="numpy")
def gaussian_fluxes(view, variance, xs, ys, ixx, ixy, iyy):
    """Fluxes with a fixed elliptical Gaussian weight: twice the weighted sum.

    Parameters
    ----------
    view : Overlay
        The image and n sources.
    variance : float32 (h, w)
        Variance.
    xs, ys : float64 (n,)
        Positions, element coordinates.
    ixx, ixy, iyy : float64 (n,)
        Moments of the weight, pixels squared.

    Returns
    -------
    result : float64 (n, 2)
        Flux and its error; NaN where the centre is off the image or the moments are singular.
    """
    n = len(xs)
    height, width = view.image.shape
    result = np.full((n, 2), np.nan)
    scratch = np.empty((4, SCRATCH))
    for i in range(n):
        det = ixx[i] * iyy[i] - ixy[i] * ixy[i]
        if not (det > 0.0 and ixx[i] > 0.0 and det < 1e12 and -0.5 <= xs[i] < width - 0.5 and -0.5 <= ys[i] < height - 0.5):
            continue
        fine = ixx[i] < 0.25 or iyy[i] < 0.25 or det < 0.0625
        radius = min(4.0 * math.sqrt(max(ixx[i], iyy[i])), MAX_RADIUS)
        show(view, i)
        sums = weighted_sums(view.image, xs[i], ys[i], iyy[i] / det, -ixy[i] / det, ixx[i] / det, radius, fine, scratch)
        hide(view, i)
        result[i, 0] = 2.0 * sums[0]
        noise = np.float64(variance[max(0, int(ys[i])), max(0, int(xs[i]))]) * math.pi * math.sqrt(det)
        result[i, 1] = 2.0 * math.sqrt(noise) if noise >= 0.0 else np.nan
    return result


@njit(cache=True, nogil=True, error_model="numpy")
def compensated_gaussians(view, variance, xs, ys, width, t):
    """Sums with a Gaussian minus a broader one of equal volume, on a square that holds 99 % of the broader.

    Parameters
    ----------
    view : Overlay
        The image and n sources.
    variance : float32 (h, w)
        Variance.
    xs, ys : float64 (n,)
        Positions, element coordinates.
    width : float
        Sigma of the inner Gaussian, pixels.
    t : float
        The outer sigma over the inner.

    Returns
    -------
    result : float64 (n, 3)
        `sum(w I)`, `sum(w^2 V)`, `sum(w^2)`; NaN where the square leaves the image.
    """
    n = len(xs)
    rows, columns = view.image.shape
    half = int(math.ceil(2.5758 * width * t))
    result = np.full((n, 3), np.nan)
    weights = np.empty((4, 2 * half + 1))
    inner = -0.5 / (width * width)
    outer = inner / (t * t)
    for i in range(n):
        if not (abs(xs[i]) < 1e9 and abs(ys[i]) < 1e9):
            continue
        xi = int(math.floor(xs[i] + 0.5))
        yi = int(math.floor(ys[i] + 0.5))
        if xi - half < 0 or yi - half < 0 or xi + half >= columns or yi + half >= rows:
            continue
        for k in range(2 * half + 1):
            dx = (xi - half + k - xs[i]) ** 2
            dy = (yi - half + k - ys[i]) ** 2
            weights[0, k] = math.exp(dx * inner)
            weights[1, k] = math.exp(dx * outer)
            weights[2, k] = math.exp(dy * inner)
            weights[3, k] = math.exp(dy * outer) / (t * t)
        show(view, i)
        s = sv = sw = 0.0
        for k in range(2 * half + 1):
            for j in range(2 * half + 1):
                w = weights[2, k] * weights[0, j] - weights[3, k] * weights[1, j]
                s += w * view.image[yi - half + k, xi - half + j]
                sv += w * w * variance[yi - half + k, xi - half + j]
                sw += w * w
        hide(view, i)
        result[i, 0] = s
        result[i, 1] = sv
        result[i, 2] = sw
    return result
