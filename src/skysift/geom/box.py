"""Boxes of pixels (`Box2I`) and of positions (`Box2D`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from skysift.errors import InputError
from skysift.geom.point import Extent2D, Extent2I, Point2D, Point2I

__all__ = ["Box2D", "Box2I"]

Pair = Sequence[float]


class Box2I:
    """A rectangle of whole pixels, immutable. All empty boxes are equal.

    Parameters
    ----------
    min
        The lowest pixel, PARENT coordinates.
    extent
        Width and height in pixels; not positive: the box is empty. A `Point2I` here is the highest pixel, inclusive.
    """

    __slots__ = ("_extent", "_min")
    _min: Point2I
    _extent: Extent2I

    def __init__(self, min: Pair = (0, 0), extent: Pair = (0, 0)) -> None:
        corner = min if type(min) is Point2I else Point2I(min)
        if isinstance(extent, Point2I):
            extent = (extent[0] - corner[0] + 1, extent[1] - corner[1] + 1)
        size = extent if type(extent) is Extent2I else Extent2I(extent)
        if size[0] <= 0 or size[1] <= 0:
            corner, size = Point2I(0, 0), Extent2I(0, 0)
        object.__setattr__(self, "_min", corner)
        object.__setattr__(self, "_extent", size)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Box2I is immutable; {name!r} cannot be set")

    def __reduce__(self) -> tuple[Any, ...]:
        return Box2I, (self._min, self._extent)

    @classmethod
    def from_min_max(cls, min: Pair, max: Pair) -> Box2I:
        """Box between two pixels, both included.

        Parameters
        ----------
        min, max
            The lowest and the highest pixel. If `max` is below `min` in either axis, the box is empty.
        """
        low, high = Point2I(min), Point2I(max)
        return cls(low, Extent2I(high[0] - low[0] + 1, high[1] - low[1] + 1))

    @classmethod
    def from_shape(cls, shape: tuple[int, ...], xy0: Pair = (0, 0)) -> Box2I:
        """Box that an array covers.

        Parameters
        ----------
        shape
            ``(height, width)``.
        xy0
            PARENT position of the element ``[0, 0]``.
        """
        return cls(xy0, Extent2I(int(shape[1]), int(shape[0])))

    @classmethod
    def from_box2d(cls, box: Box2D, expand: bool = True) -> Box2I:
        """Box of the pixels that a `Box2D` touches, or of those that lie inside it.

        Parameters
        ----------
        box
            A rectangle of positions.
        expand
            True: every pixel touched; False: whole pixels only.

        Raises
        ------
        InputError
            If the rectangle is not finite.
        """
        if box.is_empty:
            return cls()
        if not all(map(math.isfinite, (*box.min, *box.max))):
            raise InputError(f"{box} is not finite, so it holds no countable pixels")
        if expand:
            low = (math.floor(box.min_x + 0.5), math.floor(box.min_y + 0.5))
            high = (math.ceil(box.max_x - 0.5), math.ceil(box.max_y - 0.5))
        else:
            low = (math.ceil(box.min_x + 0.5), math.ceil(box.min_y + 0.5))
            high = (math.floor(box.max_x - 0.5), math.floor(box.max_y - 0.5))
        return cls.from_min_max(low, high)

    @property
    def min(self) -> Point2I:
        """The lowest pixel."""
        return self._min

    @property
    def max(self) -> Point2I:
        """The highest pixel, which belongs to the box."""
        return Point2I(self.max_x, self.max_y)

    @property
    def extent(self) -> Extent2I:
        """Width and height."""
        return self._extent

    @property
    def min_x(self) -> int:
        """Lowest column."""
        return self._min[0]

    @property
    def min_y(self) -> int:
        """Lowest row."""
        return self._min[1]

    @property
    def max_x(self) -> int:
        """Highest column, included."""
        return self._min[0] + self._extent[0] - 1

    @property
    def max_y(self) -> int:
        """Highest row, included."""
        return self._min[1] + self._extent[1] - 1

    @property
    def end_x(self) -> int:
        """One past the highest column."""
        return self._min[0] + self._extent[0]

    @property
    def end_y(self) -> int:
        """One past the highest row."""
        return self._min[1] + self._extent[1]

    @property
    def width(self) -> int:
        """Number of columns."""
        return self._extent[0]

    @property
    def height(self) -> int:
        """Number of rows."""
        return self._extent[1]

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self._extent[0] * self._extent[1]

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of an array that covers the box: ``(height, width)``."""
        return self._extent[1], self._extent[0]

    @property
    def is_empty(self) -> bool:
        """Whether there is no pixel in it."""
        return self._extent[0] == 0

    @property
    def center(self) -> Point2D:
        """The middle of the box: ``(min + max) / 2``."""
        return Point2D(self._min[0] + 0.5 * (self._extent[0] - 1), self._min[1] + 0.5 * (self._extent[1] - 1))

    @property
    def corners(self) -> list[Point2I]:
        """The corner pixels: lower left, lower right, upper right, upper left."""
        x0, y0, x1, y1 = self.min_x, self.min_y, self.max_x, self.max_y
        return [Point2I(x0, y0), Point2I(x1, y0), Point2I(x1, y1), Point2I(x0, y1)]

    def contains(self, other: Box2I | Pair) -> bool:
        """Whether a pixel or all of another box lies inside; an empty box lies inside every box.

        Parameters
        ----------
        other
            A `Box2I`, or a position, which is rounded to its pixel. A position that is not finite lies nowhere.
        """
        if isinstance(other, Box2I):
            return other.is_empty or (
                self.min_x <= other.min_x and self.min_y <= other.min_y and other.end_x <= self.end_x and other.end_y <= self.end_y
            )
        x, y = other
        return bool(self.min_x - 0.5 <= x < self.end_x - 0.5 and self.min_y - 0.5 <= y < self.end_y - 0.5)

    __contains__ = contains

    def overlaps(self, other: Box2I) -> bool:
        """Whether the boxes share a pixel."""
        return not self.clipped_to(other).is_empty

    def clipped_to(self, other: Box2I) -> Box2I:
        """The part that both boxes share."""
        x0, y0 = max(self.min_x, other.min_x), max(self.min_y, other.min_y)
        return Box2I(Point2I(x0, y0), Extent2I(min(self.end_x, other.end_x) - x0, min(self.end_y, other.end_y) - y0))

    def grown(self, n: int | Pair) -> Box2I:
        """The box with `n` pixels more on every side (fewer if negative); an empty box stays empty.

        Parameters
        ----------
        n
            Pixels, or ``(nx, ny)``.
        """
        if self.is_empty:
            return self
        nx, ny = Extent2I(n)
        return Box2I(Point2I(self.min_x - nx, self.min_y - ny), Extent2I(self.width + 2 * nx, self.height + 2 * ny))

    def shifted_by(self, dx: int | Pair, dy: int | None = None) -> Box2I:
        """The box moved.

        Parameters
        ----------
        dx, dy
            The shift in pixels; `dx` alone may be a pair.
        """
        step = Extent2I(dx, dy)
        return Box2I(self._min + step, self._extent)

    def including(self, other: Box2I | Pair) -> Box2I:
        """The smallest box that holds this one and a pixel or another box."""
        box = other if isinstance(other, Box2I) else Box2I(Point2I(other), Extent2I(1, 1))
        if self.is_empty:
            return box
        if box.is_empty:
            return self
        x0, y0 = min(self.min_x, box.min_x), min(self.min_y, box.min_y)
        return Box2I(Point2I(x0, y0), Extent2I(max(self.end_x, box.end_x) - x0, max(self.end_y, box.end_y) - y0))

    def slices(self, xy0: Pair = (0, 0)) -> tuple[slice, slice]:
        """Slices of this box in an array, row slice first.

        Parameters
        ----------
        xy0
            PARENT position of the array's element ``[0, 0]``.

        Raises
        ------
        InputError
            If the box begins before the array, where a slice would silently count from the array's end.
        """
        if self.is_empty:
            return slice(0, 0), slice(0, 0)
        x, y = self.min_x - int(xy0[0]), self.min_y - int(xy0[1])
        if x < 0 or y < 0:
            raise InputError(f"{self} begins before an array whose first element is at {tuple(xy0)}; clip it first")
        return slice(y, y + self.height), slice(x, x + self.width)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Box2I) and self._min == other._min and self._extent == other._extent

    def __hash__(self) -> int:
        return hash((self._min, self._extent))

    def __repr__(self) -> str:
        return f"Box2I(({self.min_x}, {self.min_y}), ({self.width}, {self.height}))"


