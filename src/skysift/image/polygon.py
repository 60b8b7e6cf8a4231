"""Polygons of pixel positions."""

from __future__ import annotations

from typing import Any

import numpy as np

from skysift.errors import InputError
from skysift.geom import Box2D, Box2I, Point2D

__all__ = ["Polygon"]


class Polygon:
    """A closed polygon without holes, immutable.

    Parameters
    ----------
    vertices
        Array (n, 2) of PARENT positions ``x, y``; the last need not repeat the first.

    Raises
    ------
    InputError
        If there are fewer than three vertices or one is not finite.
    """

    __slots__ = ("vertices",)

    def __init__(self, vertices: Any) -> None:
        array = np.array(vertices, dtype=np.float64)
        if array.ndim != 2 or array.shape[1] != 2:
            raise InputError(f"the vertices of a polygon are pairs of x and y, not an array of shape {array.shape}")
        if len(array) > 1 and np.array_equal(array[0], array[-1]):
            array = array[:-1]
        if len(array) < 3 or not np.isfinite(array).all():
            raise InputError(f"a polygon needs three or more finite vertices; there are {len(array)}")
        array.flags.writeable = False
        self.vertices = array

    @classmethod
    def from_box(cls, box: Box2I | Box2D) -> Polygon:
        """The outline of a box; of a `Box2I` that of its pixels."""
        b = Box2D(box) if isinstance(box, Box2I) else box
        return cls([(b.min_x, b.min_y), (b.max_x, b.min_y), (b.max_x, b.max_y), (b.min_x, b.max_y)])

    def _edges(self) -> tuple[np.ndarray, ...]:
        start, end = self.vertices, np.roll(self.vertices, -1, axis=0)
        return start[:, 0], start[:, 1], end[:, 0], end[:, 1]

    @property
    def signed_area(self) -> float:
        """Area in pixels, negative if the vertices run clockwise."""
        x0, y0, x1, y1 = self._edges()
        cx, cy = self.vertices[0]
        return float(((x0 - cx) * (y1 - cy) - (x1 - cx) * (y0 - cy)).sum() / 2.0)

    @property
    def area(self) -> float:
        """Area in pixels."""
        return abs(self.signed_area)

    @property
    def center(self) -> Point2D:
        """Centre of mass; of a polygon without area the mean of its vertices."""
        x0, y0, x1, y1 = self._edges()
        origin = self.vertices.mean(axis=0)
        cross = (x0 - origin[0]) * (y1 - origin[1]) - (x1 - origin[0]) * (y0 - origin[1])
        total = cross.sum()
        if total == 0.0:
            return Point2D(*origin)
        dx = ((x0 + x1 - 2.0 * origin[0]) * cross).sum() / (3.0 * total)
        dy = ((y0 + y1 - 2.0 * origin[1]) * cross).sum() / (3.0 * total)
        return Point2D(origin[0] + dx, origin[1] + dy)

    @property
    def bbox(self) -> Box2D:
        """The smallest box that holds it."""
        return Box2D(self.vertices.min(axis=0), self.vertices.max(axis=0))

    @property
    def is_convex(self) -> bool:
        """Whether it turns the same way at every vertex."""
        step = np.roll(self.vertices, -1, axis=0) - self.vertices
        after = np.roll(step, -1, axis=0)
        turn = step[:, 0] * after[:, 1] - step[:, 1] * after[:, 0]
        return bool((turn >= 0).all() or (turn <= 0).all())

    def contains(self, x: Any, y: Any) -> Any:
        """Whether positions lie inside, by the number of edges crossed on the way out.

        Parameters
        ----------
        x, y
            PARENT positions, numbers or arrays. What is not finite lies outside.

        Returns
        -------
        bool or numpy.ndarray
            Of the broadcast shape.
        """
        x, y = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
        inside = np.zeros(x.shape, dtype=bool)
        with np.errstate(invalid="ignore"):
            for x0, y0, x1, y1 in zip(*self._edges(), strict=True):
                if y0 != y1:
                    spans = (y0 > y) != (y1 > y)
                    inside ^= spans & (x < x0 + (x1 - x0) * ((y - y0) / (y1 - y0)))
        return bool(inside) if inside.ndim == 0 else inside

    def mask(self, bbox: Box2I) -> np.ndarray:
        """Whether the centres of the pixels of a box lie inside, bool (height, width)."""
        x, y = np.arange(bbox.min_x, bbox.end_x), np.arange(bbox.min_y, bbox.end_y)
        return self.contains(x[np.newaxis, :], y[:, np.newaxis])

    def intersection(self, other: Polygon) -> Polygon | None:
        """The part shared with a convex polygon (Sutherland & Hodgman 1974).

        Parameters
        ----------
        other
            A convex polygon. This one may have any shape; where the shared part falls to pieces, they stay joined by edges without area.

        Returns
        -------
        Polygon or None
            None if nothing is shared.

        Raises
        ------
        InputError
            If `other` is not convex.
        """
        if not other.is_convex:
            raise InputError("polygons are intersected with convex ones; swap the two if this one is convex")
        points = list(self.vertices)
        sign = 1.0 if other.signed_area > 0 else -1.0
        for x0, y0, x1, y1 in zip(*other._edges(), strict=True):
            sides = [sign * ((x1 - x0) * (p[1] - y0) - (y1 - y0) * (p[0] - x0)) for p in points]
            kept = []
            for i, (point, side) in enumerate(zip(points, sides, strict=True)):
                before, before_side = points[i - 1], sides[i - 1]
                if (side < 0.0) != (before_side < 0.0):
                    kept.append(before + (point - before) * (before_side / (before_side - side)))
                if side >= 0.0:
                    kept.append(point)
            points = kept
        if len(points) < 3:
            return None
        shared = Polygon(points)
        return shared if shared.area > 0.0 else None

    def transformed(self, function: Any) -> Polygon:
        """The polygon whose vertices are ``function(x, y)``, a pair of arrays."""
        return Polygon(np.stack(function(self.vertices[:, 0], self.vertices[:, 1]), axis=1))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Polygon) and np.array_equal(self.vertices, other.vertices)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Polygon({len(self.vertices)} vertices, area {self.area:g})"
