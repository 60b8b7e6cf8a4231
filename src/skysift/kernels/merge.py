"""Merging of lists of footprints that overlap."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["merge_footprint_lists"]


@njit(cache=True, nogil=True)
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def _add_peak(peak, x, y, bits, head, tail, following, peak_bits, near, far, last_old):
    # Only peaks that were there before the present footprint count: `last_old` is the end of their chain, -1 if there is none.
    best = np.inf
    nearest = -1
    if last_old >= 0:
        p = head
        while True:
            d = np.hypot(np.float64(x[p] - x[peak]), np.float64(y[p] - y[peak]))
            if d < best:
                best = d
                nearest = p
            if p == last_old:
                break
            p = following[p]
    if nearest >= 0 and best < near:
        peak_bits[nearest] |= bits
    elif far >= 0.0 and best > far:
        peak_bits[peak] = bits
        following[peak] = -1
        if tail >= 0:
            following[tail] = peak
        else:
            head = peak
        tail = peak
    return head, tail


@njit(cache=True, nogil=True)
def merge_footprint_lists(
    labels,
    y,
    x0,
    x1,
    span_offset,
    peak_x,
    peak_y,
    peak_offset,
    first,
    bit,
    near,
    far,
    merge,
    parent,
    bits,
    head,
    tail,
    following,
    peak_bits,
):
    """Merge the footprints of one more list into those that came before.

    Parameters
    ----------
    labels : int32[:, ::1]
        Image of the region; 1 + index of a footprint that covers the pixel, or 0. Updated.
    y, x0, x1 : int32[::1]
        Spans of all footprints, old and new, in pixels of `labels`.
    span_offset : int64[::1]
        Offsets of the footprints in the spans.
    peak_x, peak_y : int32[::1]
        Peaks of all footprints.
    peak_offset : int64[::1]
        Offsets of the footprints in the peaks.
    first : int
        Index of the first new footprint.
    bit : int
        Bit of the list.
    near, far : float
        A peak nearer than `near` to an existing one is the same; otherwise it is new if it is farther than `far` from all. Negative: never.
    merge : bool
        False: the new footprints stay apart from the old ones.
    parent : int32[::1]
        Footprint that each footprint was merged into, itself if none. Updated, like those that follow.
    bits : int64[::1]
        Lists that contributed to each merged footprint.
    head, tail : int32[::1]
        First and last peak of each merged footprint, -1 if none.
    following, peak_bits : int32[::1], int64[::1]
        The next peak of the same footprint; lists that have the peak.
    """
    n = span_offset.size - 1
    seen = np.full(n, -1, np.int32)
    hits = np.empty(n, np.int32)
    for f in range(first, n):
        n_hits = 0
        for s in range(span_offset[f], span_offset[f + 1]):
            for x in range(x0[s], x1[s] + 1):
                if labels[y[s], x] == 0:
                    labels[y[s], x] = f + 1
                elif merge:
                    r = _root(parent, labels[y[s], x] - 1)
                    if r != f and seen[r] != f:
                        seen[r] = f
                        hits[n_hits] = r
                        n_hits += 1
        bits[f] = bit
        # A merged footprint keeps the place of its earliest member, so the smallest index is the first in the list.
        found = np.sort(hits[:n_hits])
        for k in range(1, n_hits):
            target, other = found[0], found[k]
            parent[other] = target
            bits[target] |= bits[other]
            last_old = tail[target]
            p = head[other]
            while p >= 0:
                after = following[p]
                head[target], tail[target] = _add_peak(
                    p, peak_x, peak_y, peak_bits[p], head[target], tail[target], following, peak_bits, near, far, last_old
                )
                p = after
        target = f
        last_old = -1
        reach = 0.0
        if n_hits > 0:
            target = found[0]
            parent[f] = target
            bits[target] |= bit
            last_old = tail[target]
            reach = far
        for p in range(peak_offset[f], peak_offset[f + 1]):
            head[target], tail[target] = _add_peak(
                p, peak_x, peak_y, bit, head[target], tail[target], following, peak_bits, near, reach, last_old
            )
