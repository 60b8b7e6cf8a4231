"""PSF images of many sources at once: mixture of basis images, then a separable resampling to the sub-pixel centre."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from skysift.kernels.moments import sdss_shape

__all__ = ["measure_shapes", "render"]


@njit(cache=True, nogil=True)
def _axis_taps(offset, order, beta, step, n_in, n_out, clip, starts, weights):
    """Fill the first tap (n_out,) and the unit-sum weights (2 order, n_out) of one axis."""
    taps = 2 * order
    raw = np.zeros(taps)
    for j in range(n_out):
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
    pad = order + 1 + max(0, (n_native - k) // 2 + 1)
    taps = 2 * order
    mix = np.zeros((k, k + 2 * pad))
    rows = np.zeros((k, n_native))
    row = np.zeros(n_native)
    starts_x, starts_y = np.zeros(n_native, np.int64), np.zeros(n_native, np.int64)
    wx, wy = np.zeros((taps, n_native)), np.zeros((taps, n_native))
    margin = (n_native - size) // 2
    first = 0 if unit_sum else max(margin, 0)
    last = n_native if unit_sum else min(margin + size, n_native)
    for s in range(n):
        mix[:, :] = 0.0
        for t in range(index.shape[1]):
            w = weight[s, t]
            b = basis[index[s, t]]
            for y in range(k):
                for x in range(k):
                    mix[y, pad + x] += w * b[y, x]
        total = 0.0
        for y in range(k):
            for x in range(k):
                total += mix[y, pad + x]
        scale = 1.0 / total if total != 0.0 else np.nan

        _axis_taps(dx[s], order, beta, step, k, n_native, clip, starts_x, wx)
        _axis_taps(dy[s], order, beta, step, k, n_native, clip, starts_y, wy)
        for y in range(k):
            target = rows[y]
            target[first:last] = 0.0
            if step == 1.0:
                for t in range(taps):
                    shift = starts_x[0] + t + pad
                    for i in range(first, last):
                        target[i] += wx[t, i] * mix[y, i + shift]
            else:
                for i in range(first, last):
                    for t in range(taps):
                        j = starts_x[i] + t
                        if 0 <= j < k:
                            target[i] += wx[t, i] * mix[y, pad + j]
            for i in range(first, last):
                target[i] *= scale

        out[s, :, :] = 0.0
        total = 0.0
        for j in range(first, last):
            row[first:last] = 0.0
            for t in range(taps):
                w = wy[t, j]
                y = starts_y[j] + t
                if w != 0.0 and 0 <= y < k:
                    for i in range(first, last):
                        row[i] += w * rows[y, i]
            for i in range(first, last):
                total += row[i]
            if 0 <= j - margin < size:
                for i in range(max(first, margin), min(last, margin + size)):
                    out[s, j - margin, i - margin] = row[i]
        if unit_sum:
            scale = 1.0 / total if total != 0.0 else np.nan
            for j in range(size):
                for i in range(size):
                    out[s, j, i] *= scale


@njit(cache=True, nogil=True)
def measure_shapes(stamps, out):
    """Adaptive moments (SdssShape, weight fixed on the central pixel) of float32 (n, k, k) stamps into ``out`` float64 (n, 3); NaN on failure."""
    centre = stamps.shape[1] // 2
    for s in range(stamps.shape[0]):
        ixx, ixy, iyy, _, _, _, flags = sdss_shape(stamps[s], float(centre), float(centre), 100, 1e-5, 1e-4, 2.0, False)
        out[s, 0], out[s, 1], out[s, 2] = ixx, iyy, ixy
        if flags != 0 or not (ixx > 0.0 and iyy > 0.0):
            out[s, :] = np.nan
