"""Evaluation of piecewise cubics along the rows of an image."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["add_cubics"]


@njit(cache=True, nogil=True, fastmath={"contract"})
def add_cubics(coefficients, edges, positions, factor, image):
    """Add a piecewise cubic to each row of an image.

    Parameters
    ----------
    coefficients
        float64 array ``(rows, pieces, 4)`` of the coefficients of ``1, t, t**2, t**3``.
    edges
        int64 array ``(pieces + 1,)``: piece ``p`` is for the columns ``edges[p]:edges[p + 1]``.
    positions
        float32 array: the variable ``t`` of each column.
    factor
        What to multiply the cubics with.
    image
        float32 array ``(rows, columns)``, C-contiguous, changed in place.
    """
    for y in range(image.shape[0]):
        row, pieces = image[y], coefficients[y]
        for p in range(pieces.shape[0]):
            part, t = row[edges[p] : edges[p + 1]], positions[edges[p] : edges[p + 1]]
            c0, c1 = np.float32(factor * pieces[p, 0]), np.float32(factor * pieces[p, 1])
            c2, c3 = np.float32(factor * pieces[p, 2]), np.float32(factor * pieces[p, 3])
            for x in range(part.size):
                part[x] += c0 + t[x] * (c1 + t[x] * (c2 + t[x] * c3))
