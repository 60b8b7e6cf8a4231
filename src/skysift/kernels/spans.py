"""Dilation and painting of sets of spans."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["dilate_spans", "paint_spans"]


@njit(cache=True, nogil=True)
def dilate_spans(y, x0, x1, stencil_y, stencil_x0, stencil_x1, clip_x0, clip_y0, clip_x1, clip_y1):
    """Minkowski sum of a set of spans and a stencil, clipped to a box.

    Parameters
    ----------
    y, x0, x1 : int32[::1]
        The spans, x1 inclusive, in any order; they may overlap.
    stencil_y, stencil_x0, stencil_x1 : int32[::1]
        Spans of the stencil about the origin.
    clip_x0, clip_y0, clip_x1, clip_y1 : int
        First and last column and row of the result.

    Returns
    -------
    y, x0, x1 : int32[::1]
        The sum as normalized spans: in raster order, neither overlapping nor touching.

    Notes
    -----
    On each output row every contributing run records, at its first column, how far it reaches; one walk over the recorded starts joins them.
    Blocks of 64 columns without a start are skipped, so that the cost is that of the runs and not of the image.
    """
    n = y.size
    width = clip_x1 - clip_x0 + 1
    height = clip_y1 - clip_y0 + 1
    out_y = np.empty(n + 64, np.int32)
    out_x0 = np.empty(n + 64, np.int32)
    out_x1 = np.empty(n + 64, np.int32)
    if n == 0 or stencil_y.size == 0 or width <= 0 or height <= 0:
        return out_y[:0], out_x0[:0], out_x1[:0]

    first_row = y.min()
    n_rows = y.max() - first_row + 1
    offset = np.zeros(n_rows + 1, np.int64)
    for i in range(n):
        offset[y[i] - first_row + 1] += 1
    for i in range(n_rows):
        offset[i + 1] += offset[i]
    position = offset[:-1].copy()
    run_x0 = np.empty(n, np.int64)
    run_x1 = np.empty(n, np.int64)
    for i in range(n):
        k = position[y[i] - first_row]
        position[y[i] - first_row] += 1
        run_x0[k] = x0[i]
        run_x1[k] = x1[i]

    n_blocks = (width + 63) // 64
    reach = np.full(n_blocks * 64, -1, np.int32)
    used = np.zeros(n_blocks, np.bool_)
    n_out = 0
    for row in range(clip_y0, clip_y1 + 1):
        touched = False
        for s in range(stencil_y.size):
            source = row - stencil_y[s] - first_row
            if source < 0 or source >= n_rows:
                continue
            for k in range(offset[source], offset[source + 1]):
                start = max(run_x0[k] + stencil_x0[s] - clip_x0, 0)
                end = min(run_x1[k] + stencil_x1[s] - clip_x0, width - 1)
                if start > end:
                    continue
                reach[start] = max(reach[start], end)
                used[start >> 6] = True
                touched = True
        if not touched:
            continue
        if n_out + width // 2 + 2 > out_y.size:
            size = 2 * out_y.size + width
            for_y, for_x0, for_x1 = out_y, out_x0, out_x1
            out_y = np.empty(size, np.int32)
            out_x0 = np.empty(size, np.int32)
            out_x1 = np.empty(size, np.int32)
            out_y[:n_out] = for_y[:n_out]
            out_x0[:n_out] = for_x0[:n_out]
            out_x1[:n_out] = for_x1[:n_out]
        end = -2
        for b in range(n_blocks):
            if not used[b]:
                continue
            used[b] = False
            for x in range(b * 64, b * 64 + 64):
                if reach[x] < 0:
                    continue
                if x > end + 1:
                    out_y[n_out] = row
                    out_x0[n_out] = x + clip_x0
                    n_out += 1
                    end = reach[x]
                else:
                    end = max(end, reach[x])
                out_x1[n_out - 1] = end + clip_x0
                reach[x] = -1
    return out_y[:n_out].copy(), out_x0[:n_out].copy(), out_x1[:n_out].copy()


@njit(cache=True, nogil=True)
def paint_spans(array, y, x0, x1, value, x_origin, y_origin, add):
    """Combine a value per span into the pixels under the spans, in place; pixels outside the array are left out.

    Parameters
    ----------
    array : int32[:, ::1]
        A mask or an image of labels.
    y, x0, x1 : int32[::1]
        The spans, x1 inclusive.
    value : int32[::1]
        A value for each span.
    x_origin, y_origin : int
        Position of the first element of `array`.
    add : bool
        Add the value; otherwise its bits are set.
    """
    height, width = array.shape
    for i in range(y.size):
        row = y[i] - y_origin
        if row < 0 or row >= height:
            continue
        start = max(x0[i] - x_origin, 0)
        end = min(x1[i] - x_origin, width - 1)
        if add:
            for x in range(start, end + 1):
                array[row, x] += value[i]
        else:
            for x in range(start, end + 1):
                array[row, x] |= value[i]
