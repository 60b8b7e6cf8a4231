"""Peaks of a matched-filter image: which of them are sources, and which sources are hidden beside a brighter one."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["assess_peaks", "find_hidden", "group_peaks", "locate_peaks", "normalize_filtered", "prepare_pixels", "scan_peaks"]

_CELL = 32
_RING_POINTS = 24


@njit(cache=True, nogil=True)
def prepare_pixels(image, variance, mask, missing_bits, out, out_variance):
    """Copy an image and its variance into a frame of zeros, with zeros for the pixels that are missing.

    Parameters
    ----------
    image, variance : float32[:, ::1]
        The planes. A pixel is missing if its value is not finite or its variance is not a positive finite number.
    mask : int32[:, ::1]
        Flags.
    missing_bits : int
        Flags of pixels that are missing.
    out, out_variance : float32[:, ::1]
        The copies, larger by a frame of the same width on each side. They are allocated by numpy, which asks for large memory pages; that costs a
        fraction of what an array of this size costs in compiled code.

    Returns
    -------
    missing : int32[:, ::1]
        (n, 2) row and column of the missing pixels in the larger arrays, by row; without those of the frame.
    """
    height, width = image.shape
    pad = (out.shape[0] - height) // 2
    for plane in (out, out_variance):
        plane[:pad] = 0
        plane[height + pad :] = 0
        for y in range(pad, height + pad):
            plane[y, :pad] = 0
            plane[y, width + pad :] = 0
    missing = np.empty((1024, 2), np.int32)
    n = 0
    largest = np.float32(3.0e38)
    for y in range(height):
        row = out[y + pad, pad : pad + width]
        row_variance = out_variance[y + pad, pad : pad + width]
        value, v, flags = image[y], variance[y], mask[y]
        n_bad = 0
        for x in range(width):
            bad = (flags[x] & missing_bits != 0) | (not abs(value[x]) <= largest) | (not v[x] > 0) | (v[x] > largest)
            row[x] = np.float32(0) if bad else value[x]
            row_variance[x] = np.float32(0) if bad else v[x]
            n_bad += bad
        if n_bad == 0:
            continue
        if n + n_bad > missing.shape[0]:
            larger = np.empty((2 * (n + n_bad), 2), np.int32)
            larger[:n] = missing[:n]
            missing = larger
        for x in range(width):
            if row_variance[x] == 0:
                missing[n, 0] = y + pad
                missing[n, 1] = x + pad
                n += 1
    return missing[:n]


@njit(cache=True, nogil=True)
def normalize_filtered(filtered, variance, weight_y, weight_x, missing, square, least):
    """Divide a filtered image by the weight of the pixels that were there, in place.

    The weight is the sum of the squared kernel over the pixels that are not missing.

    Parameters
    ----------
    filtered, variance : float32[:, ::1]
        The image convolved with the kernel, its variance with the square of the kernel.
    weight_y, weight_x : float32[::1]
        Weight of each row and of each column if all pixels were there.
    missing : int32[:, ::1]
        (n, 2) row and column of the missing pixels, by row.
    square : float32[::1]
        The squared kernel in one dimension, of unit sum.
    least : float
        Where the weight is less than this, the image becomes NaN.
    """
    height, width = filtered.shape
    half = square.size // 2
    n = missing.shape[0]
    weight = np.empty(width, np.float32)
    first = 0
    for y in range(height):
        for x in range(width):
            weight[x] = weight_y[y] * weight_x[x]
        while first < n and missing[first, 0] < y - half:
            first += 1
        i = first
        while i < n and missing[i, 0] <= y + half:
            w = square[missing[i, 0] - y + half]
            x0 = missing[i, 1]
            for k in range(max(-half, -x0), min(half, width - 1 - x0) + 1):
                weight[x0 + k] -= w * square[half + k]
            i += 1
        row, noise = filtered[y], variance[y]
        for x in range(width):
            w = weight[x]
            if w < np.float32(0.9999):
                if w < least:
                    row[x] = np.nan
                    noise[x] = np.nan
                else:
                    row[x] /= w
                    noise[x] /= w * w


@njit(cache=True, nogil=True)
def group_peaks(mask, bits, labels, x, y):
    """Number the connected groups of flagged pixels that peaks touch.

    Parameters
    ----------
    mask : int32[:, ::1]
        Flags.
    bits : int
        The flags that make a group, with the pixels around them (8-connected).
    labels : int32[:, ::1]
        Zeros; becomes the number of the group in the flagged pixels that were reached.
    x, y : int32[::1]
        The peaks.

    Returns
    -------
    group : int32[::1]
        Number from 1 of the group that each peak is in or beside, 0 for none.
    """
    height, width = mask.shape
    group = np.zeros(x.size, np.int32)
    stack = np.empty(1024, np.int64)
    count = 0
    for i in range(x.size):
        size = 0
        for j in range(max(y[i] - 1, 0), min(y[i] + 1, height - 1) + 1):
            for k in range(max(x[i] - 1, 0), min(x[i] + 1, width - 1) + 1):
                if mask[j, k] & bits != 0 and group[i] == 0:
                    if labels[j, k] == 0:
                        count += 1
                        labels[j, k] = count
                        stack[0] = np.int64(j) * width + k
                        size = 1
                    group[i] = labels[j, k]
        while size > 0:
            size -= 1
            cy, cx = stack[size] // width, stack[size] % width
            if size + 8 > stack.size:
                larger = np.empty(2 * stack.size, np.int64)
                larger[:size] = stack[:size]
                stack = larger
            for j in range(max(cy - 1, 0), min(cy + 1, height - 1) + 1):
                for k in range(max(cx - 1, 0), min(cx + 1, width - 1) + 1):
                    if mask[j, k] & bits != 0 and labels[j, k] == 0:
                        labels[j, k] = count
                        stack[size] = np.int64(j) * width + k
                        size += 1
    return group


@njit(cache=True, nogil=True)
def _row_peaks(filtered, noise, y, square, bright, words, x_out):
    """Columns of the peaks of a row; what takes no new arrays is a function of its own, as it then runs without reference counting."""
    above, row, below = filtered[y - 1], filtered[y], filtered[y + 1]
    for x in range(row.size):
        bright[x] = (row[x] > 0) & (row[x] * row[x] >= square * noise[x])
    bright[0] = 0
    n = 0
    following = 0
    while following < row.size - 1:
        # Eight pixels at a time are passed over where none is bright.
        if following & 7 == 0 and words[following >> 3] == 0:
            following += 8
            continue
        x = following
        following += 1
        a = row[x]
        if bright[x] == 0 or row[x - 1] >= a or row[x + 1] > a or above[x] >= a or below[x] > a:
            continue
        if above[x - 1] >= a or above[x + 1] >= a or below[x - 1] > a or below[x + 1] > a:
            continue
        unknown = 0
        for j in range(y - 1, y + 2):
            for k in range(x - 1, x + 2):
                unknown += np.isnan(filtered[j, k])
        if unknown <= 2:
            x_out[n] = x
            n += 1
    return n


@njit(cache=True, nogil=True)
def scan_peaks(filtered, variance, threshold):
    """Find the pixels above a threshold that no neighbour exceeds.

    Parameters
    ----------
    filtered, variance : float32[:, ::1]
        Filtered image and its variance; NaN where unknown.
    threshold : float
        Least value in standard deviations.

    Returns
    -------
    x, y : int32[::1]
        The pixels, in raster order. One per plateau of up to three pixels; a peak has no more than two neighbours that are NaN.
    """
    height, width = filtered.shape
    square = np.float32(threshold * threshold)
    x_out = np.empty(4096, np.int32)
    y_out = np.empty(4096, np.int32)
    in_row = np.empty(width, np.int32)
    n = 0
    bright = np.zeros((width // 8 + 1) * 8, np.uint8)
    words = bright.view(np.uint64)
    for y in range(1, height - 1):
        count = _row_peaks(filtered, variance[y], y, square, bright, words, in_row)
        if n + count > x_out.size:
            size = 2 * (n + count)
            x_larger = np.empty(size, np.int32)
            y_larger = np.empty(size, np.int32)
            x_larger[:n] = x_out[:n]
            y_larger[:n] = y_out[:n]
            x_out, y_out = x_larger, y_larger
        x_out[n : n + count] = in_row[:count]
        y_out[n : n + count] = y
        n += count
    return x_out[:n], y_out[:n]


@njit(cache=True, nogil=True)
def _centre(filtered, x, y):
    """Maximum of the paraboloid through the logarithm of a peak pixel and its four neighbours; exact for a Gaussian."""
    a = filtered[y, x]
    left, right, down, up = filtered[y, x - 1], filtered[y, x + 1], filtered[y - 1, x], filtered[y + 1, x]
    shift_x = shift_y = 0.0
    if left > 0 and right > 0:
        bend = 2 * np.log(a) - np.log(left) - np.log(right)
        if bend > 0:
            shift_x = min(max(0.5 * (np.log(right) - np.log(left)) / bend, -0.5), 0.5)
    if down > 0 and up > 0:
        bend = 2 * np.log(a) - np.log(down) - np.log(up)
        if bend > 0:
            shift_y = min(max(0.5 * (np.log(up) - np.log(down)) / bend, -0.5), 0.5)
    return x + shift_x, y + shift_y


@njit(cache=True, nogil=True)
def _ring_median(filtered, cx, cy, dx, dy, work):
    height, width = filtered.shape
    n = 0
    for k in range(_RING_POINTS):
        x = int(np.floor(cx + dx[k] + 0.5))
        y = int(np.floor(cy + dy[k] + 0.5))
        if 0 <= x < width and 0 <= y < height and not np.isnan(filtered[y, x]):
            value = filtered[y, x]
            i = n
            while i > 0 and work[i - 1] > value:
                work[i] = work[i - 1]
                i -= 1
            work[i] = value
            n += 1
    if n < _RING_POINTS // 3:
        return 0.0
    return 0.5 * (work[(n - 1) // 2] + work[n // 2])


@njit(cache=True, nogil=True)
def _drop(filtered, x0, y0, x1, y1, value, enough):
    """How far the image falls below `value` on the straight way from one pixel to another; stops at `enough`."""
    steps = max(abs(x1 - x0), abs(y1 - y0))
    lowest = value
    for k in range(1, steps):
        x = int(np.floor(x0 + (x1 - x0) * k / steps + 0.5))
        y = int(np.floor(y0 + (y1 - y0) * k / steps + 0.5))
        v = filtered[y, x]
        if v < lowest:
            lowest = v
            if value - lowest >= enough:
                break
    return value - lowest


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _windowed_sums(image, there, x, y, sigma, half, weight):
    """Sum of the image under a Gaussian, and its first moments about the centre."""
    height, width = image.shape
    pad = (there.shape[0] - height) // 2
    x0, y0 = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
    left, right = max(x0 - half, pad), min(x0 + half, width + pad - 1) + 1
    for k in range(left, right):
        weight[k - left] = np.exp(-0.5 * ((k - x) / sigma) ** 2)
    total = sum_x = sum_y = 0.0
    for j in range(max(y0 - half, pad), min(y0 + half, height + pad - 1) + 1):
        weight_y = np.exp(-0.5 * ((j - y) / sigma) ** 2)
        row, there_row = image[j - pad, left - pad : right - pad], there[j, left:right]
        in_row = in_row_x = 0.0
        for k in range(row.size):
            w = weight[k] * row[k] if there_row[k] else 0.0
            in_row += w
            in_row_x += w * k
        total += weight_y * in_row
        sum_x += weight_y * (in_row_x + in_row * (left - x))
        sum_y += weight_y * in_row * (j - y)
    return total, sum_x, sum_y


@njit(cache=True, nogil=True)
def locate_peaks(filtered, image, there, x, y, significance, bright, window, farthest):
    """Positions of peaks to a fraction of a pixel.

    Bright peaks are located in the filtered image. The shape of faint ones is unknown, and that of most is wider than the PSF: they are moved to the
    nearest maximum of the image smoothed with a wider Gaussian, where noise scatters them less.

    Parameters
    ----------
    filtered : float32[:, ::1]
        Filtered image.
    image : float32[:, ::1]
        The image before it was filtered, without the frame that the filtered image has.
    there : uint8[:, ::1]
        Of the filtered image's shape: zero where the image is missing.
    x, y : int32[::1]
        The peaks.
    significance : float64[::1]
        Of the peaks.
    bright : float
        Significance of bright peaks.
    window : float
        Standard deviation of the Gaussian for faint ones, pixels.
    farthest : float
        Longest way of faint ones, pixels; those that would go farther, or that find no light, stay.

    Returns
    -------
    fx, fy : float64[::1]
        The positions.
    shift : float64[::1]
        How far a faint source is from the maximum of the filtered image, pixels; 0 for bright ones.
    """
    n = x.size
    fx = np.empty(n)
    fy = np.empty(n)
    shift = np.zeros(n)
    half = int(3.5 * window) + 1
    weight = np.empty(2 * half + 1)
    for i in range(n):
        fx[i], fy[i] = _centre(filtered, x[i], y[i])
        if significance[i] >= bright:
            continue
        at_x, at_y = fx[i], fy[i]
        for _ in range(15):
            total, sum_x, sum_y = _windowed_sums(image, there, at_x, at_y, window, half, weight)
            if total <= 0:
                break
            step_x = min(max(2 * sum_x / total, -1.0), 1.0)
            step_y = min(max(2 * sum_y / total, -1.0), 1.0)
            at_x += step_x
            at_y += step_y
            way = np.sqrt((at_x - fx[i]) ** 2 + (at_y - fy[i]) ** 2)
            if way > farthest:
                break
            if abs(step_x) + abs(step_y) < 0.02:
                fx[i], fy[i], shift[i] = at_x, at_y, way
                break
    return fx, fy, shift


@njit(cache=True, nogil=True)
def assess_peaks(filtered, variance, x, y, fx, fy, significance, shift, sigma, weights, least, bright):
    """Decide which peaks are sources of their own, the most significant first.

    The score of a peak is its significance, less weighted medians of the image on two rings around it, plus its weighted prominence: how far the
    image falls on the way to the accepted, more significant peaks within whose reach it lies; all in standard deviations; less the weighted shift, which
    is large for noise and for unresolved groups of faint sources. Peaks too significant for noise are judged by their prominence alone.

    Parameters
    ----------
    filtered, variance : float32[:, ::1]
        Filtered image and its variance.
    x, y : int32[::1]
        The peaks, by decreasing significance.
    fx, fy, significance, shift : float64[::1]
        Position and significance of the peaks, and how far they were moved, see `locate_peaks`.
    sigma : float
        Standard deviation of the PSF, pixels: the unit of all lengths.
    weights : float64[::1]
        Of the inner ring, the outer ring, the prominence, of which up to 2 counts, and the shift in units of `sigma`.
    least : float
        Least score of a source.
    bright : float
        Significance of peaks that are too significant for noise.

    Returns
    -------
    keep : bool[::1]
        Whether a peak is a source.
    """
    height, width = filtered.shape
    n = x.size
    keep = np.zeros(n, np.bool_)
    angle = 2 * np.pi * np.arange(_RING_POINTS) / _RING_POINTS
    ring_x = sigma * np.cos(angle)
    ring_y = sigma * np.sin(angle)
    work = np.empty(_RING_POINTS)
    columns = width // _CELL + 1
    head = np.full((height // _CELL + 1) * columns, -1, np.int32)
    following = np.full(n, -1, np.int32)
    widest = 0.0
    for j in range(n):
        value = filtered[y[j], x[j]]
        noise = np.sqrt(variance[y[j], x[j]])
        prominence = 2.0
        cell_reach = int(widest // _CELL) + 1
        row, column = y[j] // _CELL, x[j] // _CELL
        for r in range(max(row - cell_reach, 0), min(row + cell_reach, height // _CELL) + 1):
            for c in range(max(column - cell_reach, 0), min(column + cell_reach, columns - 1) + 1):
                i = head[r * columns + c]
                while i >= 0:
                    reach = sigma * (5.0 + 8.75 * np.log10(significance[i] / 5.0))
                    if (x[i] - x[j]) ** 2 + (y[i] - y[j]) ** 2 < reach * reach:
                        fall = _drop(filtered, x[j], y[j], x[i], y[i], value, 2.0 * noise)
                        prominence = min(prominence, fall / noise)
                    i = following[i]
        if significance[j] < bright:
            inner = _ring_median(filtered, fx[j], fy[j], 4.4 * ring_x, 4.4 * ring_y, work)
            outer = _ring_median(filtered, fx[j], fy[j], 10.0 * ring_x, 10.0 * ring_y, work)
            score = (
                significance[j]
                - (weights[0] * inner + weights[1] * outer) / noise
                + weights[2] * prominence
                - weights[3] * shift[j] / sigma
            )
            keep[j] = score >= least
        else:
            keep[j] = prominence >= 1.0
        if keep[j]:
            i = row * columns + column
            following[j] = head[i]
            head[i] = j
            widest = max(widest, min(sigma * (5.0 + 8.75 * np.log10(significance[j] / 5.0)), 64.0))
    return keep


@njit(cache=True, nogil=True)
def _cubic(image, x, y):
    """Catmull-Rom interpolation; NaN near the border."""
    ix, iy = int(np.floor(x)), int(np.floor(y))
    if ix < 1 or iy < 1 or ix >= image.shape[1] - 2 or iy >= image.shape[0] - 2:
        return np.nan
    t, u = x - ix, y - iy
    a = t * (-0.5 + t * (1.0 - 0.5 * t))
    b = 1.0 + t * t * (-2.5 + 1.5 * t)
    c = t * (0.5 + t * (2.0 - 1.5 * t))
    d = t * t * (-0.5 + 0.5 * t)
    total = 0.0
    for j in range(4):
        row = image[iy - 1 + j]
        if j == 0:
            w = u * (-0.5 + u * (1.0 - 0.5 * u))
        elif j == 1:
            w = 1.0 + u * u * (-2.5 + 1.5 * u)
        elif j == 2:
            w = u * (0.5 + u * (2.0 - 1.5 * u))
        else:
            w = u * u * (-0.5 + 0.5 * u)
        total += w * (a * row[ix - 1] + b * row[ix] + c * row[ix + 1] + d * row[ix + 2])
    return total


@njit(cache=True, nogil=True)
def _is_complete(there, x, y, half):
    """Whether no pixel of a box is missing."""
    height, width = there.shape
    for j in range(max(y - half, 0), min(y + half, height - 1) + 1):
        for k in range(max(x - half, 0), min(x + half, width - 1) + 1):
            if there[j, k] == 0:
                return False
    return True


@njit(cache=True, nogil=True)
def _beside(filtered, variance, there, cx, cy, significance, sigma, threshold, asymmetry, found):
    """Position and excess of the sources beside one bright source; see `find_hidden`."""
    height, width = filtered.shape
    closest = (1.375 * sigma) ** 2
    radius = int(min(sigma * (2.5 + 3.75 * np.log10(significance / 5.0)), 15.0 * sigma))
    x0, y0 = int(np.floor(cx + 0.5)) - radius, int(np.floor(cy + 0.5)) - radius
    side = 2 * radius + 1
    # The mirrored pixels and their neighbours must be inside too.
    if radius < 2 or x0 < 3 or y0 < 3 or x0 + side > width - 3 or y0 + side > height - 3:
        return 0
    centre_error = 0.04 + 2.0 * sigma / significance
    excess = np.zeros((side, side))
    ratio = np.zeros((side, side))
    bright = False
    for j in range(side):
        y = y0 + j
        for k in range(side):
            x = x0 + k
            value = filtered[y, x]
            noise = variance[y, x]
            if not value * value > threshold * threshold * noise or value < 0:
                continue
            model = _cubic(filtered, 2 * cx - x, 2 * cy - y)
            if not value > model:
                continue
            mx, my = int(np.floor(2 * cx - x + 0.5)), int(np.floor(2 * cy - y + 0.5))
            slope_x = 0.5 * (filtered[my, mx + 1] - filtered[my, mx - 1])
            slope_y = 0.5 * (filtered[my + 1, mx] - filtered[my - 1, mx])
            error = noise + variance[my, mx] + centre_error**2 * (slope_x**2 + slope_y**2) + (asymmetry * model) ** 2
            if error > 0:
                excess[j, k] = value - model
                ratio[j, k] = (value - model) / np.sqrt(error)
                bright = bright or ratio[j, k] >= threshold
    n = 0
    if not bright:
        return n
    for j in range(1, side - 1):
        for k in range(1, side - 1):
            e = excess[j, k]
            distance = (x0 + k - cx) ** 2 + (y0 + j - cy) ** 2
            if ratio[j, k] < threshold or distance < closest or distance > radius * radius:
                continue
            if excess[j - 1, k - 1] > e or excess[j - 1, k] > e or excess[j - 1, k + 1] > e or excess[j, k - 1] > e:
                continue
            if excess[j, k + 1] >= e or excess[j + 1, k - 1] >= e or excess[j + 1, k] >= e or excess[j + 1, k + 1] >= e:
                continue
            # The filter distorts the image where pixels are missing, and so makes it unlike its mirror image.
            mx, my = int(np.floor(2 * cx - x0 - k + 0.5)), int(np.floor(2 * cy - y0 - j + 0.5))
            half = int(3 * sigma)
            if not (_is_complete(there, x0 + k, y0 + j, half) and _is_complete(there, mx, my, half)):
                continue
            found[n, 0] = x0 + k + 0.5 * (excess[j, k + 1] - excess[j, k - 1]) / (2 * e - excess[j, k + 1] - excess[j, k - 1])
            found[n, 1] = y0 + j + 0.5 * (excess[j + 1, k] - excess[j - 1, k]) / (2 * e - excess[j + 1, k] - excess[j - 1, k])
            found[n, 2] = e / np.sqrt(variance[y0 + j, x0 + k])
            n += 1
            if n == found.shape[0]:
                return n
    return n


@njit(cache=True, nogil=True)
def find_hidden(filtered, variance, there, fx, fy, significance, sigma, threshold, asymmetry):
    """Find sources that make no peak of their own beside a brighter one: what is left of it when its mirror image is subtracted.

    The mirror image about the centre of the bright source is a model of it that holds for every star and every regular galaxy. What is left
    must be significant against the noise of both halves, the error of the centre, and a fraction of the model.

    Parameters
    ----------
    filtered, variance : float32[:, ::1]
        Filtered image and its variance.
    there : uint8[:, ::1]
        Zero where the image is missing.
    fx, fy, significance : float64[::1]
        Position and significance of the bright sources.
    sigma : float
        Standard deviation of the PSF, pixels.
    threshold : float
        Least significance of what is left.
    asymmetry : float
        Fraction of the model by which sources may differ from their mirror image.

    Returns
    -------
    found : float64[:, ::1]
        (n, 4): position x, y, the excess over the mirror image in standard deviations of the filtered image alone, index of the bright source.
    """
    found = np.empty((256, 4))
    beside = np.empty((64, 3))
    n = 0
    for i in range(fx.size):
        count = _beside(filtered, variance, there, fx[i], fy[i], significance[i], sigma, threshold, asymmetry, beside)
        if n + count > found.shape[0]:
            larger = np.empty((2 * (n + count), 4))
            larger[:n] = found[:n]
            found = larger
        found[n : n + count, :3] = beside[:count]
        found[n : n + count, 3] = i
        n += count
    return found[:n]
