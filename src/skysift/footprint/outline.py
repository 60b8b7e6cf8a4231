"""Outlines of sets of pixels as polygons."""

from __future__ import annotations

import numpy as np

from skysift.footprint.spans import SpanSet

__all__ = ["polygons_of_spans"]

# Steps along a side of a pixel: to the right, up, left and down.
STEPS = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])


def polygons_of_spans(spans: SpanSet) -> list[np.ndarray]:
    """Polygons along the pixel borders of a set, as used by GeoJSON and region files.

    Parameters
    ----------
    spans
        The set.

    Returns
    -------
    list of ndarray
        float64 (n, 2): corners ``(x, y)`` of each polygon, PARENT, at half-integers; the last is joined to the first. Outer borders run
        counter-clockwise and borders of holes clockwise, so that the signed areas add up to that of the set. Pixels that touch only at a corner
        are not connected.
    """
    if spans.is_empty:
        return []
    inside = np.pad(spans.as_array(), 1)
    # Vertex [j, i] is the lower left corner of padded pixel [j, i]. A side leaves it in a direction if the set lies on its left only.
    left_up, right_up = inside[1:, :-1], inside[1:, 1:]
    left_down, right_down = inside[:-1, :-1], inside[:-1, 1:]
    leaves = np.stack([right_up & ~right_down, left_up & ~right_up, left_down & ~left_up, right_down & ~left_down])
    direction, y, x = np.nonzero(leaves)
    number = np.full(leaves.shape, -1)
    number[direction, y, x] = np.arange(direction.size)
    end_x, end_y = x + STEPS[direction, 0], y + STEPS[direction, 1]
    following = np.full(direction.size, -1)
    # Turning left first keeps pixels that touch at a corner apart.
    for turn in (1, 0, 3):
        following = np.where(following < 0, number[(direction + turn) % 4, end_y, end_x], following)
    corner = direction[following] != direction
    chain = following.tolist()
    unused = np.ones(direction.size, bool)
    polygons = []
    for start in range(direction.size):
        if not unused[start]:
            continue
        ring = [start]
        while chain[ring[-1]] != start:
            ring.append(chain[ring[-1]])
        unused[ring] = False
        turns = np.array(ring)[corner[ring]]
        polygons.append(np.stack([end_x[turns] + spans.bbox.min_x - 0.5, end_y[turns] + spans.bbox.min_y - 0.5], axis=1))
    return polygons
