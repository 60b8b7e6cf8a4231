"""Set algebra on horizontal runs of pixels, in numpy.

Each run becomes two events on a line on which the rows of the plane lie end to end; one sorted walk over the events of any number of sets
answers every question of membership.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["Runs", "combine_runs", "concatenate_ranges", "normalize_runs", "runs_of_array"]

Runs = tuple[np.ndarray, np.ndarray, np.ndarray]


def concatenate_ranges(start: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Join integer ranges end to end.

    Parameters
    ----------
    start, length
        Integer arrays (n,): first member and number of members of each range.

    Returns
    -------
    ndarray
        int64 (sum of `length`).
    """
    length = np.asarray(length, dtype=np.int64)
    ends = np.cumsum(length)
    total = int(ends[-1]) if ends.size else 0
    return np.arange(total) + np.repeat(np.asarray(start, dtype=np.int64) - (ends - length), length)


def combine_runs(sets: list[Runs], inside: Callable[[list[np.ndarray]], np.ndarray]) -> Runs:
    """Runs of the pixels for which a rule on membership holds.

    Parameters
    ----------
    sets
        Sets of runs ``(y, x0, x1)``, x1 inclusive, in any order; a set may overlap itself.
    inside
        Given, for each set, how many of its runs cover a place (int arrays), whether the place is in the result. It must be False where no run is.

    Returns
    -------
    y, x0, x1
        int64 arrays in raster order, neither overlapping nor touching.
    """
    y, x0, x1 = (np.concatenate([runs[k] for runs in sets]).astype(np.int64) for k in range(3))
    if y.size == 0:
        empty = np.empty(0, np.int64)
        return empty, empty, empty
    x_min, y_min = x0.min(), y.min()
    # One column more than the widest row keeps runs of different rows from touching.
    stride = x1.max() - x_min + 2
    base = (y - y_min) * stride - x_min
    place = np.concatenate([base + x0, base + x1 + 1])
    order = np.argsort(place, kind="stable")
    place = place[order]
    last = np.append(place[1:] != place[:-1], True)
    counts = []
    start = 0
    for runs in sets:
        change = np.zeros(y.size, np.int64)
        change[start : start + runs[0].size] = 1
        start += runs[0].size
        counts.append(np.cumsum(np.concatenate([change, -change])[order])[last])
    place = place[last]
    member = inside(counts)
    before = np.concatenate([[False], member[:-1]])
    row, begin = np.divmod(place[member & ~before], stride)
    end = place[before & ~member] % stride - 1
    return row + y_min, begin + x_min, end + x_min


def normalize_runs(y: np.ndarray, x0: np.ndarray, x1: np.ndarray) -> Runs:
    """Sort runs into raster order and merge those that overlap or touch.

    Parameters
    ----------
    y, x0, x1
        Integer arrays (n,), x1 inclusive; runs with ``x1 < x0`` are empty and dropped.

    Returns
    -------
    y, x0, x1
        int64 arrays.
    """
    full = x1 >= x0
    return combine_runs([(y[full], x0[full], x1[full])], lambda counts: counts[0] > 0)


def runs_of_array(inside: np.ndarray, x: int, y: int) -> Runs:
    """Runs of the true elements of an array.

    Parameters
    ----------
    inside
        bool (h, w).
    x, y
        Position of its first element.

    Returns
    -------
    y, x0, x1
        int32 arrays in raster order, neither overlapping nor touching.
    """
    padded = np.zeros((inside.shape[0], inside.shape[1] + 2), np.int8)
    padded[:, 1:-1] = inside
    step = np.diff(padded, axis=1)
    row, start = np.nonzero(step == 1)
    end = np.nonzero(step == -1)[1]
    return (row + y).astype(np.int32), (start + x).astype(np.int32), (end + x - 1).astype(np.int32)