class Box2D:
    """A rectangle of positions, immutable: closed below, open above.

    Parameters
    ----------
    min, max
        The lowest and highest corner, PARENT pixels; `max` not above `min` in either axis, or NaN: the box is empty.
        `min` alone may be a `Box2I`, which grows by half a pixel on every side.
    """

    __slots__ = ("_max", "_min")
    _min: Point2D
    _max: Point2D

    def __init__(self, min: Pair | Box2I = (0.0, 0.0), max: Pair = (0.0, 0.0)) -> None:
        if isinstance(min, Box2I):
            box = min
            if box.is_empty:
                low, high = Point2D(0, 0), Point2D(0, 0)
            else:
                low, high = Point2D(box.min_x - 0.5, box.min_y - 0.5), Point2D(box.end_x - 0.5, box.end_y - 0.5)
        else:
            low, high = Point2D(min), Point2D(max)
            if not (low[0] < high[0] and low[1] < high[1]):
                low, high = Point2D(0, 0), Point2D(0, 0)
        object.__setattr__(self, "_min", low)
        object.__setattr__(self, "_max", high)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Box2D is immutable; {name!r} cannot be set")

    def __reduce__(self) -> tuple[Any, ...]:
        return Box2D, (self._min, self._max)

    @property
    def min(self) -> Point2D:
        """The lowest corner."""
        return self._min

    @property
    def max(self) -> Point2D:
        """The highest corner, which does not belong to the box."""
        return self._max

    @property
    def min_x(self) -> float:
        """Left edge."""
        return self._min[0]

    @property
    def min_y(self) -> float:
        """Lower edge."""
        return self._min[1]

    @property
    def max_x(self) -> float:
        """Right edge."""
        return self._max[0]

    @property
    def max_y(self) -> float:
        """Upper edge."""
        return self._max[1]

    @property
    def width(self) -> float:
        """Size in x."""
        return self._max[0] - self._min[0]

    @property
    def height(self) -> float:
        """Size in y."""
        return self._max[1] - self._min[1]

    @property
    def extent(self) -> Extent2D:
        """Width and height."""
        return Extent2D(self.width, self.height)

    @property
    def area(self) -> float:
        """Area in pixels."""
        return self.width * self.height

    @property
    def center(self) -> Point2D:
        """The middle of the box."""
        return Point2D(0.5 * (self._min[0] + self._max[0]), 0.5 * (self._min[1] + self._max[1]))

    @property
    def is_empty(self) -> bool:
        """Whether there is no position in it."""
        return self._min == self._max

    def contains(self, other: Box2D | Pair) -> bool:
        """Whether a position, or all of another box, lies inside."""
        if isinstance(other, Box2D):
            return other.is_empty or (
                self.min_x <= other.min_x and self.min_y <= other.min_y and other.max_x <= self.max_x and other.max_y <= self.max_y
            )
        x, y = other
        return bool(self.min_x <= x < self.max_x and self.min_y <= y < self.max_y)

    __contains__ = contains

    def clipped_to(self, other: Box2D) -> Box2D:
        """The part that both boxes share."""
        return Box2D(
            (max(self.min_x, other.min_x), max(self.min_y, other.min_y)), (min(self.max_x, other.max_x), min(self.max_y, other.max_y))
        )

    def overlaps(self, other: Box2D) -> bool:
        """Whether the boxes share a position."""
        return not self.clipped_to(other).is_empty

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Box2D) and self._min == other._min and self._max == other._max

    def __hash__(self) -> int:
        return hash((self._min, self._max))

    def __repr__(self) -> str:
        return f"Box2D(({self.min_x}, {self.min_y}), ({self.max_x}, {self.max_y}))"
