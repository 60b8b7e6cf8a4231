"""Sums over circles and ellipses of whole pixels, and the order statistics of annuli."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from skysift.kernels.stamps import hide, show

_SUMS = {"reassoc", "contract", "nsz"}


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
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
        for r in range(len(radii)):
            r2 = radii[r] * radii[r]
            reach = radii[r]
            if not (reach - 0.5 <= xs[i] <= width - 0.5 - reach and reach - 0.5 <= ys[i] <= height - 0.5 - reach):
                break
            for y in range(math.ceil(ys[i] - reach), math.floor(ys[i] + reach) + 1):
                dy2 = (y - ys[i]) ** 2
                if r2 < dy2:
                    continue
                half = math.sqrt(r2 - dy2)
                left = int(math.ceil(xs[i] - half))
                right = int(math.floor(xs[i] + half))
                gap_left = right + 1
                gap_right = right
                if inner >= dy2:
                    gap = math.sqrt(inner - dy2)
                    gap_left = int(math.ceil(xs[i] - gap))
                    gap_right = max(gap_left - 1, int(math.floor(xs[i] + gap)))
                # Slices, because indices that might be negative keep the loops from being vectorised.
                pixels = view.image[y, left:gap_left]
                noises = variance[y, left:gap_left]
                for k in range(len(pixels)):
                    s += pixels[k]
                    t += noises[k]
                pixels = view.image[y, gap_right + 1 : right + 1]
                noises = variance[y, gap_right + 1 : right + 1]
                for k in range(len(pixels)):
                    s += pixels[k]
                    t += noises[k]
            result[i, r, 0] = s
            result[i, r, 1] = t
            truncated[i, r] = False
            inner = r2
        hide(view, i)
    return result, truncated


@njit(cache=True, nogil=True, error_model="numpy")
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


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
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
        reach_x, reach_y = math.sqrt(ixx[i]), math.sqrt(iyy[i])
        if not (reach_x - 0.5 <= xs[i] <= width - 0.5 - reach_x and reach_y - 0.5 <= ys[i] <= height - 0.5 - reach_y):
            continue
        show(view, i)
        s = 0.0
        t = 0.0
        for y in range(int(math.ceil(ys[i] - reach_y)), int(math.floor(ys[i] + reach_y)) + 1):
            left, right = ellipse_row(y, xs[i], ys[i], ixx[i], ixy[i], iyy[i])
            pixels = view.image[y, left : max(left, right + 1)]
            noises = variance[y, left : max(left, right + 1)]
            for k in range(len(pixels)):
                s += pixels[k]
                t += noises[k]
        hide(view, i)
        result[i, 0] = s
        result[i, 1] = t
        truncated[i] = False
    return result, truncated


@njit(cache=True, nogil=True, error_model="numpy")
def sort_into_bins(values, low, high, bins, counts):
    """Put finite values between `low` and `high` into equal bins: their numbers into `bins`, how many into `counts`."""
    counts[:] = 0
    scale = (len(counts) - 1) / (high - low) if high > low else 0.0
    for k in range(len(values)):
        bins[k] = np.int32((values[k] - low) * scale)
        counts[bins[k]] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def binned_rank(values, bins, counts, rank):
    """Give the value of a rank from 0, by sorting the one bin that holds it."""
    below = 0
    number = 0
    while below + counts[number] <= rank:
        below += counts[number]
        number += 1
    members = np.empty(counts[number], values.dtype)
    found = 0
    for k in range(len(values)):
        if bins[k] == number:
            members[found] = values[k]
            found += 1
    members.sort()
    return np.float64(members[rank - below])


@njit(cache=True, nogil=True, error_model="numpy")
def binned_quantile(values, bins, counts, q):
    """Quantile `q` by linear interpolation between ranks."""
    at = q * (len(values) - 1)
    low = int(at)
    below = binned_rank(values, bins, counts, low)
    if at == low:
        return below
    return below + (at - low) * (binned_rank(values, bins, counts, low + 1) - below)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
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
    bins = np.empty(64, np.int32)
    counts = np.empty(256, np.int64)
    for i in range(n):
        if not (abs(xs[i]) < 1e9 and abs(ys[i]) < 1e9 and 0.0 <= inner[i] <= outer[i] < 1e4):
            continue
        needed = int(math.pi * (outer[i] + 1.0) ** 2) + 1
        if len(values) < needed:
            values = np.empty(needed, np.float32)
            bins = np.empty(needed, np.int32)
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
        sample = values[:count]
        sort_into_bins(sample, sample.min(), sample.max(), bins, counts)
        centre = binned_quantile(sample, bins, counts, 0.5)
        spread = binned_quantile(sample, bins, counts, 0.75) - binned_quantile(sample, bins, counts, 0.25)
        half_width = n_sigma * 0.741301109252802 * spread
        mean = centre
        scatter = 0.0
        for _ in range(n_iter):
            kept = 0.0
            s = 0.0
            s2 = 0.0
            for k in range(count):
                d = sample[k] - centre
                inside = 1.0 if abs(d) <= half_width else 0.0
                kept += inside
                s += inside * d
                s2 += inside * d * d
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


@njit(cache=True, nogil=True, error_model="numpy")
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
    bins = np.empty(64, np.int32)
    counts = np.empty(256, np.int64)
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
            sample = values[:count]
            if len(bins) < count:
                bins = np.empty(len(values), np.int32)
            sort_into_bins(sample, sample.min(), sample.max(), bins, counts)
            medians[i] = binned_quantile(sample, bins, counts, 0.5)
    return medians


@njit(cache=True, nogil=True, error_model="numpy")
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
