"""Positions of sources: the maximum of the image smoothed with the PSF, and the least-squares fit of the PSF."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from skysift.kernels.stamps import hide, show

FLAG_EDGE = 1
FLAG_NO_SECOND_DERIVATIVE = 2
FLAG_NOT_AT_MAXIMUM = 4
FLAG_NEAR_EDGE = 8

_SUMS = {"reassoc", "contract", "nsz"}


@njit(cache=True, nogil=True, error_model="numpy")
def bin_box(image, x0, y0, bin_x, bin_y, size, box):
    """Average the pixels around (x0, y0) in bins, the middle bin beginning there, into the first `size + 2` rows and columns of `box`.

    The bins are powers of two, and lie in the image.
    """
    left = x0 - bin_x * (size // 2 + 1)
    bottom = y0 - bin_y * (size // 2 + 1)
    scale = 1.0 / (bin_x * bin_y)
    length = bin_x * (size + 2)
    sums = np.empty(length)
    for v in range(size + 2):
        if bin_x == 1 and bin_y == 1:
            pixels = image[bottom + v, left : left + length]
            for u in range(length):
                box[v, u] = pixels[u]
            continue
        sums[:] = 0.0
        for y in range(bottom + v * bin_y, bottom + (v + 1) * bin_y):
            pixels = image[y, left : left + length]
            for x in range(length):
                sums[x] += pixels[x]
        n = length
        while n > size + 2:
            n //= 2
            for x in range(n):
                sums[x] = sums[2 * x] + sums[2 * x + 1]
        for u in range(size + 2):
            box[v, u] = scale * sums[u]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def pad_kernel(kernel, padded):
    """Put a kernel into the top left of `padded`, two zeros from the edge; give its sum."""
    size = len(kernel)
    norm = 0.0
    padded[:, :] = 0.0
    for v in range(size):
        for u in range(size):
            padded[v + 2, u + 2] = kernel[v, u]
            norm += kernel[v, u]
    return norm


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def correlate_3x3(padded, size, norm, box, squared, out):
    """Correlate with a padded kernel (or its square) at the 3 x 3 middle positions of `box`, which has rows as long as those of `padded`.

    The rows are joined end to end: the zeros around the kernel separate them.
    """
    stride = padded.shape[1]
    length = (size - 1) * stride + size
    weights = padded.ravel()[2 * stride + 2 : 2 * stride + 2 + length]
    if squared:
        weights = weights * weights
        norm = norm * norm
    flat = box.ravel()
    for j in range(3):
        before = flat[j * stride : j * stride + length]
        middle = flat[j * stride + 1 : j * stride + 1 + length]
        after = flat[j * stride + 2 : j * stride + 2 + length]
        s0 = s1 = s2 = 0.0
        for q in range(length):
            w = weights[q]
            s0 += w * before[q]
            s1 += w * middle[q]
            s2 += w * after[q]
        out[j, 0] = s0 / norm
        out[j, 1] = s1 / norm
        out[j, 2] = s2 / norm


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def slope_variance(padded, size, norm, box_variance):
    """Variance of the slopes of the smoothed image at the middle, along x and y; `box_variance` is zero beyond its size + 2 columns."""
    stride = padded.shape[1]
    length = (size + 2) * stride
    flat = padded.ravel()
    noises = box_variance.ravel()[:length]
    left = flat[stride : stride + length]
    right = flat[stride + 2 : stride + length]
    lower = flat[1:length]
    upper = flat[2 * stride + 1 : 2 * stride + length]
    var_x = 0.0
    var_y = 0.0
    for q in range(length - 2):
        x_slope = left[q] - right[q]
        y_slope = lower[q] - upper[q]
        var_x += noises[q] * x_slope * x_slope
        var_y += noises[q] * y_slope * y_slope
    return var_x / (4.0 * norm * norm), var_y / (4.0 * norm * norm)


@njit(cache=True, nogil=True, error_model="numpy")
def quartic_maximum(before, middle, after, sign):
    """Position of the extremum of three equidistant values with the quartic correction for a Gaussian; NaN where there is none."""
    up = middle - before
    down = middle - after
    curvature = up + down
    if not (sign * curvature > 0.0 and sign * middle > 0.0):
        return np.nan
    position = 0.5 * (after - before) / curvature * (1.0 + 1.33 * down * up / (curvature * middle))
    return position if abs(position) < 1.0 else np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def lsst_error(sky_variance, source_variance, w, slope, curvature, tau2, peak, k):
    """Centroid error along one axis by the published LSST formula, in which the sky counts twice."""
    if abs(peak) < 1e-10 or abs(curvature) < 1e-10:
        return 1000.0
    if w <= 0.0:
        slope_var = 0.5 * sky_variance + 0.5 * source_variance * math.exp(-0.5 / tau2)
        curve_var = 6.0 * sky_variance + 6.0 * source_variance * math.exp(-0.5 / tau2)
    else:
        slope_var = sky_variance / (8.0 * math.pi * w) * (1.0 - math.exp(-1.0 / w)) + source_variance / (12.0 * math.pi * w) * (
            math.exp(-1.0 / (3.0 * w)) - math.exp(-1.0 / w)
        )
        curve_var = sky_variance / (2.0 * math.pi * w) * (3.0 - 4.0 * math.exp(-0.25 / w) + math.exp(-1.0 / w)) + source_variance / (
            3.0 * math.pi * w
        ) * (2.0 - 3.0 * math.exp(-1.0 / (3.0 * w)) + math.exp(-1.0 / w))
    a = 1.0 / curvature + k / (4.0 * peak) * (1.0 - 12.0 * slope * slope / (curvature * curvature))
    b = slope / (curvature * curvature) - k / (4.0 * peak) * 8.0 * slope * slope / curvature**3
    total = slope_var * a * a + curve_var * b * b
    return math.sqrt(total) if total >= 0.0 else np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def sdss_centroids(view, variance, kernels, reach, sigma2, x_start, y_start, negative, bin_max, peak_min, wfac, lsst_errors):
    """Centroids by the SDSS method: quartic interpolation of the maximum of the image smoothed with the PSF, binned until PSF sized.

    Lupton et al., the SDSS photometric pipeline; the LSST algorithm `base_SdssCentroid`.

    Parameters
    ----------
    view : Overlay
        The image and n sources.
    variance : float32 (h, w)
        Variance.
    kernels : float32 (n, k, k)
        PSF at each source, centred, k odd, as far as it carries light.
    reach : int
        Half width of the whole PSF: a source that is closer to the edge is not smoothed.
    sigma2 : float64 (n,)
        Square of the PSF's determinant radius.
    x_start, y_start : float64 (n,)
        First guess, element coordinates, pixels.
    negative : bool (n,)
        Sources that are holes.
    bin_max : int
        Largest binning.
    peak_min : float
        A source whose smoothed peak is lower is binned at least once; negative: never asked.
    wfac : float
        Sources broader than `wfac (1 + sigma2)` are binned.
    lsst_errors : bool
        Errors by the formula of LSST instead of the exact propagation of the variance.

    Returns
    -------
    result : float64 (n, 4)
        x, y, their errors; the first guess and NaN where there is no measurement.
    flags : int64 (n,)
        Sum of `FLAG_*`.
    """
    n = len(x_start)
    height, width = view.image.shape
    result = np.empty((n, 4))
    flags = np.zeros(n, np.int64)
    stride = max(kernels.shape[1], 5) + 4
    box = np.zeros((stride, stride))
    padded = np.empty((stride, stride))
    v = np.empty((3, 3))
    noise = np.empty((3, 3))
    narrow = np.empty((5, 5), np.float32)
    for j in range(5):
        for i in range(5):
            narrow[j, i] = math.exp(-2.0 * ((i - 2.0) ** 2 + (j - 2.0) ** 2))
    quartic_x = np.empty(3)
    quartic_y = np.empty(3)
    for source in range(n):
        result[source, 0] = x_start[source]
        result[source, 1] = y_start[source]
        result[source, 2] = np.nan
        result[source, 3] = np.nan
        if not (abs(x_start[source]) < 1e9 and abs(y_start[source]) < 1e9):
            flags[source] = FLAG_EDGE
            continue
        x0 = int(math.floor(x_start[source] + 0.5))
        y0 = int(math.floor(y_start[source] + 0.5))
        if x0 < 0 or y0 < 0 or x0 >= width or y0 >= height:
            flags[source] = FLAG_EDGE
            continue
        sign = -1.0 if negative[source] else 1.0
        show(view, source)
        bin_x = bin_y = 1
        bin_size = 1
        last_pass = False
        size = kernels.shape[1]
        s2 = sigma2[source]
        norm = pad_kernel(kernels[source], padded)
        while True:
            room = min(min(x0, width - 1 - x0) // bin_x, min(y0, height - 1 - y0) // bin_y) - 2
            if room < reach:
                if room < 2:
                    flags[source] |= FLAG_EDGE
                    break
                flags[source] |= FLAG_NEAR_EDGE
                last_pass = True
                s2 = 0.25
                size = 5
                norm = pad_kernel(narrow, padded)
                box[:, :] = 0.0
            bin_box(view.image, x0, y0, bin_x, bin_y, size, box)
            correlate_3x3(padded, size, norm, box, False, v)
            c = v[1, 1]
            d2x = 2.0 * c - v[1, 0] - v[1, 2]
            d2y = 2.0 * c - v[0, 1] - v[2, 1]
            sx = 0.5 * (v[1, 2] - v[1, 0])
            sy = 0.5 * (v[2, 1] - v[0, 1])
            if d2x == 0.0 or d2y == 0.0 or not (math.isfinite(d2x) and math.isfinite(d2y)):
                flags[source] |= FLAG_NO_SECOND_DERIVATIVE
                break
            if sign * d2x < 0.0 or sign * d2y < 0.0:
                flags[source] |= FLAG_NOT_AT_MAXIMUM
                break
            dx0 = sx / d2x
            dy0 = sy / d2y
            if abs(dx0) > 10.0 or abs(dy0) > 10.0:
                flags[source] |= FLAG_NO_SECOND_DERIVATIVE
                break
            peak = c + 0.5 * (sx * dx0 + sy * dy0)
            valid = True
            for i in range(3):
                quartic_x[i] = quartic_maximum(v[i, 0], v[i, 1], v[i, 2], sign)
                quartic_y[i] = quartic_maximum(v[0, i], v[1, i], v[2, i], sign)
                valid = valid and math.isfinite(quartic_x[i]) and math.isfinite(quartic_y[i])
            if valid:
                smx = 0.5 * (quartic_x[2] - quartic_x[0])
                smy = 0.5 * (quartic_y[2] - quartic_y[0])
                cmx = quartic_x[1] - 0.5 * (quartic_x[0] + quartic_x[2])
                cmy = quartic_y[1] - 0.5 * (quartic_y[0] + quartic_y[2])
                dx = quartic_x[1] + dy0 * (smx - dy0 * cmx)
                dy = quartic_y[1] + dx0 * (smy - dx0 * cmy)
                xc = quartic_x[1] + dy * (smx - dy * cmx)
                yc = quartic_y[1] + dx * (smy - dx * cmy)
                width_x = peak / d2x - 0.25 * (1.0 + 6.0 * dx0 * dx0)
                width_y = peak / d2y - 0.25 * (1.0 + 6.0 * dy0 * dy0)
                k = 1.33
            else:
                xc = dx0
                yc = dy0
                width_x = peak / d2x
                width_y = peak / d2y
                k = 0.0
            tau2_x = max(width_x - s2, s2)
            tau2_y = max(width_y - s2, s2)
            if bin_size > 1:
                xc = (xc + 0.5) * bin_x - 0.5
                yc = (yc + 0.5) * bin_y - 0.5
            limit_x = wfac * (1.0 + s2) * bin_x * bin_x
            limit_y = wfac * (1.0 + s2) * bin_y * bin_y
            small_x = tau2_x * bin_x * bin_x < limit_x and xc * xc < limit_x
            small_y = tau2_y * bin_y * bin_y < limit_y and yc * yc < limit_y
            enough = small_x and small_y and (bin_size > 1 or peak_min < 0.0 or peak > peak_min)
            if not (last_pass or enough or 2 * bin_size > bin_max):
                bin_x *= 1 if small_x else 2
                bin_y *= 1 if small_y else 2
                bin_size *= 2
                continue
            box[:, :] = 0.0
            bin_box(variance, x0, y0, bin_x, bin_y, size, box)
            box *= 1.0 / (bin_x * bin_y)
            if lsst_errors:
                correlate_3x3(padded, size, norm, box, True, noise)
                scale = bin_x * bin_y * 4.0 * math.pi * s2
                source_variance = noise[1, 1] * scale
                sky_variance = (noise.sum() * scale - source_variance) / 8.0
                x_err = lsst_error(sky_variance, source_variance, s2, sx, d2x, tau2_x, peak, k)
                y_err = lsst_error(sky_variance, source_variance, s2, sy, d2y, tau2_y, peak, k)
            else:
                var_x, var_y = slope_variance(padded, size, norm, box)
                x_err = math.sqrt(var_x) / abs(d2x) if var_x >= 0.0 else np.nan
                y_err = math.sqrt(var_y) / abs(d2y) if var_y >= 0.0 else np.nan
            result[source, 0] = x0 + xc
            result[source, 1] = y0 + yc
            result[source, 2] = x_err * bin_x
            result[source, 3] = y_err * bin_y
            break
        hide(view, source)
        if flags[source] & (FLAG_EDGE | FLAG_NO_SECOND_DERIVATIVE | FLAG_NOT_AT_MAXIMUM):
            result[source, 0] = x_start[source]
            result[source, 1] = y_start[source]
            result[source, 2] = np.nan
            result[source, 3] = np.nan
    return result, flags


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def psf_fit_steps(view, variance, mask, bad_bits, rows, stamps, x0, y0):
    """One Gauss-Newton step of the inverse-variance weighted fit of flux and position of the PSF.

    Parameters
    ----------
    view : Overlay
        The image and its sources.
    variance, mask : float32, int32 (h, w)
        Variance; bit mask.
    bad_bits : int
        Pixels with any of these bits are left out, like those that are not finite or have no variance.
    rows : int64 (m,)
        Sources to do.
    stamps : float32 (m, k, k)
        PSF of unit flux at each present position.
    x0, y0 : int32 (m,)
        Element coordinates of the stamps' `[0, 0]`.

    Returns
    -------
    result : float64 (m, 6)
        Flux, step in x, step in y, errors of flux, x, y; NaN where the fit is singular or the flux not positive.
    """
    m, size = stamps.shape[0], stamps.shape[1]
    height, width = view.image.shape
    result = np.full((m, 6), np.nan)
    for i in range(m):
        show(view, rows[i])
        p = stamps[i]
        pp = px = py = xx = xy = yy = dp = dx = dy = 0.0
        for v in range(2, size - 2):
            row = y0[i] + v
            if row < 0 or row >= height:
                continue
            for u in range(2, size - 2):
                column = x0[i] + u
                if column < 0 or column >= width:
                    continue
                value = view.image[row, column]
                noise = variance[row, column]
                if not (abs(value) < 1e30 and 0.0 < noise < 1e30) or (mask[row, column] & bad_bits) != 0:
                    continue
                w = 1.0 / noise
                # Differences of fourth order; the shape moves by +x when the model shifts, hence the signs.
                gx = (8.0 * (p[v, u - 1] - p[v, u + 1]) - p[v, u - 2] + p[v, u + 2]) / 12.0
                gy = (8.0 * (p[v - 1, u] - p[v + 1, u]) - p[v - 2, u] + p[v + 2, u]) / 12.0
                f = p[v, u]
                pp += w * f * f
                px += w * f * gx
                py += w * f * gy
                xx += w * gx * gx
                xy += w * gx * gy
                yy += w * gy * gy
                dp += w * f * value
                dx += w * gx * value
                dy += w * gy * value
        hide(view, rows[i])
        c00 = xx * yy - xy * xy
        c01 = xy * py - px * yy
        c02 = px * xy - xx * py
        det = pp * c00 + px * c01 + py * c02
        if not det > 0.0:
            continue
        c11 = pp * yy - py * py
        c12 = px * py - pp * xy
        c22 = pp * xx - px * px
        flux = (c00 * dp + c01 * dx + c02 * dy) / det
        if not flux > 0.0:
            continue
        result[i, 0] = flux
        result[i, 1] = (c01 * dp + c11 * dx + c12 * dy) / (det * flux)
        result[i, 2] = (c02 * dp + c12 * dx + c22 * dy) / (det * flux)
        result[i, 3] = math.sqrt(c00 / det)
        result[i, 4] = math.sqrt(c11 / det) / flux
        result[i, 5] = math.sqrt(c22 / det) / flux
    return result
