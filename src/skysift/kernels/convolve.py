"""Correlation of a masked image with a separable or a small dense kernel, row by row."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["correlate", "correlate_separable", "gaussian_taps", "separable_gaussian"]


def gaussian_taps(sigma: float, half_width: int) -> np.ndarray:
    """Samples of a Gaussian at integer offsets, normalised to unit sum.

    Parameters
    ----------
    sigma
        Standard deviation, pixels; not above zero gives a delta function.
    half_width
        Number of samples on each side of the centre.

    Returns
    -------
    taps
        float64 array of length ``2 * half_width + 1``.
    """
    offset = np.arange(-half_width, half_width + 1, dtype=np.float64)
    taps = np.exp(-0.5 * (offset / sigma) ** 2) if sigma > 0 else (offset == 0).astype(np.float64)
    return taps / taps.sum()


def separable_gaussian(
    image: np.ndarray, variance: np.ndarray | None, mask: np.ndarray | None, sigma: float, half_width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smooth an image with a Gaussian, its variance with the squared Gaussian, and spread its mask over the kernel's box.

    Parameters
    ----------
    image, variance
        float32 arrays ``[y, x]``, C-contiguous; `variance` may be None.
    mask
        int32 array ``[y, x]``, C-contiguous, or None.
    sigma
        Standard deviation of the Gaussian, pixels.
    half_width
        Half width of the kernel, pixels.

    Returns
    -------
    image, variance, mask
        New arrays; a plane that was not given comes back with shape ``(0, 0)``. Within `half_width` of the border the input is copied.
        NaN spreads over the kernel's box.
    """
    taps = gaussian_taps(sigma, half_width)
    variance = np.empty((0, 0), np.float32) if variance is None else variance
    mask = np.empty((0, 0), np.int32) if mask is None else mask
    out = np.empty(image.shape, np.float32), np.empty(variance.shape, np.float32), np.zeros(mask.shape, np.int32)
    correlate_separable(image, variance, mask, taps, taps, *out)
    return out


@njit(cache=True, nogil=True, fastmath={"contract"})
def _weighted_rows(source, taps, y, acc):
    """Sum of the rows of `source` from `y` on, weighted with `taps`, four rows in one sweep."""
    n = acc.size
    count = taps.size
    row = source[y]
    weight = taps[0]
    for x in range(n):
        acc[x] = weight * row[x]
    t = 1
    while t + 4 <= count:
        a, b, c, d = source[y + t], source[y + t + 1], source[y + t + 2], source[y + t + 3]
        wa, wb, wc, wd = taps[t], taps[t + 1], taps[t + 2], taps[t + 3]
        for x in range(n):
            acc[x] += (wa * a[x] + wb * b[x]) + (wc * c[x] + wd * d[x])
        t += 4
    while t < count:
        a, b = source[y + t], source[y + t + 1]
        wa, wb = taps[t], taps[t + 1]
        for x in range(n):
            acc[x] += wa * a[x] + wb * b[x]
        t += 2


@njit(cache=True, nogil=True, fastmath={"contract"})
def _weighted_columns(row, taps, out):
    """Sum of `row` shifted by 0, 1, ... weighted with `taps`; four shifts in one sweep."""
    n = out.size
    count = taps.size
    weight = taps[0]
    for x in range(n):
        out[x] = weight * row[x]
    t = 1
    while t + 4 <= count:
        a, b, c, d = row[t : t + n], row[t + 1 : t + 1 + n], row[t + 2 : t + 2 + n], row[t + 3 : t + 3 + n]
        wa, wb, wc, wd = taps[t], taps[t + 1], taps[t + 2], taps[t + 3]
        for x in range(n):
            out[x] += (wa * a[x] + wb * b[x]) + (wc * c[x] + wd * d[x])
        t += 4
    while t < count:
        a, b = row[t : t + n], row[t + 1 : t + 1 + n]
        wa, wb = taps[t], taps[t + 1]
        for x in range(n):
            out[x] += wa * a[x] + wb * b[x]
        t += 2


@njit(cache=True, nogil=True)
def _copy_frame(source, half_x, half_y, out):
    """Copy the pixels where the kernel does not fit; give whether it fits anywhere."""
    height, width = source.shape
    if width <= 2 * half_x or height <= 2 * half_y:
        out[:] = source
        return False
    out[:half_y] = source[:half_y]
    out[height - half_y :] = source[height - half_y :]
    out[half_y : height - half_y, :half_x] = source[half_y : height - half_y, :half_x]
    out[half_y : height - half_y, width - half_x :] = source[half_y : height - half_y, width - half_x :]
    return True


@njit(cache=True, nogil=True)
def _correlate_plane(source, taps_x, taps_y, out):
    height, width = source.shape
    half_x, half_y = taps_x.size // 2, taps_y.size // 2
    top = left = 0
    if out.shape == source.shape:
        if not _copy_frame(source, half_x, half_y, out):
            return
        top, left = half_y, half_x
    inner = width - 2 * half_x
    acc = np.empty(width, np.float32)
    for y in range(height - 2 * half_y):
        _weighted_rows(source, taps_y, y, acc)
        _weighted_columns(acc, taps_x, out[y + top, left : left + inner])


