"""PSF images of many sources at once: mixture of basis images, then a separable resampling to the sub-pixel centre."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from skysift.kernels.moments import sdss_shape

__all__ = ["measure_shapes", "render"]

_SUMS = {"reassoc", "contract", "nsz"}


@njit(cache=True, nogil=True)
def _axis_taps(offset, order, beta, step, n_in, n_out, clip, starts, weights):
    """Fill the first tap (m,) and the unit-sum weights (2 order, m) of one axis, for as many outputs as there is space for."""
    taps = 2 * order
    raw = np.zeros(taps)
    for j in range(len(starts)):
        if step == 1.0:
            # the fraction apart from the whole pixels, so that rounding cannot set the outputs apart
            below = math.floor(-offset)
            base = n_in // 2 + j - n_out // 2 + int(below)
            fraction = -offset - below
        else:
            exact = (n_in // 2) + (j - n_out // 2 - offset) * step
            base = int(math.floor(exact))
            fraction = exact - base
        position = base + fraction
        starts[j] = base - order + 1
        if j == 0 or step != 1.0:
            # the sine of every tap is this one, with alternating sign
            sine = -math.sin(math.pi * fraction) if order % 2 else math.sin(math.pi * fraction)
            for t in range(taps):
                x = (t - order + 1) - fraction
                sine = -sine
                if abs(x) < 1e-12:
                    raw[t] = 1.0
                elif abs(x) >= order:
                    raw[t] = 0.0
                elif beta > 0.0:
                    raw[t] = sine / (math.pi * x) * math.exp(beta * (math.sqrt(1.0 - (x / order) ** 2) - 1.0))
                else:
                    raw[t] = sine / (math.pi * x) * math.sin(math.pi * x / order) * order / (math.pi * x)
        total = 0.0
        for t in range(taps):
            inside = not clip or 0 <= starts[j] + t < n_in
            weights[t, j] = raw[t] if inside else 0.0
            total += weights[t, j]
        used = total != 0.0 and (not clip or 0.0 <= position <= n_in - 1.0)
        for t in range(taps):
            weights[t, j] = weights[t, j] / total if used else 0.0


@njit(cache=True, nogil=True, fastmath=_SUMS)
def _blend(basis, index, weight, mix):
    """Mix flat basis images into `mix` (k * k,); give the factor that scales the mixture to unit sum."""
    for t in range(len(index)):
        w = np.float32(weight[t])
        image = basis[index[t]]
        if t == 0:
            for i in range(len(mix)):
                mix[i] = w * np.float32(image[i])
        else:
            for i in range(len(mix)):
                mix[i] += w * np.float32(image[i])
    total = 0.0
    for i in range(len(mix)):
        total += mix[i]
    return np.float32(1.0 / total) if total != 0.0 else np.float32(np.nan)


@njit(cache=True, nogil=True)
def _place(image, scale, out):
    """Put an image into the middle of another, cropped or with zeros around it; both have odd sizes, or both even ones."""
    inset = (len(out) - len(image)) // 2
    if inset > 0:
        out[:, :] = 0.0
    n = min(len(image), len(out))
    source = image[max(-inset, 0) : max(-inset, 0) + n, max(-inset, 0) : max(-inset, 0) + n]
    target = out[max(inset, 0) : max(inset, 0) + n, max(inset, 0) : max(inset, 0) + n]
    for y in range(n):
        for x in range(n):
            target[y, x] = scale * source[y, x]


@njit(cache=True, nogil=True, fastmath=_SUMS)
def _filter(source, first, step, weights, target):
    """Sum shifted copies of a flat array: ``target[i] = sum_t weights[t] source[first + t step + i]``; an even number of weights."""
    n = len(target)
    for t in range(0, len(weights), 2):
        u, v = np.float32(weights[t]), np.float32(weights[t + 1])
        one = source[first + t * step : first + t * step + n]
        two = source[first + (t + 1) * step : first + (t + 1) * step + n]
        if t == 0:
            for i in range(n):
                target[i] = u * one[i] + v * two[i]
        else:
            for i in range(n):
                target[i] += u * one[i] + v * two[i]


@njit(cache=True, nogil=True)
def _resample(padded, pad, starts_x, wx, starts_y, wy, first, out):
    """Resample with taps that differ from pixel to pixel: the pixels from `first` on of each axis, as many as `out` has rows."""
    k = len(padded) - 2 * pad
    count = len(out)
    rows = np.zeros((k, count))
    for y in range(k):
        for i in range(count):
            for t in range(len(wx)):
                x = starts_x[first + i] + t
                if 0 <= x < k:
                    rows[y, i] += wx[t, first + i] * padded[pad + y, pad + x]
    row = np.zeros(count)
    for j in range(count):
        row[:] = 0.0
        for t in range(len(wy)):
            y = starts_y[first + j] + t
            if 0 <= y < k:
                for i in range(count):
                    row[i] += wy[t, first + j] * rows[y, i]
        out[j, :count] = row


@njit(cache=True, nogil=True)
def render(basis, index, weight, dx, dy, order, beta, step, clip, unit_sum, n_native, out):
    """Render one PSF image per source into ``out``.

    Parameters
    ----------
    basis : float64 (m, k, k)
        Images to mix, sampled `step` times more finely (step > 1) than the output; k odd or even, centre at element k // 2.
    index, weight : int64 (n, t), float64 (n, t)
        Source i is ``sum_t weight[i, t] * basis[index[i, t]]``, scaled to unit sum.
    dx, dy : float64 (n,)
        Sub-pixel position of each centre, output pixels.
    order : int
        Half width of the windowed sinc; each axis has 2 * order taps, divided by their sum.
    beta : float
        Parameter of the window ``exp(beta (sqrt(1 - (x / order)²) - 1))``; 0 for that of Lanczos.
    step : float
        Input samples per output pixel.
    clip : bool
        Taps outside the input are left out of the sum that normalises (PSFEx); otherwise they meet zeros.
    unit_sum : bool
        Whether the resampled image is scaled to unit sum again.
    n_native : int
        Odd size of the resampled image.
    out : float32 (n, size, size)
        Filled; the native image is cropped or padded with zeros to `size` (odd) about its centre.
    """
    n, size = out.shape[0], out.shape[1]
    k = basis.shape[1]
    flat_basis = basis.reshape(len(basis), k * k)
    pad = order + 1 + max(0, (n_native - k) // 2 + 1)
    width = k + 2 * pad
    taps = 2 * order
    mix = np.zeros((k, k), np.float32)
    padded = np.zeros((width, width), np.float32)
    flat = padded.ravel()
    first = 0 if unit_sum else max((n_native - size) // 2, 0)
    count = n_native - 2 * first
    across = np.zeros((count + 1) * width, np.float32)
    drawn = np.zeros((count, width), np.float32)
    # Where the taps are the same for all pixels, rows joined end to end are one long row.
    uniform = step == 1.0 and not clip
    kinds = 1 if uniform else n_native
    starts_x, starts_y = np.zeros(kinds, np.int64), np.zeros(kinds, np.int64)
    wx, wy = np.zeros((taps, kinds)), np.zeros((taps, kinds))
    for s in range(n):
        scale = _blend(flat_basis, index[s], weight[s], mix.ravel())
        if uniform and k == n_native and dx[s] == 0.0 and dy[s] == 0.0:
            _place(mix, scale, out[s])
            continue
        _place(mix, scale, padded)
        _axis_taps(dx[s], order, beta, step, k, n_native, clip, starts_x, wx)
        _axis_taps(dy[s], order, beta, step, k, n_native, clip, starts_y, wy)
        if uniform:
            _filter(flat, (starts_y[0] + first + pad) * width, width, wy[:, 0].copy(), across[: count * width])
            _filter(across, starts_x[0] + first + pad, 1, wx[:, 0].copy(), drawn.ravel()[: count * width - width + count])
        else:
            _resample(padded, pad, starts_x, wx, starts_y, wy, first, drawn)
        scale = np.float32(1.0)
        if unit_sum:
            total = 0.0
            for j in range(count):
                for i in range(count):
                    total += drawn[j, i]
            scale = np.float32(1.0 / total) if total != 0.0 else np.float32(np.nan)
        _place(drawn[:, :count], scale, out[s])


@njit(cache=True, nogil=True)
def measure_shapes(stamps, out):
    """Adaptive moments (SdssShape, weight fixed on the central pixel) of float32 (n, k, k) stamps into ``out`` float64 (n, 3); NaN on failure."""
    centre = stamps.shape[1] // 2
    for s in range(stamps.shape[0]):
        ixx, ixy, iyy, _, _, _, flags = sdss_shape(stamps[s], float(centre), float(centre), 100, 1e-5, 1e-4, 2.0, False)
        out[s, 0], out[s, 1], out[s, 2] = ixx, iyy, ixy
        if flags != 0 or not (ixx > 0.0 and iyy > 0.0):
            out[s, :] = np.nan
