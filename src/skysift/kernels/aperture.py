"""Sums over circles and ellipses of whole pixels, and the order statistics of annuli."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from skysift.kernels.stamps import hide, show

_SUMS = {"reassoc", "contract", "nsz"}


@njit(cache=True, nogil=True, fastmath=_SUMS)
def circle_sums(view, variance, xs, ys, radii):
    """Sums of the pixels whose centres lie in circles, for several radii at once.

    Each pixel is read once: a radius adds to the sum of the next smaller one.

    Parameters
    ----------
    view : Overlay
        The image and n sources.
    variance : float32 (h, w)
        Variance.
    xs, ys : float64 (n,)
        Centres, element coordinates.
    radii : float64 (r,)
        Radii in increasing order, pixels.

    Returns
    -------
    result : float64 (n, r, 2)
        Flux and its variance; NaN where the circle leaves the image.
    truncated : bool (n, r)
        The circle leaves the image or has no position.
    """
    n = len(xs)
    height, width = view.image.shape
    result = np.full((n, len(radii), 2), np.nan)
    truncated = np.ones((n, len(radii)), np.bool_)
    for i in range(n):
        if not (abs(xs[i]) < 1e9 and abs(ys[i]) < 1e9):
            continue
        show(view, i)
        s = 0.0
        t = 0.0
        inner = -1.0
        for k in range(len(radii)):
            r2 = radii[k] * radii[k]
            y_low = math.ceil(ys[i] - radii[k])
            y_high = math.floor(ys[i] + radii[k])
            if y_low < 0 or y_high >= height:
                break
            whole = True
            for y in range(y_low, y_high + 1):
                dy2 = (y - ys[i]) ** 2
                if r2 < dy2:
                    continue
                half = math.sqrt(r2 - dy2)
                left = int(math.ceil(xs[i] - half))
                right = int(math.floor(xs[i] + half))
                if left < 0 or right >= width:
                    whole = False
                    break
                if inner < dy2:
                    for x in range(left, right + 1):
                        s += view.image[y, x]
                        t += variance[y, x]
                else:
                    gap = math.sqrt(inner - dy2)
                    gap_left = int(math.ceil(xs[i] - gap))
                    gap_right = int(math.floor(xs[i] + gap))
                    for x in range(left, gap_left):
                        s += view.image[y, x]
                        t += variance[y, x]
                    for x in range(max(gap_left, gap_right + 1), right + 1):
                        s += view.image[y, x]
                        t += variance[y, x]
            if not whole:
                break
            result[i, k, 0] = s
            result[i, k, 1] = t
            truncated[i, k] = False
            inner = r2
        hide(view, i)
    return result, truncated


@njit(cache=True, nogil=True)
def ellipse_row(y, xc, yc, ixx, ixy, iyy):
    """First and last pixel of row `y` whose centres lie in the ellipse of moments (ixx, ixy, iyy); empty if first > last."""
    dy = y - yc
    if iyy > ixx * 2.3e-16:
        slope = ixy / iyy
        square = ixx - ixy * slope
        inside = square - square / iyy * dy * dy
    else:
        slope = 0.0
        inside = ixx
    if not inside >= 0.0:
        return 1, 0
    half = math.sqrt(inside)
    return int(math.ceil(xc + slope * dy - half)), int(math.floor(xc + slope * dy + half))


@njit(cache=True, nogil=True)
def ellipse_sums(view, variance, xs, ys, ixx, ixy, iyy):
    """Sums of the pixels whose centres lie in ellipses.

    Parameters
    ----------
    view : Overlay
        The image and n sources.
    variance : float32 (h, w)
        Variance.
    xs, ys : float64 (n,)
        Centres, element coordinates.
    ixx, ixy, iyy : float64 (n,)
        The ellipse's semi-axes squared, as a matrix, pixels squared.

    Returns
    -------
    result : float64 (n, 2)
        Flux and its variance; NaN where the ellipse leaves the image or there is none.
    truncated : bool (n,)
        The ellipse leaves the image or has no position.
    """
    n = len(xs)
    height, width = view.image.shape
    result = np.full((n, 2), np.nan)
    truncated = np.ones(n, np.bool_)
    for i in range(n):
        if not (abs(xs[i]) < 1e9 and abs(ys[i]) < 1e9 and 0.0 <= iyy[i] < 1e9 and 0.0 <= ixx[i] < 1e9):
            continue
        reach = math.sqrt(iyy[i])
        y_low = int(math.ceil(ys[i] - reach))
        y_high = int(math.floor(ys[i] + reach))
        if y_low < 0 or y_high >= height:
            continue
        show(view, i)
        s = 0.0
        t = 0.0
        whole = True
        for y in range(y_low, y_high + 1):
            left, right = ellipse_row(y, xs[i], ys[i], ixx[i], ixy[i], iyy[i])
            if left <= right and (left < 0 or right >= width):
                whole = False
                break
            for x in range(left, right + 1):
                s += view.image[y, x]
                t += variance[y, x]
        hide(view, i)
        if whole:
            result[i, 0] = s
            result[i, 1] = t
            truncated[i] = False
    return result, truncated


@njit(cache=True, nogil=True)
def quantile(values, n, q):
    """Quantile `q` of `values[:n]` by linear interpolation; reorders them."""
    at = q * (n - 1)
    low = int(at)
    part = np.partition(values[:n], low)
    below = np.float64(part[low])
    if at == low:
        return below
    above = np.float64(part[low + 1])
    for k in range(low + 2, n):
        above = min(above, np.float64(part[k]))
    return below + (at - low) * (above - below)


@njit(cache=True, nogil=True)
def annulus_clipped_means(view, mask, bad_bits, xs, ys, inner, outer, n_sigma, n_iter):
    """Clipped mean and standard deviation of the pixels between two circles.

    Parameters
    ----------
    view : Overlay
        The image and n sources.
    mask : int32 (h, w)
        Bit mask.
    bad_bits : int
        Pixels with any of these bits are left out, like those that are not finite.
    xs, ys : float64 (n,)
        Centres, element coordinates.
    inner, outer : float64 (n,)
        Radii, pixels; the annulus is the outer circle without the inner.
    n_sigma, n_iter
        Clipping.

    Returns
    -------
    result : float64 (n, 2)
        Mean and standard deviation; NaN where there are no pixels.
    """
    n = len(xs)
    height, width = view.image.shape
    result = np.full((n, 2), np.nan)
    values = np.empty(64, np.float32)
    for i in range(n):
        if not (abs(xs[i]) < 1e9 and abs(ys[i]) < 1e9 and 0.0 <= inner[i] <= outer[i] < 1e4):
            continue
        needed = int(math.pi * (outer[i] + 1.0) ** 2) + 1
        if len(values) < needed:
            values = np.empty(needed, np.float32)
        show(view, i)
        count = 0
        for y in range(max(0, math.ceil(ys[i] - outer[i])), min(height - 1, math.floor(ys[i] + outer[i])) + 1):
            dy2 = (y - ys[i]) ** 2
            if outer[i] * outer[i] < dy2:
                continue
            half = math.sqrt(outer[i] * outer[i] - dy2)
            left = max(0, math.ceil(xs[i] - half))
            right = min(width - 1, math.floor(xs[i] + half))
            gap_left = right + 1
            gap_right = right
            if inner[i] * inner[i] >= dy2:
                gap = math.sqrt(inner[i] * inner[i] - dy2)
                gap_left = math.ceil(xs[i] - gap)
                gap_right = math.floor(xs[i] + gap)
            for x in range(left, right + 1):
                if gap_left <= x <= gap_right or (mask[y, x] & bad_bits) != 0:
                    continue
                value = view.image[y, x]
                if abs(value) < 1e30:
                    values[count] = value
                    count += 1
        hide(view, i)
        if count == 0:
            continue
        centre = quantile(values, count, 0.5)
        half_width = n_sigma * 0.741301109252802 * (quantile(values, count, 0.75) - quantile(values, count, 0.25))
        mean = centre
        scatter = 0.0
        for _ in range(n_iter):
            kept = 0
            s = 0.0
            s2 = 0.0
            for k in range(count):
                d = values[k] - centre
                if abs(d) <= half_width:
                    kept += 1
                    s += d
                    s2 += d * d
            if kept == 0:
                mean = np.nan
                scatter = np.nan
                break
            offset = s / kept
            mean = centre + offset
            scatter = math.sqrt(max(0.0, (s2 - kept * offset * offset) / (kept - 1))) if kept > 1 else np.nan
            centre = mean
            half_width = n_sigma * scatter
        result[i, 0] = mean
        result[i, 1] = scatter
    return result


@njit(cache=True, nogil=True)
def ellipse_medians(image, mask, bad_bits, xs, ys, ixx, ixy, iyy):
    """Median of an image over the pixels of ellipses, clipped to the image, that have none of the bits.

    Parameters
    ----------
    image, mask : float32, int32 (h, w)
        Values; bit mask.
    bad_bits : int
        Pixels with any of these bits are left out, like those that are not finite.
    xs, ys, ixx, ixy, iyy : float64 (n,)
        Centres, element coordinates, and matrices of the ellipses.

    Returns
    -------
    medians : float64 (n,)
        NaN where there is no pixel.
    """
    n = len(xs)
    height, width = image.shape
    medians = np.full(n, np.nan)
    values = np.empty(64, np.float32)
    for i in range(n):
        if not (abs(xs[i]) < 1e9 and abs(ys[i]) < 1e9 and 0.0 <= iyy[i] < 1e8 and 0.0 <= ixx[i] < 1e8):
            continue
        reach = math.sqrt(iyy[i])
        count = 0
        for y in range(max(0, math.ceil(ys[i] - reach)), min(height - 1, math.floor(ys[i] + reach)) + 1):
            left, right = ellipse_row(y, xs[i], ys[i], ixx[i], ixy[i], iyy[i])
            for x in range(max(0, left), min(width - 1, right) + 1):
                if (mask[y, x] & bad_bits) == 0 and abs(image[y, x]) < 1e30:
                    if count == len(values):
                        grown = np.empty(2 * count, np.float32)
                        grown[:count] = values
                        values = grown
                    values[count] = image[y, x]
                    count += 1
        if count > 0:
            medians[i] = quantile(values, count, 0.5)
    return medians


@njit(cache=True, nogil=True)
def mask_boxes(mask, xs, ys, half):
    """OR of the mask in squares of half size `half` around rounded positions, and whether each lies in the image."""
    n = len(xs)
    height, width = mask.shape
    bits = np.zeros(n, np.int32)
    inside = np.zeros(n, np.bool_)
    for i in range(n):
        if not (abs(xs[i]) < 1e9 and abs(ys[i]) < 1e9):
            continue
        xi = int(math.floor(xs[i] + 0.5))
        yi = int(math.floor(ys[i] + 0.5))
        inside[i] = xi - half >= 0 and yi - half >= 0 and xi + half < width and yi + half < height
        if not inside[i]:
            continue
        some = np.int32(0)
        for y in range(yi - half, yi + half + 1):
            for x in range(xi - half, xi + half + 1):
                some |= mask[y, x]
        bits[i] = some
    return bits, inside