@njit(cache=True, nogil=True)
def _or_box(mask, half_x, half_y, out):
    """OR of the mask over a box, with work only on rows that have a bit nearby; the result is zero before."""
    height, width = mask.shape
    top = left = 0
    if out.shape == mask.shape:
        if not _copy_frame(mask, half_x, half_y, out):
            return
        top, left = half_y, half_x
    inner = width - 2 * half_x
    row_bits = np.zeros(height, np.int32)
    for y in range(height):
        bits = np.int32(0)
        row = mask[y]
        for x in range(width):
            bits |= row[x]
        row_bits[y] = bits
    acc = np.empty(width, np.int32)
    for y in range(height - 2 * half_y):
        acc[:] = 0
        found = False
        for k in range(y, y + 2 * half_y + 1):
            if row_bits[k] != 0:
                found = True
                row = mask[k]
                for x in range(width):
                    acc[x] |= row[x]
        if not found:
            continue
        target = out[y + top, left : left + inner]
        target[:] = acc[:inner]
        for t in range(1, 2 * half_x + 1, 2):
            a, b = acc[t : t + inner], acc[t + 1 : t + 1 + inner]
            for x in range(inner):
                target[x] |= a[x] | b[x]


@njit(cache=True, nogil=True)
def correlate_separable(image, variance, mask, kernel_x, kernel_y, out_image, out_variance, out_mask):
    """Correlate the planes of a masked image with the outer product of two 1-D kernels.

    ``out[y, x] = sum_ij kernel_y[j] kernel_x[i] image[y + j - hy, x + i - hx]``; the variance with the squared kernels, the mask with
    an OR over the kernel's box. Sums are float32, well enough for kernels of some tens of taps (relative errors near 1e-7).

    Parameters
    ----------
    image, variance
        float32 arrays ``[y, x]``, C-contiguous; an empty `variance` is skipped.
    mask
        int32 array ``[y, x]``, C-contiguous; an empty one is skipped.
    kernel_x, kernel_y
        float64 arrays of odd length.
    out_image, out_variance, out_mask
        The results, of the types of the planes; the mask is zero before. They have the shapes of the planes, and pixels nearer to the border than
        half the kernel are copied; or they are smaller by that frame, which needs planes larger than the kernel. They are allocated by numpy,
        which asks for large memory pages; that costs a fraction of what such an array costs in compiled code.
    """
    _correlate_plane(image, kernel_x.astype(np.float32), kernel_y.astype(np.float32), out_image)
    _correlate_plane(variance, (kernel_x * kernel_x).astype(np.float32), (kernel_y * kernel_y).astype(np.float32), out_variance)
    _or_box(mask, kernel_x.size // 2, kernel_y.size // 2, out_mask)


@njit(cache=True, nogil=True, fastmath={"contract"})
def correlate(image, mask, kernel, spread):
    """Correlate an image with a dense kernel, and spread a mask over the kernel's pixels.

    ``out[y, x] = sum_ij kernel[j, i] image[y + j - h // 2, x + i - w // 2]``, with sums in float64 over rows and float32 within a row of the kernel.

    Parameters
    ----------
    image
        float32 array ``[y, x]``, C-contiguous; an empty one is skipped.
    mask
        int32 array ``[y, x]``, C-contiguous; an empty one is skipped.
    kernel
        float64 array ``(h, w)``.
    spread
        bool array ``(h, w)``: the mask is the OR over these pixels.

    Returns
    -------
    image, mask
        New arrays; pixels where the kernel does not fit are zero.
    """
    h, w = kernel.shape
    out = np.zeros(image.shape, np.float32)
    height, width = image.shape
    inner = width - w + 1
    if inner > 0:
        acc = np.empty(inner, np.float64)
        part = np.empty(inner, np.float32)
        taps = kernel.astype(np.float32)
        for y in range(height - h + 1):
            acc[:] = 0.0
            for j in range(h):
                row = image[y + j]
                part[:] = np.float32(0)
                for i in range(w):
                    weight = taps[j, i]
                    if weight != 0:
                        shifted = row[i : i + inner]
                        for x in range(inner):
                            part[x] += weight * shifted[x]
                for x in range(inner):
                    acc[x] += part[x]
            out[y + h // 2, w // 2 : w // 2 + inner] = acc
    out_mask = np.zeros(mask.shape, np.int32)
    height, width = mask.shape
    inner = width - w + 1
    if inner > 0:
        for y in range(height):
            row = mask[y]
            if not row.any():
                continue
            for j in range(h):
                target_y = y - j + h // 2
                if target_y < h // 2 or target_y >= height - (h - 1 - h // 2):
                    continue
                target = out_mask[target_y, w // 2 : w // 2 + inner]
                for i in range(w):
                    if spread[j, i]:
                        shifted = row[i : i + inner]
                        for x in range(inner):
                            target[x] |= shifted[x]
    return out, out_mask
